//! A state that is one of two, on a medium that somebody else used before.

use super::*;

const STATE: u64 = 64;

/// What a byte stands for; any other is no state.
fn state(byte: u64) -> Option<&'static str> {
    match byte {
        1 => Some("idle"),
        2 => Some("busy"),
        _ => None,
    }
}

pub fn report(bug: Bug) -> Report {
    Explorer::new().base(Base::Dirty).check(
        LEN,
        |media| {
            for operation in 1..=2 {
                media.invoke(operation);
                persist(media, STATE, operation);
                media.ack(operation);
            }
        },
        |media| match (state(get(media, STATE)), bug) {
            (None, M29) => panic!("a value that the type does not have"),
            (found, _) => found,
        },
        |point, seen| {
            let may: Vec<_> = bounds(point).map(state).collect();
            expect(seen, &may)
        },
    )
}
