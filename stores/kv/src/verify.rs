//! Recovery `full` for keys: every node, record and value is verified before the store is opened.

use everline::media::Errno;
use everline::units::ByteOffset;
use everline_region::{RecoveryMode, Target, TargetError};

use crate::{KvError, check_pool};

/// Verifies the store in the pool of `target` where its configuration says recovery `full`; what lies below it,
/// [`Target::open`] has verified by then.
///
/// Errors: [`TargetError::Unsound`] with the first thing that is wrong. Cost: in mode full reads the whole store; else
/// nothing. No wait.
pub fn verify(target: &Target) -> Result<(), TargetError> {
    if target.config().recovery != RecoveryMode::Full {
        return Ok(());
    }
    let check = check_pool(target.regions(), &mut |_| {});
    let problems = check.problems.len() as u64;
    match check.problems.into_iter().next() {
        None => Ok(()),
        Some((space, error)) => Err(TargetError::Unsound {
            place: match target.path() {
                Some(path) => path.display().to_string(),
                None => target.config().kind.name().to_owned(),
            },
            problems,
            at: place_of(&error),
            first: match space.is_empty() {
                true => error.to_string(),
                false => format!("in the keyspace \"{space}\": {error}"),
            },
        }),
    }
}

fn place_of(error: &KvError<Errno>) -> Option<ByteOffset> {
    match error {
        KvError::Corrupt(corrupt) => Some(corrupt.at),
        _ => None,
    }
}
