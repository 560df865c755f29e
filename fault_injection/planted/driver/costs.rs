//! What the engine may cost: fences and flushed lines of its operations, fences for nothing never.

use everline::alloc::Request;
use everline::engine::{CreateOptions, Engine};
use everline::layout::RootSlot;
use everline::media::{Counted, Ram};
use everline::units::{ByteLen, ByteRange};

use crate::probe::Probe;

/// An operation, the fences it may cost, and the lines it may flush.
type Budget = (&'static str, u64, u64);

const STAGED: Budget = ("a staged commit", 1, 0);
const UNDO: Budget = ("an undo transaction", 2, 0);
const COVERED: Budget = ("an undo transaction above 2 KiB", 3, 36);
const CHECKPOINT: Budget = ("a checkpoint", 2, 3);
const NOTHING: Budget = ("a commit of nothing", 0, 0);

pub fn budgets(probe: &mut Probe) {
    if !probe.is_lab() {
        return;
    }
    let ram = Counted::new(Ram::new(ByteLen::new(1 << 20)));
    let engine = Engine::create(ram, &CreateOptions::default()).expect("large enough");
    let mut tx = engine.begin().expect("a lane");
    let block = tx.alloc(Request::new(4096)).expect("room");
    tx.zero_fresh(block).expect("inside");
    let root = RootSlot::user(0).expect("one of 48");
    tx.set_root(root, block.start()).expect("a root");
    tx.commit().expect("infallible");
    engine.checkpoint().expect("infallible");
    let at = |place: u64, len| ByteRange::at(block.start().get() + place, len).expect("small");
    let mut spend = |budget: Budget, operation: &dyn Fn()| {
        let before = engine.pool().media().cost();
        operation();
        let cost = engine.pool().media().cost() - before;
        let (name, fences, lines) = budget;
        if cost.fences > fences || cost.fences > cost.waits || cost.lines > lines {
            probe.report(name, &format!("{cost:?} spent, {fences} fences and {lines} lines allowed"));
        }
    };
    spend(STAGED, &|| {
        let mut tx = engine.begin().expect("a lane");
        tx.set(at(0, 8).start(), &1u64).expect("inside");
        tx.commit().expect("infallible");
    });
    spend(UNDO, &|| {
        let mut tx = engine.begin().expect("a lane");
        let word = at(8, 8);
        let mut in_place = tx.snapshot(&[word]).expect("room");
        in_place.store64(word.start(), 1).expect("in a snapshot");
        drop(in_place);
        tx.commit().expect("infallible");
    });
    spend(COVERED, &|| {
        let mut tx = engine.begin().expect("a lane");
        let wide = at(64, 2304);
        let mut in_place = tx.snapshot(&[wide]).expect("room");
        in_place.fill(wide, 7).expect("in a snapshot");
        drop(in_place);
        tx.commit().expect("infallible");
    });
    spend(CHECKPOINT, &|| {
        engine.checkpoint().expect("infallible");
    });
    spend(NOTHING, &|| {
        let tx = engine.begin().expect("a lane");
        tx.commit().expect("infallible");
    });
}
