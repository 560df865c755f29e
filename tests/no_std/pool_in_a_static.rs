//! A program with neither std nor an allocator: a pool in a static array, an undo transaction, a reset in the middle of
//! the next one, recovery. Its exit code names the step that failed, 0 if none did.
#![no_std]
#![no_main]

use core::cell::UnsafeCell;
use core::convert::Infallible;

use everline::alloc::Request;
use everline::arch::FlushKind;
use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::layout::RootSlot;
use everline::media::{Domain, Durability, Mapped};
use everline::tx::TxError;
use everline::units::{ByteLen, ByteRange};

#[link(name = "c")]
unsafe extern "C" {}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn _exit(code: i32) -> !;
    }
    // SAFETY: ends the process.
    unsafe { _exit(101) }
}

/// The prebuilt core refers to it, and nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

const LEN: usize = 64 << 10;

#[repr(align(4096))]
struct Memory(UnsafeCell<[u8; LEN]>);

// SAFETY: reached through one medium at a time, on the only thread.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new([0xa5; LEN]));

fn medium() -> Mapped {
    let durability = Durability {
        domain: Domain::MemoryController,
        reason: "assumed for the test",
        flush: FlushKind::detect().name(),
    };
    // SAFETY: static memory, aligned to a page, reached through the latest medium only.
    unsafe {
        Mapped::new(
            MEMORY.0.get().cast(),
            ByteLen::new(LEN as u64),
            FlushKind::detect(),
            durability,
        )
    }
}

type Step<T> = Result<T, TxError<Infallible>>;

fn write(engine: &Engine<Mapped>, slot: RootSlot) -> Step<ByteRange> {
    let mut memory = [0; 2048];
    let mut tx = engine.begin_in(&mut memory)?;
    let block = tx.alloc(Request::new(256))?;
    tx.write(block.start(), &[1; 256])?;
    tx.set_root(slot, block.start())?;
    tx.commit()?;

    let mut tx = engine.begin_in(&mut memory)?;
    tx.snapshot(&[block])?.fill(block, 2)?;
    tx.commit()?;
    Ok(block)
}

/// Leaves an undo transaction as a reset does: no drop runs.
fn reset_in_the_middle(engine: &Engine<Mapped>, block: ByteRange) -> Step<()> {
    let mut memory = [0; 2048];
    let mut tx = engine.begin_in(&mut memory)?;
    tx.snapshot(&[block])?.fill(block, 3)?;
    core::mem::forget(tx);
    Ok(())
}

fn holds(engine: &Engine<Mapped>, block: ByteRange, value: u8) -> bool {
    let mut bytes = [0; 256];
    engine.read(block.start(), &mut bytes).is_ok() && bytes == [value; 256]
}

fn run() -> Result<(), i32> {
    let slot = RootSlot::user(0).ok_or(1)?;
    let engine = Engine::create(medium(), &CreateOptions::default()).map_err(|_| 2)?;
    let block = write(&engine, slot).map_err(|_| 3)?;
    reset_in_the_middle(&engine, block).map_err(|_| 4)?;
    if !holds(&engine, block, 3) {
        return Err(5);
    }
    engine.abandon();

    let (engine, report) = Engine::open(medium(), &OpenOptions::default()).map_err(|_| 6)?;
    if (report.recovery.redone, report.recovery.undone) != (2, 1) {
        return Err(7);
    }
    if !holds(&engine, block, 2) || engine.root(slot) != block.start() {
        return Err(8);
    }
    if engine.check(|_| ()).problems != 0 {
        return Err(9);
    }
    let mut memory = [0; 2048];
    let reserved = engine.reserve_in(Request::new(64), &mut memory);
    drop(reserved.map_err(|_| 10)?);
    engine.close().map_err(|_| 11)?;
    let (_, report) = Engine::open(medium(), &OpenOptions::default()).map_err(|_| 12)?;
    if report.recovery.redone == 0 { Ok(()) } else { Err(13) }
}

#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    run().err().unwrap_or(0)
}
