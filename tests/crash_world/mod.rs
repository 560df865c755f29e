//! A small world to crash: eight cells in one block and four slots that own objects, with a model beside it.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod alphabet;
pub mod known_lints;
pub mod sweep;

use everline::alloc::Request;
use everline::engine::{CreateOptions, Engine, OpenOptions, OpenReport};
use everline::layout::RootSlot;
use everline::media::Media;
use everline::tx::{Tx, TxError};
use everline::units::{ByteLen, ByteOffset, ByteRange};
use everline_crash::{CrashMedia, CrashSyncError, Depth, Explorer, Point, Recording, Report};

pub type E = Engine<CrashMedia>;
pub type R = Result<(), TxError<CrashSyncError>>;

pub const CELLS: usize = 8;
pub const SLOTS: usize = 4;
/// Cells straddle lines and share some.
const STRIDE: u64 = 40;
const BLOCK: u64 = 4096;

/// The strictest medium: a locked read-modify-write settles nothing, as on Arm and on files, so what survives here
/// survives on x86 too.
pub fn medium() -> CrashMedia {
    CrashMedia::new(ByteLen::new(64 << 10)).without_rmw_fences()
}

/// What the world holds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct State {
    pub cells: [u64; CELLS],
    pub slots: [Option<(u64, u8)>; SLOTS],
}

/// What recovery found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub state: State,
    pub live: u64,
    pub problems: u64,
}

pub type Observation = Result<Seen, String>;

/// One operation: one transaction, or what its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Staged: one cell, a record of one line.
    Tiny(u64),
    /// Staged: two cells, one record.
    Staged(u64),
    /// Undo: two cells in place, in one batch.
    Undo(u64),
    /// Undo above 2 KiB: the whole block in place, covered.
    UndoBig(u64),
    /// Undo and staged on overlapping cells in one transaction.
    Mixed(u64),
    /// Undo, then abort.
    AbortUndo(u64),
    /// Undo above 2 KiB, then abort.
    AbortBig(u64),
    /// Staged with allocations, then abort.
    AbortStaged(u64),
    /// An object of so many bytes into a slot, its bytes in the record; replaces and frees what was there.
    Put {
        slot: usize,
        bytes: u64,
        fill: u8,
    },
    /// As `Put`, its bytes straight to their home.
    PutFresh {
        slot: usize,
        bytes: u64,
        fill: u8,
    },
    /// Frees what a slot owns.
    Free(usize),
    /// Two members on one commit, and one that fails in between.
    Group(u64),
    /// A transaction larger than its lane.
    Extended(u64),
    /// As `Staged`, on another lane than the one used otherwise.
    OtherLane(u64),
    Checkpoint,
    /// Close and open.
    Reopen,
    /// The process dies without closing; another one opens.
    Kill,
}

pub fn slot(index: usize) -> RootSlot {
    RootSlot::user(index as u8 + 1).expect("one of 48")
}

fn cells_slot() -> RootSlot {
    RootSlot::user(0).expect("one of 48")
}

/// The smallest pool with rings small enough to wrap within a workload.
pub fn tiny() -> CreateOptions {
    CreateOptions {
        lanes: Some(2),
        ring_bytes: Some(1024),
        capacity_max: Some(64 << 10),
        ..CreateOptions::default()
    }
}

/// A new world on `media`; its creation is acknowledged and durable.
pub fn create(media: CrashMedia, options: &CreateOptions) -> E {
    let engine = Engine::create(media, options).expect("the medium is large enough");
    let mut tx = engine.begin().expect("a lane");
    let block = tx.alloc(Request::new(BLOCK)).expect("room");
    tx.zero_fresh(block).expect("inside");
    tx.set_root(cells_slot(), block.start()).expect("a root");
    tx.commit().expect("no fault asked for");
    engine.checkpoint().expect("no fault asked for");
    engine
}

pub fn cell(engine: &E, index: usize) -> ByteRange {
    let block = engine.root(cells_slot()).get();
    ByteRange::at(block + index as u64 * STRIDE, 8).expect("small")
}

fn block(engine: &E) -> ByteRange {
    ByteRange::new(engine.root(cells_slot()), ByteLen::new(BLOCK)).expect("small")
}

impl State {
    /// The state after `op`.
    pub fn after(&self, op: Op) -> State {
        let mut next = self.clone();
        match op {
            Op::Tiny(v) => next.cells[0] = v,
            Op::Staged(v) | Op::OtherLane(v) => (next.cells[0], next.cells[1]) = (v, v + 1),
            Op::Undo(v) => (next.cells[1], next.cells[2]) = (v, v + 1),
            Op::UndoBig(v) => next.cells = [v; CELLS],
            Op::Mixed(v) => (next.cells[0], next.cells[2], next.cells[3]) = (v + 2, v + 1, v),
            Op::Put { slot, bytes, fill } | Op::PutFresh { slot, bytes, fill } => {
                next.slots[slot] = Some((bytes, fill));
            }
            Op::Free(slot) => next.slots[slot] = None,
            Op::Group(v) => (next.cells[4], next.cells[5]) = (v, v + 1),
            Op::Extended(v) => (next.cells[6], next.cells[7]) = (v, v + 1),
            Op::AbortUndo(_) | Op::AbortBig(_) | Op::AbortStaged(_) => {}
            Op::Checkpoint | Op::Reopen | Op::Kill => {}
        }
        next
    }
}

fn write(tx: &mut Tx<'_, CrashMedia>, at: ByteRange, value: u64) -> R {
    tx.set(at.start(), &value)
}

/// Runs `op` on the engine.
pub fn run(engine: E, op: Op) -> E {
    match op {
        Op::Checkpoint => {
            engine.checkpoint().expect("no fault asked for");
            engine
        }
        Op::Reopen => reopen(engine.close().expect("no fault asked for")),
        Op::Kill => reopen(engine.abandon()),
        _ => {
            transaction(&engine, op).expect("no fault asked for, and room");
            engine
        }
    }
}

fn reopen(media: CrashMedia) -> E {
    Engine::open(media, &OpenOptions::default())
        .expect("a pool")
        .0
}

/// Runs an operation that is a transaction.
pub fn transaction(engine: &E, op: Op) -> R {
    let on_first_lane = if matches!(op, Op::OtherLane(_)) {
        Some(engine.begin()?)
    } else {
        None
    };
    let mut tx = engine.begin()?;
    drop(on_first_lane);
    match op {
        Op::Tiny(v) => write(&mut tx, cell(engine, 0), v)?,
        Op::Staged(v) | Op::OtherLane(v) => {
            write(&mut tx, cell(engine, 0), v)?;
            write(&mut tx, cell(engine, 1), v + 1)?;
        }
        Op::Undo(v) => {
            let (a, b) = (cell(engine, 1), cell(engine, 2));
            let mut in_place = tx.snapshot(&[a, b])?;
            in_place.store64(a.start(), v)?;
            in_place.store64(b.start(), v + 1)?;
        }
        Op::UndoBig(v) => fill_cells(engine, &mut tx, v)?,
        Op::Mixed(v) => {
            let (a, c, d) = (cell(engine, 0), cell(engine, 2), cell(engine, 3));
            write(&mut tx, a, v)?;
            tx.snapshot(&[a, c])?.store64(a.start(), v + 1)?;
            write(&mut tx, a, v + 2)?;
            write(&mut tx, d, v)?;
            tx.snapshot(&[c])?.store64(c.start(), v + 1)?;
        }
        Op::AbortUndo(v) => {
            let (a, b) = (cell(engine, 1), cell(engine, 2));
            tx.snapshot(&[a])?.store64(a.start(), v)?;
            tx.snapshot(&[b, a])?.store64(a.start(), v + 7)?;
            return tx.abort();
        }
        Op::AbortBig(v) => {
            fill_cells(engine, &mut tx, v)?;
            return tx.abort();
        }
        Op::AbortStaged(v) => {
            let object = tx.alloc(Request::new(100))?;
            tx.write(object.start(), &[v as u8; 100])?;
            write(&mut tx, cell(engine, 0), v)?;
            return tx.abort();
        }
        Op::Put { slot, bytes, fill } => put(&mut tx, slot, bytes, fill, false)?,
        Op::PutFresh { slot, bytes, fill } => put(&mut tx, slot, bytes, fill, true)?,
        Op::Free(index) => {
            let object = tx.root(slot(index))?;
            if object != ByteOffset::ZERO {
                tx.free(object)?;
                tx.set_root(slot(index), ByteOffset::ZERO)?;
            }
        }
        Op::Group(v) => group(engine, &mut tx, v)?,
        Op::Extended(v) => {
            write(&mut tx, cell(engine, 6), v)?;
            let wide = ByteRange::at(block(engine).start().get() + 2048, 1500).expect("small");
            tx.write(wide.start(), &[v as u8; 1500])?;
            write(&mut tx, cell(engine, 7), v + 1)?;
        }
        Op::Checkpoint | Op::Reopen | Op::Kill => {}
    }
    tx.commit().map(|_receipt| ())
}

fn fill_cells(engine: &E, tx: &mut Tx<'_, CrashMedia>, v: u64) -> R {
    let mut in_place =
        tx.snapshot(&[ByteRange::at(block(engine).start().get(), 2304).expect("small")])?;
    (0..CELLS).try_for_each(|index| in_place.store64(cell(engine, index).start(), v))
}

fn put(tx: &mut Tx<'_, CrashMedia>, index: usize, bytes: u64, fill: u8, fresh: bool) -> R {
    let old = tx.root(slot(index))?;
    let object = tx.alloc(Request::new(bytes + 16))?;
    let mut content = vec![fill; bytes as usize + 16];
    content[..8].copy_from_slice(&bytes.to_le_bytes());
    content[8..16].copy_from_slice(&u64::from(fill).to_le_bytes());
    if fresh {
        tx.write_fresh(object.start(), &content)?;
    } else {
        tx.write(object.start(), &content)?;
    }
    if old != ByteOffset::ZERO {
        tx.free(old)?;
    }
    tx.set_root(slot(index), object.start())
}

fn group(engine: &E, tx: &mut Tx<'_, CrashMedia>, v: u64) -> R {
    tx.member(|tx| write(tx, cell(engine, 4), v))?;
    let failed: R = tx.member(|tx| {
        write(tx, cell(engine, 4), v + 100)?;
        let object = tx.alloc(Request::new(48))?;
        tx.write(object.start(), &[1; 48])?;
        Err(TxError::NoLane)
    });
    assert_eq!(failed, Err(TxError::NoLane));
    tx.member(|tx| {
        let first: u64 = tx.get(cell(engine, 4).start())?;
        write(tx, cell(engine, 5), first + 1)
    })
}

/// Reads the world through an open engine.
pub fn look<M: Media>(engine: &Engine<M>) -> Observation {
    let mut state = State::default();
    let base = engine.root(cells_slot()).get();
    let word = |at: u64| {
        engine
            .load64(ByteOffset::new(at))
            .map_err(|error| error.to_string())
    };
    for (index, value) in state.cells.iter_mut().enumerate() {
        *value = word(base + index as u64 * STRIDE)?;
    }
    for (index, owned) in state.slots.iter_mut().enumerate() {
        let at = engine.root(slot(index)).get();
        if at != 0 {
            let (bytes, fill) = (word(at)?, word(at + 8)? as u8);
            let mut content = vec![0; bytes.min(1 << 16) as usize];
            engine
                .read(ByteOffset::new(at + 16), &mut content)
                .map_err(|error| error.to_string())?;
            if content.iter().any(|byte| *byte != fill) {
                return Err(format!("slot {index} holds a torn object"));
            }
            *owned = Some((bytes, fill));
        }
    }
    let mut told = String::new();
    let report = engine.check(|problem| told += &format!("{problem}; "));
    if report.problems > 0 {
        Err(told)
    } else {
        Ok(Seen {
            state,
            live: report.objects,
            problems: 0,
        })
    }
}

/// Opens a crashed medium, looks, and works on: the engine must still be of use.
pub fn recover(media: &CrashMedia) -> Observation {
    let (engine, _report): (E, OpenReport) =
        Engine::open(media.clone(), &OpenOptions::default()).map_err(|error| error.to_string())?;
    look(&engine)
}

/// The value of the first cell once recovery has worked on.
const WORKED: u64 = 0xd0_0d1e;

/// As [`recover`], and then one more transaction, so that a cut inside this run meets a log of two opens.
pub fn recover_and_work(media: &CrashMedia) -> Observation {
    let (engine, _report): (E, OpenReport) =
        Engine::open(media.clone(), &OpenOptions::default()).map_err(|error| error.to_string())?;
    let seen = look(&engine);
    transaction(&engine, Op::Tiny(WORKED)).map_err(|error| error.to_string())?;
    let after = look(&engine)?;
    if after.state.cells[0] != WORKED {
        return Err("the engine does not work on after recovery".into());
    }
    seen
}

/// As [`judge`], where a cut may have come after the transaction of [`recover_and_work`].
pub fn judge_worked(states: &[State], point: &Point<'_>, seen: &Observation) -> Result<(), String> {
    let worked = seen
        .as_ref()
        .is_ok_and(|seen| seen.state.cells[0] == WORKED);
    if !worked || point.depth == 0 {
        return judge(states, point, seen);
    }
    let states: Vec<State> = states
        .iter()
        .map(|state| state.after(Op::Tiny(WORKED)))
        .collect();
    judge(&states, point, seen)
}

/// As [`explore`], with recovery that works on, and so does not answer the same twice.
pub fn explore_worked(explorer: &Explorer, options: &CreateOptions, ops: &[Op]) -> Report {
    let (recording, states) = record(medium(), options, ops);
    let explorer = explorer.clone().idempotent(false);
    explorer.explore(&recording, recover_and_work, |point, seen| {
        judge_worked(&states, point, seen)
    })
}

/// The state after every acknowledged operation, or with the one in flight on top.
pub fn judge(states: &[State], point: &Point<'_>, seen: &Observation) -> Result<(), String> {
    let seen = seen.as_ref().map_err(String::clone)?;
    let done = point.acked.len();
    let live = |state: &State| 1 + state.slots.iter().flatten().count() as u64;
    let fits = |state: &State| seen.state == *state && seen.live == live(state);
    let mut candidates = states[done..].iter().take(1 + point.in_flight.len());
    if candidates.any(fits) {
        Ok(())
    } else {
        Err(format!(
            "{} operations acknowledged, expected {:?} or what is in flight",
            done, states[done]
        ))
    }
}

/// Runs `ops` one after another on a new world and explores every crash point of them.
pub fn explore(explorer: &Explorer, options: &CreateOptions, ops: &[Op]) -> Report {
    explore_on(explorer, medium(), options, ops)
}

pub fn explore_on(
    explorer: &Explorer,
    media: CrashMedia,
    options: &CreateOptions,
    ops: &[Op],
) -> Report {
    let (recording, states) = record(media, options, ops);
    explorer.explore(&recording, recover, |point, seen| {
        judge(&states, point, seen)
    })
}

/// Runs `ops` on a new world; answers what was recorded from its creation on, and the state after each.
pub fn record(media: CrashMedia, options: &CreateOptions, ops: &[Op]) -> (Recording, Vec<State>) {
    let mut engine = create(media.clone(), options);
    media.mark();
    let mut states = vec![State::default()];
    for (id, op) in ops.iter().enumerate() {
        media.invoke(id as u64);
        engine = run(engine, *op);
        media.ack(id as u64);
        states.push(states[id].after(*op));
    }
    assert_eq!(
        look(&engine).expect("a live world").state,
        states[ops.len()],
        "{ops:?} without a crash"
    );
    drop(engine);
    (media.recording().start_at_last_mark(), states)
}

/// Whether more than the slice for a desk was asked for.
pub fn full() -> bool {
    Depth::from_env() > Depth::Desk
}
