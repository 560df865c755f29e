//! What the laboratory's lints say of the engine itself: every kind of operation, and all of them twice in a row.
//!
//! Nothing is fenced for nothing, nothing acknowledged between flush and fence, no line made durable again and again
//! within an operation. What is reported is listed in [`KNOWN`] with its reason, and anything else fails.

mod crash_world;

use std::collections::BTreeSet;

use crash_world::alphabet::transactions;
use crash_world::known_lints::{KNOWN, is_known};
use crash_world::{Op, create, medium, record, tiny};

/// One operation of each kind, the smallest first.
fn alphabet() -> Vec<Op> {
    std::iter::once(Op::Tiny(5)).chain(transactions()).collect()
}

#[test]
fn j7_the_lints_of_the_engine_are_those_that_are_known() {
    let mut met = BTreeSet::new();
    let alphabet = alphabet();
    let twice: Vec<Op> = [alphabet.clone(), alphabet.clone()].concat();
    let alone = alphabet.iter().map(|op| vec![*op]);
    for ops in alone.chain([twice]) {
        let (recording, _states) = record(medium(), &tiny(), &ops);
        for lint in recording.lints() {
            let known = is_known(&lint);
            assert!(known.is_some(), "{ops:?}: {:?} {lint}", lint.kind);
            met.extend(known);
        }
    }
    let unmet: Vec<_> = (0..KNOWN.len())
        .filter(|known| !met.contains(known))
        .map(|known| KNOWN[known])
        .collect();
    assert!(
        unmet.is_empty(),
        "no longer so, to be taken off the list: {unmet:?}"
    );
}

#[test]
fn j7_aborts_checkpoints_and_opens_flush_and_fence_just_what_they_must() {
    for op in [
        Op::AbortBig(60),
        Op::AbortStaged(70),
        Op::Checkpoint,
        Op::Reopen,
        Op::Kill,
    ] {
        let (recording, _states) = record(medium(), &tiny(), &[op]);
        assert_eq!(recording.lints(), [], "{op:?}");
    }
}

#[test]
fn j7_making_a_pool_fences_nothing_for_nothing() {
    let media = medium();
    drop(create(media.clone(), &tiny()));
    let lints = media.recording().lints();
    assert!(
        lints.iter().all(|lint| is_known(lint).is_some()),
        "{lints:#?}"
    );
}
