//! Random histories of transactions against a model in a hash map: what is live, which bytes it has, how much is used.

mod image_tools;

use std::collections::HashMap;

use everline::alloc::{AllocError, FreeError, Request};
use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::media::Ram;
use everline::tx::{Tx, TxError};
use everline::units::{ByteOffset, ByteRange};
use image_tools::{KIB, assert_sound, bytes_at, create, fixed, range};
use proptest::prelude::*;

/// One step of a transaction; numbers choose among what is live, modulo its count.
#[derive(Clone, Debug)]
enum Step {
    Alloc {
        bytes: u64,
        align: u32,
        fill: u8,
    },
    AllocFresh {
        bytes: u64,
        fill: u8,
    },
    Free(usize),
    FreeTwice(usize),
    FreeInside(usize),
    Write {
        of: usize,
        from: u64,
        len: u64,
        fill: u8,
    },
    InPlace {
        of: usize,
        from: u64,
        len: u64,
        fill: u8,
    },
    Reserve {
        bytes: u64,
        fill: u8,
        publish: bool,
    },
    FailingMember {
        bytes: u64,
        of: usize,
        fill: u8,
    },
}

#[derive(Clone, Copy, Debug)]
enum End {
    Commit,
    Abort,
    Drop,
}

#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    Checkpoint,
    Close,
    Kill,
}

#[derive(Clone, Debug)]
struct Turn {
    steps: Vec<Step>,
    end: End,
    between: Between,
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![1u64..200, 200u64..3000, 3000u64..12_000];
    let place = (any::<usize>(), 0u64..4000, 1u64..600, any::<u8>());
    prop_oneof![
        4 => (size.clone(), 0u32..13, any::<u8>())
            .prop_map(|(bytes, align, fill)| Step::Alloc { bytes, align, fill }),
        1 => (size.clone(), any::<u8>()).prop_map(|(bytes, fill)| Step::AllocFresh { bytes, fill }),
        3 => any::<usize>().prop_map(Step::Free),
        1 => any::<usize>().prop_map(Step::FreeTwice),
        1 => any::<usize>().prop_map(Step::FreeInside),
        3 => place.clone().prop_map(|(of, from, len, fill)| Step::Write { of, from, len, fill }),
        3 => place.prop_map(|(of, from, len, fill)| Step::InPlace { of, from, len, fill }),
        1 => (size.clone(), any::<u8>(), any::<bool>())
            .prop_map(|(bytes, fill, publish)| Step::Reserve { bytes, fill, publish }),
        1 => (size, any::<usize>(), any::<u8>())
            .prop_map(|(bytes, of, fill)| Step::FailingMember { bytes, of, fill }),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    let end = prop_oneof![6 => Just(End::Commit), 2 => Just(End::Abort), 1 => Just(End::Drop)];
    let between = prop_oneof![
        6 => Just(Between::Nothing),
        1 => Just(Between::Checkpoint),
        1 => Just(Between::Close),
        1 => Just(Between::Kill),
    ];
    (prop::collection::vec(step(), 0..6), end, between).prop_map(|(steps, end, between)| Turn {
        steps,
        end,
        between,
    })
}

/// Live objects by place: their range and bytes.
type Model = HashMap<u64, (ByteRange, Vec<u8>)>;

fn pick(model: &Model, number: usize) -> Option<u64> {
    let mut places: Vec<u64> = model.keys().copied().collect();
    places.sort_unstable();
    (!places.is_empty()).then(|| places[number % places.len()])
}

/// The part of object `at` that begins at `from`, as far as there is one.
fn part(model: &Model, at: u64, from: u64, len: u64) -> ByteRange {
    let whole = model[&at].0.len().get();
    let from = from % whole;
    range(ByteOffset::new(at + from), len.min(whole - from))
}

fn change(model: &mut Model, at: u64, part: ByteRange, fill: u8) {
    let (_, bytes) = model.get_mut(&at).expect("live");
    let from = (part.start().get() - at) as usize;
    bytes[from..from + part.len().get() as usize].fill(fill);
}

fn is_full<T>(outcome: &Result<T, TxError<std::convert::Infallible>>) -> bool {
    matches!(
        outcome,
        Err(
            TxError::Alloc(AllocError::NoSpace { .. } | AllocError::TooLarge { .. })
                | TxError::LogFull { .. }
        )
    )
}

/// Carries out one step in both worlds. Being full is an answer, and changes neither.
fn take(engine: &Engine<Ram>, tx: &mut Tx<'_, Ram>, model: &mut Model, step: &Step) {
    match *step {
        Step::Alloc { bytes, align, fill } => {
            let align = 1 << align;
            let outcome = tx.alloc(Request::new(bytes).with_align(align));
            if is_full(&outcome) {
                return;
            }
            let block = outcome.expect("space");
            assert!(block.start().is_aligned(align) && block.len().get() >= bytes);
            let value = vec![fill; block.len().get() as usize];
            tx.write(block.start(), &value).expect("inside");
            assert!(model.insert(block.start().get(), (block, value)).is_none());
        }
        Step::AllocFresh { bytes, fill } => {
            let outcome = tx.alloc(Request::new(bytes));
            if is_full(&outcome) {
                return;
            }
            let block = outcome.expect("space");
            let value = vec![fill; block.len().get() as usize];
            tx.write_fresh(block.start(), &value).expect("inside");
            assert!(model.insert(block.start().get(), (block, value)).is_none());
        }
        Step::Free(number) => {
            let Some(at) = pick(model, number) else {
                return;
            };
            tx.free(ByteOffset::new(at)).expect("live");
            model.remove(&at);
        }
        Step::FreeTwice(number) => {
            let Some(at) = pick(model, number) else {
                return;
            };
            let place = ByteOffset::new(at);
            tx.free(place).expect("live");
            let double = Err(FreeError::DoubleFree { at: place }.into());
            assert_eq!(tx.free(place), double);
            model.remove(&at);
        }
        Step::FreeInside(number) => {
            let Some(at) = pick(model, number) else {
                return;
            };
            let at = ByteOffset::new(at + 1);
            assert_eq!(tx.free(at), Err(FreeError::Foreign { at }.into()));
        }
        Step::Write {
            of,
            from,
            len,
            fill,
        } => {
            let Some(at) = pick(model, of) else { return };
            let part = part(model, at, from, len);
            let bytes = vec![fill; part.len().get() as usize];
            tx.write(part.start(), &bytes).expect("inside");
            change(model, at, part, fill);
        }
        Step::InPlace {
            of,
            from,
            len,
            fill,
        } => {
            let Some(at) = pick(model, of) else { return };
            let part = part(model, at, from, len);
            let outcome = tx.snapshot(&[part]);
            if is_full(&outcome) {
                return;
            }
            outcome.expect("room").fill(part, fill).expect("covered");
            change(model, at, part, fill);
        }
        Step::Reserve {
            bytes,
            fill,
            publish,
        } => {
            let outcome = engine.reserve(Request::new(bytes));
            if is_full(&outcome) {
                return;
            }
            let mut reservation = outcome.expect("space");
            let block = reservation.block();
            let value = vec![fill; block.len().get() as usize];
            reservation.write(block.start(), &value).expect("inside");
            if publish {
                tx.publish(reservation).expect("room");
                assert!(model.insert(block.start().get(), (block, value)).is_none());
            }
        }
        Step::FailingMember { bytes, of, fill } => {
            let at = pick(model, of);
            let outcome: Result<(), TxError<_>> = tx.member(|tx| {
                let mut inner = model.clone();
                let alloc = Step::Alloc {
                    bytes,
                    align: 4,
                    fill,
                };
                take(engine, tx, &mut inner, &alloc);
                if let Some(at) = at {
                    for way in [
                        Step::Write {
                            of,
                            from: 3,
                            len: 100,
                            fill,
                        },
                        Step::InPlace {
                            of,
                            from: 50,
                            len: 100,
                            fill,
                        },
                    ] {
                        take(engine, tx, &mut inner, &way);
                    }
                    if inner.contains_key(&at) {
                        tx.free(ByteOffset::new(at)).expect("live");
                    }
                }
                Err(TxError::NoLane)
            });
            assert_eq!(outcome, Err(TxError::NoLane));
        }
    }
}

fn assert_same(engine: &Engine<Ram>, model: &Model) {
    let mut live = Vec::new();
    engine
        .for_each_live(|object| live.push(object.range))
        .expect("sound");
    let mut expected: Vec<ByteRange> = model.values().map(|(range, _)| *range).collect();
    expected.sort_by_key(|range| range.start());
    assert_eq!(live, expected);
    for (at, (_, bytes)) in model {
        let found = bytes_at(engine, ByteOffset::new(*at), bytes.len());
        assert!(&found == bytes, "the object at {at:#x}");
    }
    let heap = engine.stats().expect("sound").heap;
    assert_eq!(heap.objects, model.len() as u64);
    let used: u64 = expected.iter().map(|range| range.len().get()).sum();
    assert_eq!(heap.used_bytes, used);
    assert_sound(engine);
}

fn run(options: &CreateOptions, turns: &[Turn]) {
    let mut engine = create(192 * KIB, options);
    let empty = engine.stats().expect("sound").heap;
    let mut model = Model::new();
    for turn in turns {
        let mut next = model.clone();
        let mut tx = engine.begin().expect("a lane");
        for step in &turn.steps {
            take(&engine, &mut tx, &mut next, step);
            for (at, (_, bytes)) in &next {
                let mut seen = vec![0; bytes.len()];
                tx.read(ByteOffset::new(*at), &mut seen).expect("inside");
                assert!(&seen == bytes, "in the transaction: {at:#x} after {step:?}");
            }
        }
        match turn.end {
            End::Commit => {
                let outcome = tx.commit();
                if !is_full(&outcome) {
                    outcome.expect("committed");
                    model = next;
                }
            }
            End::Abort => tx.abort().expect("memory does not fail"),
            End::Drop => drop(tx),
        }
        engine = match turn.between {
            Between::Nothing => engine,
            Between::Checkpoint => {
                engine.checkpoint().expect("memory does not fail");
                engine
            }
            Between::Close => image_tools::reopen(engine),
            Between::Kill => {
                let opened = Engine::open(engine.abandon(), &OpenOptions::default());
                opened.expect("recoverable").0
            }
        };
        assert_same(&engine, &model);
    }
    for at in model.keys() {
        let mut tx = engine.begin().expect("a lane");
        tx.free(ByteOffset::new(*at)).expect("live");
        tx.commit().expect("a free needs no space");
    }
    assert_same(&engine, &Model::new());
    assert_eq!(engine.stats().expect("sound").heap, empty);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_history_of_transactions_leaves_what_the_model_says(
        turns in prop::collection::vec(turn(), 1..40),
        ring in prop_oneof![Just(1024u64), Just(4096), Just(16_384)],
        slab in prop_oneof![Just(4096u32), Just(16_384)],
        lanes in 2u32..4,
    ) {
        let options = CreateOptions {
            ring_bytes: Some(ring),
            slab_bytes: Some(slab),
            lanes: Some(lanes),
            ..fixed()
        };
        run(&options, &turns);
    }
}

/// The small exhaustive sibling: every pair of steps of one kind each, in one transaction and in two.
#[test]
fn every_pair_of_steps_leaves_what_the_model_says() {
    let steps = [
        Step::Alloc {
            bytes: 100,
            align: 6,
            fill: 1,
        },
        Step::Alloc {
            bytes: 9000,
            align: 6,
            fill: 2,
        },
        Step::AllocFresh {
            bytes: 100,
            fill: 3,
        },
        Step::Free(0),
        Step::FreeTwice(1),
        Step::FreeInside(0),
        Step::Write {
            of: 0,
            from: 0,
            len: 50,
            fill: 4,
        },
        Step::InPlace {
            of: 0,
            from: 20,
            len: 50,
            fill: 5,
        },
        Step::Reserve {
            bytes: 100,
            fill: 6,
            publish: true,
        },
        Step::FailingMember {
            bytes: 100,
            of: 0,
            fill: 7,
        },
    ];
    let options = CreateOptions {
        ring_bytes: Some(1024),
        slab_bytes: Some(4096),
        ..fixed()
    };
    let turn = |steps: &[&Step], end, between| Turn {
        steps: steps.iter().map(|step| (*step).clone()).collect(),
        end,
        between,
    };
    for first in &steps {
        for second in &steps {
            for between in [Between::Nothing, Between::Close, Between::Kill] {
                let start = turn(&[&steps[0], &steps[0]], End::Commit, Between::Nothing);
                run(
                    &options,
                    &[
                        start.clone(),
                        turn(&[first], End::Commit, between),
                        turn(&[second], End::Commit, between),
                    ],
                );
                for end in [End::Commit, End::Abort, End::Drop] {
                    run(
                        &options,
                        &[start.clone(), turn(&[first, second], end, between)],
                    );
                }
            }
        }
    }
}
