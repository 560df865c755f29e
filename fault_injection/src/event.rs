//! What a medium was asked to do, in the order in which it was asked: 32 bytes an event, bulk bytes aside.

use std::cell::Cell;
use std::panic::Location;
use std::sync::Mutex;

/// A source location that a violation can name.
pub(crate) type Place = &'static Location<'static>;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One atomic unit of `size` bytes.
    Store,
    /// An unordered set of words; the bytes lie at `value` in the side buffer.
    Write,
    /// As `Write`, past the cache.
    WriteNt,
    /// `len` bytes of `value`.
    Fill,
    /// A locked read-modify-write; `len` is 1 where it stored.
    Rmw,
    /// `len` lines from `at`.
    Flush,
    /// A fence that succeeded.
    Fence,
    /// A fence that failed: what it should have settled is clean and not durable.
    FenceFailed,
    /// Own bytes stored again, then flushed.
    Reaffirm,
    /// The new length is `value`.
    SetLen,
    /// Operation `value` begins.
    Invoke,
    /// Operation `value` is acknowledged.
    Ack,
    /// Exploration may begin here.
    Mark,
    /// The process died; its stores stay visible.
    Kill,
}

/// The `size` of a bulk store that a barrier found after it was made: its place is the barrier's.
pub(crate) const FOUND_LATER: u8 = 1;

/// One event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub at: u64,
    pub value: u64,
    pub place: Place,
    pub len: u32,
    pub thread: u16,
    pub kind: Kind,
    pub size: u8,
}

const _: () = assert!(size_of::<Event>() <= 32);

/// Events and the bytes of the bulk ones.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub events: Vec<Event>,
    pub bytes: Vec<u8>,
    /// Bytes that both may take.
    pub limit: usize,
}

/// What a recording may take where nothing else is asked for.
const LIMIT: usize = 1 << 30;

impl Default for Log {
    fn default() -> Self {
        Log {
            events: Vec::new(),
            bytes: Vec::new(),
            limit: LIMIT,
        }
    }
}

impl Log {
    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.bytes.clear();
    }

    pub(crate) fn push(&mut self, kind: Kind, at: u64, size: u8, value: u64, place: Place) {
        self.add(Event {
            at,
            value,
            place,
            len: 0,
            thread: thread_number(),
            kind,
            size,
        });
    }

    pub(crate) fn push_ranged(&mut self, kind: Kind, at: u64, len: u32, value: u64, place: Place) {
        self.add(Event {
            at,
            value,
            place,
            len,
            thread: thread_number(),
            kind,
            size: 0,
        });
    }

    #[inline]
    fn add(&mut self, event: Event) {
        if self.events.len() == self.events.capacity() {
            self.make_room();
        }
        self.events.push(event);
    }

    /// Doubles the room for events, within the limit.
    #[cold]
    fn make_room(&mut self) {
        let held = self.events.len() * size_of::<Event>() + self.bytes.len();
        assert!(
            held <= self.limit,
            "the recording holds {held} bytes, its limit is {}: record less at once, explore in parts, or raise \
             CrashMedia::recording_limit",
            self.limit
        );
        self.events.reserve(self.events.len().max(1024));
    }

    pub(crate) fn push_bytes(&mut self, kind: Kind, at: u64, bytes: &[u8], place: Place) {
        let start = self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        let len = u32::try_from(bytes.len()).expect("one bulk store stays below 4 GiB");
        self.push_ranged(kind, at, len, start, place);
    }

    /// The bytes of a bulk store.
    pub(crate) fn data(&self, event: &Event) -> &[u8] {
        &self.bytes[event.value as usize..][..event.len as usize]
    }
}

static NEXT_THREAD: Mutex<u16> = Mutex::new(0);

thread_local! {
    static THREAD: Cell<Option<u16>> = const { Cell::new(None) };
}

/// This thread's number: given out at its first event.
pub(crate) fn thread_number() -> u16 {
    THREAD.with(|own| match own.get() {
        Some(number) => number,
        None => {
            let mut next = NEXT_THREAD
                .lock()
                .unwrap_or_else(|broken| broken.into_inner());
            let number = *next;
            // Numbers from 0x8000 up are kept for `on_thread`.
            *next = (number + 1) & 0x7FFF;
            own.set(Some(number));
            number
        }
    })
}

/// Runs `work` as if on thread `number`: one schedule of several threads, driven from one.
///
/// Numbers are taken modulo 32,768 and never meet those of real threads. Nests; ends also when `work` panics.
pub fn on_thread<R>(number: u16, work: impl FnOnce() -> R) -> R {
    struct Restore(Option<u16>);
    impl Drop for Restore {
        fn drop(&mut self) {
            THREAD.with(|own| own.set(self.0));
        }
    }
    let _restore = Restore(THREAD.with(|own| own.replace(Some(number | 0x8000))));
    work()
}
