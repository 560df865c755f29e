//! A medium for models: watched words are loom's atomics, all others are plain, and what a fence has reached is kept.
//!
//! Invariants
//! M1  a word that no model watches is never touched by two threads without a lock between them;
//! M2  a flush captures what its thread sees, so a flush that is not ordered behind a store may miss it;
//! M3  `durable` changes only at a fence, by what its own thread has flushed or stored past the cache.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::Range;
use std::sync::Mutex;

use everline::media::{Domain, Durability, Media};
use everline::units::{ByteLen, ByteOffset, ByteRange, FLUSH_LINE, LineRange};
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread::ThreadId;

const WORD: u64 = 8;

#[derive(Debug, Default)]
struct Plain {
    visible: Vec<u8>,
    durable: Vec<u8>,
    /// What each thread's next fence makes durable.
    pending: HashMap<ThreadId, Vec<(usize, Vec<u8>)>>,
}

/// See the module.
#[derive(Debug)]
pub struct LoomMedia {
    len: u64,
    watched: HashMap<u64, AtomicU64>,
    plain: Mutex<Plain>,
}

impl LoomMedia {
    /// `image`, visible and durable; the aligned words at `watched` are loom's.
    pub fn new(image: Vec<u8>, watched: &[ByteOffset]) -> Self {
        let word = |at: u64| {
            let bytes = image[at as usize..][..WORD as usize].try_into();
            u64::from_le_bytes(bytes.expect("eight bytes"))
        };
        LoomMedia {
            len: image.len() as u64,
            watched: watched
                .iter()
                .map(|at| (at.get(), AtomicU64::new(word(at.get()))))
                .collect(),
            plain: Mutex::new(Plain {
                durable: image.clone(),
                visible: image,
                pending: HashMap::new(),
            }),
        }
    }

    /// What a power cut would leave now, at the least.
    pub fn durable(&self) -> Vec<u8> {
        self.plain(|plain| plain.durable.clone())
    }

    /// Never entered twice: no operation of loom's runs inside.
    fn plain<R>(&self, work: impl FnOnce(&mut Plain) -> R) -> R {
        work(&mut self.plain.lock().expect("no panic inside"))
    }

    fn load(&self, word: u64, order: Ordering) -> u64 {
        match self.watched.get(&word) {
            Some(atomic) => atomic.load(order),
            None => self.plain(|plain| {
                let bytes = plain.visible[word as usize..][..WORD as usize].try_into();
                u64::from_le_bytes(bytes.expect("eight bytes"))
            }),
        }
    }

    fn store(&self, word: u64, value: u64, order: Ordering) {
        match self.watched.get(&word) {
            Some(atomic) => atomic.store(value, order),
            None => self.plain(|plain| {
                plain.visible[word as usize..][..WORD as usize]
                    .copy_from_slice(&value.to_le_bytes());
            }),
        }
    }

    fn update(&self, at: ByteOffset, change: impl Fn(u64) -> u64) -> u64 {
        match self.watched.get(&at.get()) {
            Some(atomic) => {
                let changed = atomic
                    .fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| Some(change(old)));
                changed.expect("always some value")
            }
            None => {
                let old = self.load(at.get(), Ordering::Relaxed);
                self.store(at.get(), change(old), Ordering::Relaxed);
                old
            }
        }
    }

    /// The watched words that overlap `range`.
    fn watched_in(&self, range: &Range<u64>) -> impl Iterator<Item = u64> {
        let (start, end) = (range.start / WORD * WORD, range.end);
        let mut words: Vec<_> = self.watched.keys().copied().collect();
        words.sort_unstable(); // loom wants every execution to begin alike
        words
            .into_iter()
            .filter(move |word| (start..end).contains(word))
    }

    fn copy_out(&self, range: Range<u64>, into: &mut [u8]) {
        let from = range.start as usize;
        self.plain(|plain| into.copy_from_slice(&plain.visible[from..][..into.len()]));
        for word in self.watched_in(&range) {
            let bytes = self.load(word, Ordering::Relaxed).to_le_bytes();
            for (at, byte) in (word..).zip(bytes).filter(|(at, _)| range.contains(at)) {
                into[(at - range.start) as usize] = byte;
            }
        }
    }

    fn copy_in(&self, range: Range<u64>, from: &[u8]) {
        let to = range.start as usize;
        self.plain(|plain| plain.visible[to..][..from.len()].copy_from_slice(from));
        for word in self.watched_in(&range) {
            let mut bytes = self.load(word, Ordering::Relaxed).to_le_bytes();
            for (at, byte) in (word..)
                .zip(&mut bytes)
                .filter(|(at, _)| range.contains(at))
            {
                *byte = from[(at - range.start) as usize];
            }
            self.store(word, u64::from_le_bytes(bytes), Ordering::Relaxed);
        }
    }

    fn pend(&self, at: u64, bytes: Vec<u8>) {
        let thread = loom::thread::current().id();
        self.plain(|plain| {
            plain
                .pending
                .entry(thread)
                .or_default()
                .push((at as usize, bytes))
        });
    }
}

fn span(at: ByteOffset, len: usize) -> Range<u64> {
    at.get()..at.get() + len as u64
}

macro_rules! narrow {
    ($($load:ident, $store:ident, $type:ty;)*) => {
        $(fn $load(&self, at: ByteOffset) -> $type {
            let mut bytes = [0; size_of::<$type>()];
            self.copy_out(span(at, bytes.len()), &mut bytes);
            <$type>::from_le_bytes(bytes)
        }
        fn $store(&self, at: ByteOffset, value: $type) {
            self.copy_in(span(at, size_of::<$type>()), &value.to_le_bytes());
        })*
    };
}

impl Media for LoomMedia {
    type SyncError = Infallible;

    narrow! {
        load8, store8, u8;
        load16, store16, u16;
        load32, store32, u32;
    }

    fn len(&self) -> ByteLen {
        ByteLen::new(self.len)
    }

    fn durability(&self) -> Durability {
        Durability {
            domain: Domain::MemoryController,
            reason: "a model",
            flush: "none",
        }
    }

    fn load64(&self, at: ByteOffset) -> u64 {
        self.load(at.get(), Ordering::Acquire) // as Mapped
    }

    fn store64(&self, at: ByteOffset, value: u64) {
        self.store(at.get(), value, Ordering::Release); // as Mapped
    }

    fn fetch_or64(&self, at: ByteOffset, bits: u64) -> u64 {
        self.update(at, |word| word | bits)
    }

    fn fetch_and64(&self, at: ByteOffset, bits: u64) -> u64 {
        self.update(at, |word| word & bits)
    }

    fn compare_exchange64(&self, at: ByteOffset, current: u64, new: u64) -> Result<u64, u64> {
        let old = self.update(at, |word| if word == current { new } else { word });
        if old == current { Ok(old) } else { Err(old) }
    }

    fn read(&self, at: ByteOffset, into: &mut [u8]) {
        self.copy_out(span(at, into.len()), into);
    }

    fn write(&self, at: ByteOffset, bytes: &[u8]) {
        self.copy_in(span(at, bytes.len()), bytes);
    }

    fn write_nt(&self, at: ByteOffset, bytes: &[u8]) {
        self.copy_in(span(at, bytes.len()), bytes);
        self.pend(at.get(), bytes.to_vec());
    }

    fn fill(&self, range: ByteRange, byte: u8) {
        let bytes = vec![byte; range.len().get() as usize];
        self.write(range.start(), &bytes);
    }

    fn flush(&self, lines: LineRange) {
        let mut bytes = vec![0; (lines.count().get() * FLUSH_LINE) as usize];
        self.copy_out(span(lines.start(), bytes.len()), &mut bytes); // M2
        self.pend(lines.start().get(), bytes);
    }

    fn fence(&self) -> Result<(), Infallible> {
        let thread = loom::thread::current().id();
        self.plain(|plain| {
            for (at, bytes) in plain.pending.remove(&thread).unwrap_or_default() {
                plain.durable[at..][..bytes.len()].copy_from_slice(&bytes);
            }
        });
        Ok(())
    }
}
