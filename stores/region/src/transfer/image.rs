//! A pool's file that nobody can find yet.
//!
//! ```text
//! create ─▶ put, put, put, … ─▶ verify: every chunk is read again and compared ─▶ publish: space, sync, name, sync
//! ```
//! Chunks of 64 KiB that are all zeros are not written: the file has holes there.
//!
//! Invariants
//! D1  see the module above; `publish` is reached only through `verify`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use everline::arch::crc32c;
use everline::media::io::{Disk, FileIo, NewFile, publish};
use everline::media::preserve::{CHUNK, Sink};
use everline::media::{Media, SpaceError};
use everline::units::{ByteLen, ByteOffset};

use super::secure::secure;
use super::{ImageError, TransferOptions};

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Bytes go from source to destination.
    Copying,
    /// The destination is read again and compared.
    Verifying,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes of the pool that are done.
    pub done: u64,
    /// Bytes of the pool.
    pub total: u64,
}

/// A copy that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReport {
    /// Where it is.
    pub path: PathBuf,
    /// Bytes of the pool.
    pub bytes: u64,
    /// Bytes that were written: those of chunks that are not all zeros.
    pub written: u64,
    /// The CRC-32C of length, places and checksums of the chunks that are not all zeros: equal for equal images.
    pub checksum: u32,
    /// How long it took.
    pub elapsed: Duration,
}

/// See the module.
pub(super) struct NewImage<D: Disk> {
    path: PathBuf,
    len: u64,
    piece: usize,
    begun: Instant,
    /// Taken when it gets its name.
    new: RwLock<Option<D::New>>,
    /// The checksum of each chunk that was put.
    sums: Mutex<BTreeMap<u64, u32>>,
}

impl<D: Disk> NewImage<D> {
    /// A file of `len` zeros that is to become `path`.
    pub fn create(
        disk: &D,
        path: &Path,
        len: u64,
        options: TransferOptions,
    ) -> Result<Self, ImageError> {
        let new = disk.create(path)?;
        new.file()
            .set_len(ByteLen::new(len))
            .map_err(|error| ImageError::space("extend", path, error))?;
        let whole = usize::try_from(len).unwrap_or(usize::MAX);
        Ok(NewImage {
            path: path.to_path_buf(),
            len,
            piece: match options.transfer_size {
                0 => whole,
                piece => usize::try_from(piece).unwrap_or(usize::MAX).min(whole),
            },
            begun: Instant::now(),
            new: RwLock::new(Some(new)),
            sums: Mutex::default(),
        })
    }

    fn sums(&self) -> MutexGuard<'_, BTreeMap<u64, u32>> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_file<R>(&self, work: impl FnOnce(&D::File) -> R) -> R {
        let new = self.new.read().unwrap_or_else(PoisonError::into_inner);
        work(new.as_ref().expect("has no name yet").file())
    }

    /// The bytes of a buffer: as many as one piece, in whole chunks.
    pub fn buffer_len(&self) -> u64 {
        (self.piece as u64)
            .clamp(1, self.len.max(1))
            .div_ceil(CHUNK.get())
            * CHUNK.get()
    }

    /// Copies all of `media`, to which nobody stores meanwhile.
    pub fn fill(
        &self,
        media: &impl Media,
        proceed: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(), ImageError> {
        let mut buffer = vec![0; self.buffer_len().min(self.len) as usize];
        let mut at = 0;
        while at < self.len {
            let count = (self.len - at).min(buffer.len() as u64);
            let bytes = &mut buffer[..count as usize];
            media.read(ByteOffset::new(at), bytes);
            self.put_unless_zero(at, bytes)?;
            at += count;
            self.tell(Phase::Copying, at, proceed)?;
        }
        match media.intact() {
            true => Ok(()),
            false => Err(ImageError::Unreadable),
        }
    }

    fn put_unless_zero(&self, at: u64, bytes: &[u8]) -> Result<(), ImageError> {
        let chunk = CHUNK.get() as usize;
        for (number, piece) in bytes.chunks(chunk).enumerate() {
            if piece.iter().any(|byte| *byte != 0) {
                let at = ByteOffset::new(at + (number * chunk) as u64);
                let put = self.put(at, piece);
                put.map_err(|error| ImageError::space("write", &self.path, error))?;
            }
        }
        Ok(())
    }

    /// Tells how far it is. Errors: [`ImageError::Cancelled`].
    pub fn tell(
        &self,
        phase: Phase,
        done: u64,
        proceed: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(), ImageError> {
        let total = self.len;
        match proceed(Progress { phase, done, total }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ImageError::Cancelled {
                path: self.path.clone(),
            }),
        }
    }

    /// Reads every chunk that was put again and compares (D1).
    pub fn verify(
        self,
        proceed: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Verified<D>, ImageError> {
        let sums = std::mem::take(&mut *self.sums());
        let mut checksum = crc32c(0, &self.len.to_le_bytes());
        let (mut written, mut bytes) = (0, vec![0; CHUNK.get() as usize]);
        for (chunk, sum) in sums {
            let at = chunk * CHUNK.get();
            let piece = &mut bytes[..CHUNK.get().min(self.len - at) as usize];
            let at = ByteOffset::new(at);
            let read = self.with_file(|file| file.read_at(at, piece));
            let count = read.map_err(|errno| ImageError::errno("read", &self.path, errno))?;
            if count < piece.len() || crc32c(0, piece) != sum {
                let path = self.path.clone();
                return Err(ImageError::Damaged { path, at });
            }
            checksum = crc32c(checksum, &chunk.to_le_bytes());
            checksum = crc32c(checksum, &sum.to_le_bytes());
            written += count as u64;
            self.tell(Phase::Verifying, at.get() + count as u64, proceed)?;
        }
        Ok(Verified {
            image: self,
            checksum,
            written,
        })
    }
}

impl<D: Disk> Sink for NewImage<D> {
    fn put(&self, at: ByteOffset, bytes: &[u8]) -> Result<(), SpaceError> {
        let mut done = 0;
        for piece in bytes.chunks(self.piece.max(1)) {
            let at = ByteOffset::new(at.get() + done);
            self.with_file(|file| file.write_at(at, piece))
                .map_err(everline::media::file::space_error)?;
            done += piece.len() as u64;
        }
        let first = at.get() / CHUNK.get();
        let chunks = bytes.chunks(CHUNK.get() as usize);
        let sums = (first..).zip(chunks.map(|chunk| crc32c(0, chunk)));
        self.sums().extend(sums);
        Ok(())
    }
}

/// An image whose bytes are right, and not durable yet.
pub(super) struct Verified<D: Disk> {
    image: NewImage<D>,
    checksum: u32,
    written: u64,
}

impl<D: Disk> Verified<D> {
    /// The open file, to change it before anybody sees it.
    pub fn with_file<R>(&self, work: impl FnOnce(&D::File) -> R) -> R {
        self.image.with_file(work)
    }

    /// Takes the space that the pool counts on, makes it durable, then its name.
    ///
    /// Answers the open file too: nobody else opens it before that is dropped.
    ///
    /// Errors: no space, a taken name unless `over`, a failed sync; nothing is there then.
    pub fn publish(self, disk: &D, over: bool) -> Result<(ImageReport, D::File), ImageError> {
        self.with_file(|file| secure(file, &self.image.path))?;
        let image = self.image;
        let new = image.new.write().map(|mut new| new.take());
        let new = new.unwrap_or_else(|broken| broken.into_inner().take());
        let new = new.expect("has no name yet");
        let file = publish(disk, new, &image.path, over)?;
        let report = ImageReport {
            path: image.path,
            bytes: image.len,
            written: self.written,
            checksum: self.checksum,
            elapsed: image.begun.elapsed(),
        };
        Ok((report, file))
    }
}

/// The file that a pool at `path` will be; missing directories are made.
///
/// Errors: [`FileError::AlreadyExists`](everline::media::file::FileError::AlreadyExists) where there is a file, unless
/// `over`, or a directory that is not empty.
pub(super) fn free_place<D: Disk>(
    disk: &D,
    path: &Path,
    over: bool,
) -> Result<PathBuf, ImageError> {
    let taken = |path: &Path| {
        let path = path.to_path_buf();
        Err(everline::media::file::FileError::AlreadyExists { path }.into())
    };
    if let Some(names) = disk.names_in(path)?
        && !names.is_empty()
        && !over
    {
        return taken(path);
    }
    let file = disk.locate(path)?;
    if !over && disk.exists(&file)? {
        return taken(&file);
    }
    disk.make_directories(file.parent().unwrap_or(Path::new("/")))?;
    Ok(file)
}
