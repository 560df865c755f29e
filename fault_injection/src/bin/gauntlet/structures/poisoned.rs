//! A log header and its copy on media whose units can fail to be read.

use super::*;

const HEADERS: [u64; 2] = [0, 1024];
/// Units that a read may find poisoned, none among them.
const POISONED: [Option<u64>; 3] = [None, Some(0), Some(1024)];

/// What a machine answers for a unit that it cannot read.
fn read(media: &CrashMedia, place: u64, poisoned: Option<u64>) -> Result<u64, u64> {
    match poisoned {
        Some(unit) if unit == place => Err(unit),
        _ => Ok(get(media, place)),
    }
}

/// What recovery answers with each unit poisoned in turn.
fn recover(media: &CrashMedia, bug: Bug) -> Vec<Result<u64, u64>> {
    let with = |poisoned| match (read(media, HEADERS[0], poisoned), bug) {
        (Err(_), M37) => Ok(0),
        (Err(_), _) => read(media, HEADERS[1], poisoned),
        (found, _) => found,
    };
    POISONED.into_iter().map(with).collect()
}

pub fn report(bug: Bug) -> Report {
    Explorer::new().check(
        LEN,
        |media| {
            for operation in 1..=2 {
                media.invoke(operation);
                for place in HEADERS {
                    persist(media, place, operation);
                }
                media.ack(operation);
            }
        },
        |media| recover(media, bug),
        |point, seen| {
            let may = bounds(point);
            match seen.iter().flatten().find(|found| !may.contains(found)) {
                Some(wrong) => Err(format!("wrong data instead of an error: {wrong}")),
                None => Ok(()),
            }
        },
    )
}
