//! Two words in two lines, made durable by one fence: the least that one can do with Everline, on the raw medium and
//! with the types that forbid to forget a flush. `tests/disassembly.rs` reads the machine code of these functions.
//!
//! cargo run --release --example store_flush_fence

use std::convert::Infallible;

use everline::arch::FlushKind;
use everline::media::file::FileMedia;
use everline::media::{Domain, Durability, Errno, Mapped, Media};
use everline::persist::{View, ViewError, fence};
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};

/// Memory that is aligned as a mapping is.
#[repr(align(4096))]
struct Memory([u8; 4096]);

fn word(at: ByteOffset) -> ByteRange {
    ByteRange::new(at, ByteLen::new(8)).unwrap_or_default()
}

#[inline(always)]
fn two_words_raw<M: Media>(
    media: &M,
    places: [ByteOffset; 2],
    value: u64,
) -> Result<(), M::SyncError> {
    for at in places {
        media.store64(at, value);
        media.flush(LineRange::covering(word(at)));
    }
    media.fence()
}

#[inline(always)]
fn two_words_typed<M: Media>(
    media: &M,
    places: [ByteOffset; 2],
    value: u64,
) -> Result<Result<(), M::SyncError>, ViewError> {
    let view = View::new(media);
    let first = view.store64(places[0], value)?.flush();
    let second = view.store64(places[1], value)?.flush();
    Ok(fence((first, second)).map(drop))
}

/// On a mapping, without types.
#[inline(never)]
#[unsafe(no_mangle)]
pub fn mapped_raw(media: &Mapped, first: ByteOffset, second: ByteOffset, value: u64) {
    two_words_raw(media, [first, second], value).unwrap_or_else(|never: Infallible| match never {});
}

/// On a mapping, with types.
#[inline(never)]
#[unsafe(no_mangle)]
pub fn mapped_typed(media: &Mapped, first: ByteOffset, second: ByteOffset, value: u64) -> bool {
    two_words_typed(media, [first, second], value).is_ok()
}

/// On a file, without types: instructions where it is mapped from persistent memory, a system call elsewhere.
#[inline(never)]
#[unsafe(no_mangle)]
pub fn file_raw(
    media: &FileMedia,
    first: ByteOffset,
    second: ByteOffset,
    value: u64,
) -> Result<(), Errno> {
    two_words_raw(media, [first, second], value)
}

/// On a file, with types.
#[inline(never)]
#[unsafe(no_mangle)]
pub fn file_typed(media: &FileMedia, first: ByteOffset, second: ByteOffset, value: u64) -> bool {
    matches!(two_words_typed(media, [first, second], value), Ok(Ok(())))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut memory = Box::new(Memory([0; 4096]));
    let durability = Durability {
        domain: Domain::Volatile,
        reason: "plain memory",
        flush: FlushKind::detect().name(),
    };
    let base = memory.0.as_mut_ptr();
    // SAFETY: the memory outlives the medium, is aligned to a page, and is reached through the medium only until then.
    let media = unsafe { Mapped::new(base, ByteLen::new(4096), FlushKind::detect(), durability) };
    let (first, second) = (ByteOffset::new(64), ByteOffset::new(512));
    mapped_raw(&media, first, second, 41);
    assert!(mapped_typed(&media, first, second, 42));
    assert_eq!((media.load64(first), media.load64(second)), (42, 42));

    let directory = std::env::temp_dir().join(format!("everline-example-{}", std::process::id()));
    let path = directory.join("two-words");
    let new = FileMedia::create(&path, ByteLen::new(4096), false, &Default::default())?;
    let file = new.publish()?;
    file_raw(&file, first, second, 41)?;
    assert!(file_typed(&file, first, second, 42));
    println!(
        "two words durable: {} and {}",
        media.durability(),
        file.durability()
    );
    drop(file);
    std::fs::remove_dir_all(directory)?;
    Ok(())
}
