//! A medium whose aligned words are loom atomics.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Mutex;

use everline::media::{Domain, Durability, Media, Ram};
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};
use loom::sync::atomic::{AtomicU64, Ordering};

/// Words of `tracked` are loom atomics; all else is plain memory. Remembers what
/// each tracked word held when its line was last flushed.
pub struct LoomMedia {
    plain: Ram,
    tracked: ByteRange,
    words: HashMap<u64, AtomicU64>,
    flushed: Mutex<HashMap<u64, u64>>,
}

impl LoomMedia {
    /// A copy of `image`, of which `tracked` is visible to loom.
    pub fn new(image: &[u8], tracked: ByteRange) -> Self {
        let plain = Ram::new(ByteLen::of(image));
        plain.write(ByteOffset::ZERO, image);
        // All made here: a word that another thread made would need an order of its own.
        let places = (tracked.start().get()..tracked.end().get()).step_by(8);
        let words = places
            .map(|at| (at, AtomicU64::new(plain.load64(ByteOffset::new(at)))))
            .collect();
        LoomMedia {
            plain,
            tracked,
            words,
            flushed: Mutex::default(),
        }
    }

    /// What the word at `at` held when its line was last flushed.
    pub fn flushed(&self, at: ByteOffset) -> Option<u64> {
        self.flushed
            .lock()
            .expect("no panic holds it")
            .get(&at.get())
            .copied()
    }

    fn tracks(&self, at: ByteOffset, len: u64) -> bool {
        let range = ByteRange::new(at, ByteLen::new(len)).expect("inside");
        self.tracked.intersect(range).is_some()
    }

    fn word(&self, at: ByteOffset) -> &AtomicU64 {
        &self.words[&at.get()]
    }

    fn by_words(
        &self,
        at: ByteOffset,
        len: u64,
        mut visit: impl FnMut(ByteOffset, usize, usize, usize),
    ) {
        let mut done = 0;
        while done < len {
            let place = at.get() + done;
            let word = place & !7;
            let inside = (place - word) as usize;
            let count = (8 - inside).min((len - done) as usize);
            visit(ByteOffset::new(word), inside, done as usize, count);
            done += count as u64;
        }
    }
}

/// Runs every interleaving of `model` with up to three preemptions.
pub fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 100_000;
    builder.check(model);
}

macro_rules! plain {
    ($($name:ident($($arg:ident: $type:ty),*) $(-> $answer:ty)?;)*) => {
        $(fn $name(&self, $($arg: $type),*) $(-> $answer)? {
            self.plain.$name($($arg),*)
        })*
    };
}

impl Media for LoomMedia {
    type SyncError = Infallible;

    plain! {
        len() -> ByteLen;
        load8(at: ByteOffset) -> u8;
        load16(at: ByteOffset) -> u16;
        load32(at: ByteOffset) -> u32;
        store8(at: ByteOffset, value: u8);
        store16(at: ByteOffset, value: u16);
        store32(at: ByteOffset, value: u32);
        fill(range: ByteRange, byte: u8);
    }

    fn durability(&self) -> Durability {
        Durability {
            domain: Domain::MemoryController,
            reason: "a model",
            flush: "a model",
        }
    }

    fn load64(&self, at: ByteOffset) -> u64 {
        if self.tracks(at, 8) {
            self.word(at).load(Ordering::Acquire)
        } else {
            self.plain.load64(at)
        }
    }

    fn store64(&self, at: ByteOffset, value: u64) {
        if self.tracks(at, 8) {
            self.word(at).store(value, Ordering::Release)
        } else {
            self.plain.store64(at, value)
        }
    }

    fn fetch_or64(&self, at: ByteOffset, bits: u64) -> u64 {
        if self.tracks(at, 8) {
            self.word(at).fetch_or(bits, Ordering::AcqRel)
        } else {
            self.plain.fetch_or64(at, bits)
        }
    }

    fn fetch_and64(&self, at: ByteOffset, bits: u64) -> u64 {
        if self.tracks(at, 8) {
            self.word(at).fetch_and(bits, Ordering::AcqRel)
        } else {
            self.plain.fetch_and64(at, bits)
        }
    }

    fn compare_exchange64(&self, at: ByteOffset, current: u64, new: u64) -> Result<u64, u64> {
        self.word(at)
            .compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
    }

    fn read(&self, at: ByteOffset, into: &mut [u8]) {
        if !self.tracks(at, into.len() as u64) {
            return self.plain.read(at, into);
        }
        self.by_words(at, into.len() as u64, |word, inside, done, count| {
            let bytes = self.load64(word).to_le_bytes();
            into[done..done + count].copy_from_slice(&bytes[inside..inside + count]);
        });
    }

    fn write(&self, at: ByteOffset, bytes: &[u8]) {
        if !self.tracks(at, bytes.len() as u64) {
            return self.plain.write(at, bytes);
        }
        self.by_words(at, bytes.len() as u64, |word, inside, done, count| {
            let mut value = if count == 8 {
                [0; 8]
            } else {
                self.load64(word).to_le_bytes()
            };
            value[inside..inside + count].copy_from_slice(&bytes[done..done + count]);
            self.store64(word, u64::from_le_bytes(value));
        });
    }

    fn write_nt(&self, at: ByteOffset, bytes: &[u8]) {
        self.write(at, bytes);
    }

    fn flush(&self, lines: LineRange) {
        for line in lines.iter() {
            for word in (0..64)
                .step_by(8)
                .map(|inside| ByteOffset::new(line.get() + inside))
            {
                if self.words.contains_key(&word.get()) {
                    let value = self.load64(word);
                    self.flushed
                        .lock()
                        .expect("no panic holds it")
                        .insert(word.get(), value);
                }
            }
        }
    }

    fn fence(&self) -> Result<(), Infallible> {
        Ok(())
    }
}
