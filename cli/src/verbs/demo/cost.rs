//! What a transaction costs: waits, counted by a medium that counts; and time, against a bare line write.

use std::hint::black_box;
use std::time::Instant;

use everline::alloc::Request;
use everline::engine::{CreateOptions, Engine};
use everline::layout::RootSlot;
use everline::media::{Cost, Counted, Media, Ram};
use everline::tx::TxError;
use everline::units::{ByteLen, ByteOffset, ByteRange};

use crate::exit::{Code, Failure};

const POOL_BYTES: u64 = 4 << 20;
/// Transactions in a window; windows of either kind take turns.
const WINDOW: u32 = 2000;
const WINDOWS: usize = 25;
const LINE: u64 = 64;

/// What a transaction that changes one word asks of the medium.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger {
    /// Staged.
    pub staged: Cost,
    /// Undo.
    pub undo: Cost,
}

/// Nanoseconds, medians over windows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// One line written past the cache, one fence.
    pub raw_line_ns: f64,
    /// A staged transaction of 8 bytes.
    pub staged_ns: f64,
    /// An undo transaction of 8 bytes.
    pub undo_ns: f64,
    /// Staged over raw, median of neighbours.
    pub staged_ratio: f64,
    /// Undo over raw, median of neighbours.
    pub undo_ratio: f64,
    /// The instruction that flushes.
    pub flush: &'static str,
}

/// Counts waits, fences, lines and bytes.
pub fn ledger() -> Result<Ledger, Failure> {
    let media = Counted::new(Ram::assume_persistent(ByteLen::new(POOL_BYTES)));
    let (engine, word) = pool_with_a_word(media)?;
    let mut ledger = Ledger::default();
    for value in 0..16 {
        let counter = engine.pool().media();
        let (done, staged_cost) = counter.cost_of(|| staged(&engine, word, value));
        done?;
        let (done, undo_cost) = counter.cost_of(|| undo(&engine, word, value));
        done?;
        // The worst of several; a checkpoint, which is not the transaction's, comes later than this.
        for (worst, cost) in [
            (&mut ledger.staged, staged_cost),
            (&mut ledger.undo, undo_cost),
        ] {
            if (cost.waits, cost.bytes) > (worst.waits, worst.bytes) {
                *worst = cost;
            }
        }
    }
    Ok(ledger)
}

/// Times staged and undo transactions against raw line writes, on memory that is treated as persistent.
pub fn times() -> Result<Times, Failure> {
    let raw = Ram::assume_persistent(ByteLen::new(POOL_BYTES));
    let flush = raw.durability().flush;
    let (engine, word) = pool_with_a_word(Ram::assume_persistent(ByteLen::new(POOL_BYTES)))?;
    let mut windows: [Vec<f64>; 3] = Default::default();
    for _ in 0..WINDOWS {
        windows[0].push(window(|turn| {
            let line = u64::from(turn) * LINE % POOL_BYTES;
            raw.write_nt(ByteOffset::new(line), black_box(&[7; LINE as usize]));
            raw.fence()
                .map_err(|error| Failure::new(Code::Io, "sync", error))
        })?);
        windows[1].push(window(|turn| staged(&engine, word, turn.into()))?);
        windows[2].push(window(|turn| undo(&engine, word, turn.into()))?);
    }
    let ratio = |way: usize| {
        let pairs = windows[way].iter().zip(&windows[0]);
        median(pairs.map(|(tx, raw)| tx / raw).collect())
    };
    Ok(Times {
        staged_ratio: ratio(1),
        undo_ratio: ratio(2),
        raw_line_ns: median(windows[0].clone()),
        staged_ns: median(windows[1].clone()),
        undo_ns: median(windows[2].clone()),
        flush,
    })
}

type Done<M> = Result<(), TxError<<M as Media>::SyncError>>;

fn staged<M: Media>(engine: &Engine<M>, word: ByteRange, value: u64) -> Done<M> {
    let mut tx = engine.begin()?;
    tx.set(word.start(), &value)?;
    tx.commit().map(drop)
}

fn undo<M: Media>(engine: &Engine<M>, word: ByteRange, value: u64) -> Done<M> {
    let mut tx = engine.begin()?;
    tx.snapshot(&[word])?.store64(word.start(), value)?;
    tx.commit().map(drop)
}

fn pool_with_a_word<M: Media>(media: M) -> Result<(Engine<M>, ByteRange), Failure> {
    let engine = Engine::create(media, &CreateOptions::default())?;
    let mut tx = engine.begin()?;
    let block = tx.alloc(Request::new(8))?;
    tx.set(block.start(), &0u64)?;
    if let Some(root) = RootSlot::user(0) {
        tx.set_root(root, block.start())?;
    }
    tx.commit()?;
    engine.checkpoint()?;
    let word = ByteRange::new(block.start(), ByteLen::new(8)).ok_or_else(|| {
        Failure::new(
            Code::Inconsistent,
            "bug",
            "a block of the pool lies outside of it",
        )
    })?;
    Ok((engine, word))
}

/// Nanoseconds of one turn.
fn window<E>(mut turn: impl FnMut(u32) -> Result<(), E>) -> Result<f64, E> {
    let begun = Instant::now();
    for index in 0..WINDOW {
        turn(index)?;
    }
    Ok(begun.elapsed().as_nanos() as f64 / f64::from(WINDOW))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
