//! Reading a file without changing a byte of it: stores go to a private copy of the page.

use std::path::Path;

use memmap2::MmapMut;

use super::lock::{self, Locked, Role};
use super::sigbus::Watch;
use super::{FileError, FileMedia, FileOptions, map, names, open, probe, sys};
use crate::media::forward::{forward, forward_accesses};
use crate::media::{Checksum, Domain, Durability, Errno, Mapped, Media, SpaceError};
use crate::units::{ByteLen, ByteOffset, ByteRange, LineRange};

const DURABILITY: Durability = Durability {
    domain: Domain::Volatile,
    reason: "private copy of a read-only pool",
    flush: "nothing",
};

/// A private copy of a pool file, made page by page as it is stored to. Other readers may have it open too, a
/// writer may not. Flushes and fences are free; recovery can run in it and changes nothing on the device.
#[derive(Debug)]
pub struct PrivateMedia {
    // Dropped in this order: nothing is watched or reached when the mapping goes, and the lock goes last.
    watch: Watch,
    mapped: Mapped,
    _copy: MmapMut,
    _locked: Locked,
}

impl FileMedia {
    /// Opens the file at `path` (a directory stands for `pool.pmem` in it) for reading, beside other readers.
    /// The domain is [`Domain::Volatile`]; of `options` only `allow_foreign_fs` counts.
    ///
    /// Errors: not there, not a file, empty, `Busy` where a writer has it open, or a foreign file system.
    pub fn open_private(path: &Path, options: &FileOptions) -> Result<PrivateMedia, FileError> {
        let path = names::file_at(path)?;
        let locked = lock::open_locked(&path, Role::Reader)?;
        open::length_of(&locked, &path)?;
        let survey = probe::survey(&locked, &path, false)?;
        let any_domain = FileOptions {
            require: None,
            ..options.clone()
        };
        survey.admit(&path, &any_domain)?;
        let mut copy = sys::map_private(&locked).map_err(FileError::io("map", &path))?;
        let mapped = map::wrap_private(&mut copy, DURABILITY);
        Ok(PrivateMedia {
            watch: Watch::new(mapped.base(), copy.len(), false),
            mapped,
            _copy: copy,
            _locked: locked,
        })
    }
}

impl PrivateMedia {
    #[inline(always)]
    fn mapped(&self) -> &Mapped {
        &self.mapped
    }
}

impl Media for PrivateMedia {
    /// `EIO` where a page of the file could not be read and zeros stand in for it; nothing else.
    type SyncError = Errno;

    #[inline]
    fn loads_from(&self) -> Option<&Mapped> {
        Some(self.mapped())
    }

    forward_accesses!(|this| this.mapped());
    forward! {
        |this| this.mapped();
        write_nt(at: ByteOffset, bytes: &[u8]);
        flush(lines: LineRange);
    }

    fn fence(&self) -> Result<(), Errno> {
        if self.watch.is_lost() {
            return Err(Errno(libc::EIO));
        }
        Ok(())
    }

    fn intact(&self) -> bool {
        !self.watch.is_lost()
    }

    fn set_len(&self, _len: ByteLen) -> Result<(), SpaceError> {
        Err(SpaceError::Unsupported)
    }

    fn verify<C: Checksum>(&self, range: ByteRange, check: &mut C) -> bool {
        self.mapped.verify(range, check)
    }
}
