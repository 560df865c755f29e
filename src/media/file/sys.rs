//! Every system call that std does not offer, each behind a safe face.
//!
//! | what | calls |
//! |---|---|
//! | [`Reservation`] | mmap of an address range, of file pages into it, msync, munmap |
//! | locks | fcntl with open-file-description locks; flock off Linux |
//! | space | fallocate, lseek for holes |
//! | names | renameat2, linkat |
//! | file system | fstatfs |
//!
//! Invariant: R1  a reservation maps only inside its own range, so that nothing else of the process is touched.
#![allow(
    unsafe_code,
    reason = "system calls; each wrapper discharges the call's duties itself"
)]

#[cfg(target_os = "linux")]
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::null_mut;

use everline_arch::msync;
use memmap2::{MmapMut, MmapOptions};

use super::error::errno_of;
use crate::media::Errno;

/// Alignment of a reservation's base, so that huge pages of a DAX device can be mapped.
const HUGE_PAGE: usize = 2 << 20;

/// Flags of a mapping that only keeps addresses.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
const ADDRESSES_ONLY: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
/// Flags of a mapping that only keeps addresses.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
const ADDRESSES_ONLY: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANON;

fn last_errno() -> Errno {
    errno_of(&io::Error::last_os_error())
}

fn check(status: libc::c_int) -> Result<(), Errno> {
    if status == 0 {
        Ok(())
    } else {
        Err(last_errno())
    }
}

#[cfg(target_os = "linux")]
fn c_path(path: &Path) -> Result<CString, Errno> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno(libc::EINVAL))
}

fn offset(bytes: u64) -> Result<libc::off_t, Errno> {
    libc::off_t::try_from(bytes).map_err(|_| Errno(libc::EFBIG))
}

/// Bytes of a page.
pub(super) fn page_bytes() -> u64 {
    msync::page_size() as u64
}

/// How file pages are mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// `MAP_SHARED`.
    Shared,
    /// `MAP_SHARED_VALIDATE | MAP_SYNC`: a store that the CPU has written back is durable (DAX).
    Synchronous,
}

impl Sharing {
    fn flags(self) -> libc::c_int {
        match self {
            Sharing::Shared => libc::MAP_SHARED,
            #[cfg(target_os = "linux")]
            Sharing::Synchronous => libc::MAP_SHARED_VALIDATE | libc::MAP_SYNC,
            #[cfg(not(target_os = "linux"))]
            Sharing::Synchronous => libc::MAP_SHARED,
        }
    }
}

/// Whether the kernel grants `MAP_SYNC` on the first page of `file`.
#[cfg(target_os = "linux")]
pub(super) fn grants_map_sync(file: &File) -> bool {
    let page = msync::page_size();
    // SAFETY: a new mapping at an address of the kernel's choice disturbs nothing.
    let base = unsafe {
        libc::mmap(
            null_mut(),
            page,
            libc::PROT_READ,
            Sharing::Synchronous.flags(),
            file.as_raw_fd(),
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return false;
    }
    // SAFETY: exactly the page mapped above, to which nothing refers.
    check(unsafe { libc::munmap(base, page) }).is_ok()
}

/// Only Linux has `MAP_SYNC`.
#[cfg(not(target_os = "linux"))]
pub(super) fn grants_map_sync(_file: &File) -> bool {
    false
}

/// A range of addresses that belongs to one medium for its whole life (R1).
#[derive(Debug)]
pub(super) struct Reservation {
    whole: *mut libc::c_void,
    whole_len: usize,
    base: *mut u8,
    capacity: usize,
}

// SAFETY: the range is owned by this value; its methods make system calls only, which any thread may make.
unsafe impl Send for Reservation {}
// SAFETY: as above.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// Reserves `capacity` bytes of addresses, whole pages; no memory stands behind them yet.
    pub(super) fn new(capacity: u64) -> Result<Self, Errno> {
        let capacity = usize::try_from(capacity).map_err(|_| Errno(libc::ENOMEM))?;
        let whole_len = capacity.checked_add(HUGE_PAGE).ok_or(Errno(libc::ENOMEM))?;
        // SAFETY: a new mapping at an address of the kernel's choice disturbs nothing.
        let whole = unsafe {
            libc::mmap(
                null_mut(),
                whole_len,
                libc::PROT_NONE,
                ADDRESSES_ONLY,
                -1,
                0,
            )
        };
        if whole == libc::MAP_FAILED {
            return Err(last_errno());
        }
        let start = whole.cast::<u8>();
        Ok(Reservation {
            whole,
            whole_len,
            base: start.wrapping_add(start.align_offset(HUGE_PAGE)),
            capacity,
        })
    }

    /// The first address; aligned to a huge page.
    pub(super) fn base(&self) -> *mut u8 {
        self.base
    }

    /// Bytes of addresses.
    pub(super) fn capacity(&self) -> u64 {
        self.capacity as u64
    }

    fn inside(&self, at: u64, len: u64) -> Result<(*mut u8, usize), Errno> {
        let fits = at
            .checked_add(len)
            .is_some_and(|end| end <= self.capacity());
        if !fits {
            return Err(Errno(libc::ENOMEM));
        }
        Ok((self.base.wrapping_add(at as usize), len as usize))
    }

    /// Maps bytes `[at, at + len)` of `file`, whole pages, at the same place of the range. Nothing that was
    /// mapped before is touched by callers, who pass only what lies behind it.
    pub(super) fn map(
        &self,
        file: &File,
        at: u64,
        len: u64,
        sharing: Sharing,
    ) -> Result<(), Errno> {
        let (address, bytes) = self.inside(at, len)?;
        let file_offset = offset(at)?;
        // SAFETY: replaces pages of this reservation only, by `inside` (R1).
        let mapped = unsafe {
            libc::mmap(
                address.cast(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                sharing.flags() | libc::MAP_FIXED,
                file.as_raw_fd(),
                file_offset,
            )
        };
        if mapped != libc::MAP_FAILED {
            return Ok(());
        }
        let errno = last_errno();
        // A refused MAP_FIXED may leave a gap, into which other code of the process could be mapped: close it.
        // SAFETY: as above.
        unsafe {
            libc::mmap(
                address.cast(),
                bytes,
                libc::PROT_NONE,
                ADDRESSES_ONLY | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        Err(errno)
    }

    /// Writes the mapped pages `[at, at + len)` to their file and waits.
    pub(super) fn sync(&self, at: u64, len: u64) -> Result<(), Errno> {
        let (address, bytes) = self.inside(at, len)?;
        // SAFETY: inside this reservation, which is mapped as long as `self` lives.
        unsafe { msync::sync_pages(address, bytes) }.map_err(Errno)
    }

    /// Reads the pages `[at, at + len)` in ahead of time; a hint that may fail without harm.
    pub(super) fn prefault(&self, at: u64, len: u64) {
        #[cfg(target_os = "linux")]
        let advice = libc::MADV_POPULATE_READ;
        #[cfg(not(target_os = "linux"))]
        let advice = libc::MADV_WILLNEED;
        if let Ok((address, bytes)) = self.inside(at, len) {
            // SAFETY: advice about pages of this reservation changes no byte of them.
            unsafe { libc::madvise(address.cast(), bytes, advice) };
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the range was reserved by `new`, and its owner is gone.
        unsafe { libc::munmap(self.whole, self.whole_len) };
    }
}

/// A private, writable copy of the whole of `file`: pages are copied when they are first stored to.
pub(super) fn map_private(file: &File) -> io::Result<MmapMut> {
    let mut options = MmapOptions::new();
    options.no_reserve_swap();
    // SAFETY:
    // - nobody writes the file meanwhile: the caller holds its reader lock;
    // - a file that is cut all the same raises SIGBUS, which `super::sigbus` can turn into an error.
    unsafe { options.map_copy(file) }
}

/// One byte of the file that stands for a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockByte {
    /// Byte 0.
    Writer,
    /// Byte 1.
    Readers,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn lock_request(byte: LockByte, exclusive: bool) -> libc::flock {
    // SAFETY: a flock is plain integers, for which zero is a value.
    let mut request: libc::flock = unsafe { core::mem::zeroed() };
    let kind = if exclusive {
        libc::F_WRLCK
    } else {
        libc::F_RDLCK
    };
    request.l_type = kind as libc::c_short;
    request.l_whence = libc::SEEK_SET as libc::c_short;
    request.l_start = match byte {
        LockByte::Writer => 0,
        LockByte::Readers => 1,
    };
    request.l_len = 1;
    request
}

/// Takes `byte` of `file` for this open file, without waiting; `false` where another open file is in the way.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn try_lock(file: &File, byte: LockByte, exclusive: bool) -> Result<bool, Errno> {
    let request = lock_request(byte, exclusive);
    // SAFETY: the request is a live flock, which the call only reads.
    let answer = check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &request) });
    match answer {
        Ok(()) => Ok(true),
        Err(Errno(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Gives `byte` back, for this open file and every copy of it. Nothing can be done where it fails.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn unlock(file: &File, byte: LockByte) {
    let mut request = lock_request(byte, false);
    request.l_type = libc::F_UNLCK as libc::c_short;
    // SAFETY: the request is a live flock, which the call only reads.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &request) };
}

/// Whether another open file holds `byte`.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn is_locked(file: &File, byte: LockByte) -> Result<bool, Errno> {
    let mut request = lock_request(byte, true);
    // SAFETY: the request is a live flock, which the call fills in.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut request) })?;
    Ok(request.l_type != libc::F_UNLCK as libc::c_short)
}

/// Off Linux one flock of the whole file stands for both bytes: exclusive for the writer, shared for readers.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn try_lock(file: &File, _byte: LockByte, exclusive: bool) -> Result<bool, Errno> {
    let kind = if exclusive {
        libc::LOCK_EX
    } else {
        libc::LOCK_SH
    };
    // SAFETY: takes numbers only.
    match check(unsafe { libc::flock(file.as_raw_fd(), kind | libc::LOCK_NB) }) {
        Ok(()) => Ok(true),
        Err(Errno(libc::EWOULDBLOCK)) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Gives the flock back.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn unlock(file: &File, _byte: LockByte) {
    // SAFETY: takes numbers only.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) };
}

/// Off Linux `try_lock` has already told.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn is_locked(_file: &File, _byte: LockByte) -> Result<bool, Errno> {
    Ok(false)
}

/// Allocates blocks for `[at, at + len)`, which lies inside the file; what is there stays.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn allocate(file: &File, at: u64, len: u64) -> Result<(), Errno> {
    let (at, len) = (offset(at)?, offset(len)?);
    loop {
        // SAFETY: takes numbers only.
        match check(unsafe { libc::fallocate(file.as_raw_fd(), 0, at, len) }) {
            Err(Errno(libc::EINTR)) => {}
            Err(Errno(libc::ENOSYS)) => return Err(Errno(libc::EOPNOTSUPP)),
            answer => return answer,
        }
    }
}

/// Off Linux nothing is assumed about allocation.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn allocate(_file: &File, _at: u64, _len: u64) -> Result<(), Errno> {
    Err(Errno(libc::EOPNOTSUPP))
}

#[cfg(not(any(target_os = "openbsd", target_os = "netbsd")))]
fn seek(file: &File, at: u64, whence: libc::c_int) -> Result<Option<u64>, Errno> {
    let at = offset(at)?;
    // SAFETY: takes numbers only; nobody depends on the file's cursor.
    let found = unsafe { libc::lseek(file.as_raw_fd(), at, whence) };
    match u64::try_from(found) {
        Ok(found) => Ok(Some(found)),
        Err(_) => match last_errno() {
            Errno(libc::ENXIO) => Ok(None),
            errno => Err(errno),
        },
    }
}

/// Where the first hole at or behind `at` begins; the end of the file counts as one.
#[cfg(not(any(target_os = "openbsd", target_os = "netbsd")))]
pub(super) fn next_hole(file: &File, at: u64) -> Result<Option<u64>, Errno> {
    seek(file, at, libc::SEEK_HOLE)
}

/// Where the first data at or behind `at` begins; `None` where there is only hole.
#[cfg(not(any(target_os = "openbsd", target_os = "netbsd")))]
pub(super) fn next_data(file: &File, at: u64) -> Result<Option<u64>, Errno> {
    seek(file, at, libc::SEEK_DATA)
}

/// These systems do not tell: all of the file counts as data.
#[cfg(any(target_os = "openbsd", target_os = "netbsd"))]
pub(super) fn next_hole(file: &File, _at: u64) -> Result<Option<u64>, Errno> {
    file.metadata()
        .map(|metadata| Some(metadata.len()))
        .map_err(|error| errno_of(&error))
}

/// These systems do not tell: all of the file counts as data.
#[cfg(any(target_os = "openbsd", target_os = "netbsd"))]
pub(super) fn next_data(_file: &File, at: u64) -> Result<Option<u64>, Errno> {
    Ok(Some(at))
}

/// Renames, unless the new name is taken (`EEXIST`). One atomic step where the kernel can; else a hard link first.
pub(super) fn rename_to_free_name(from: &Path, to: &Path) -> Result<(), Errno> {
    #[cfg(all(target_os = "linux", any(target_env = "gnu", target_env = "musl")))]
    {
        let (from_c, to_c) = (c_path(from)?, c_path(to)?);
        // SAFETY: both names are NUL-terminated and outlive the call.
        let status = unsafe {
            libc::renameat2(
                libc::AT_FDCWD,
                from_c.as_ptr(),
                libc::AT_FDCWD,
                to_c.as_ptr(),
                libc::RENAME_NOREPLACE,
            )
        };
        match check(status) {
            Err(Errno(libc::EINVAL | libc::ENOSYS)) => {} // this file system cannot; fall through
            answer => return answer,
        }
    }
    std::fs::hard_link(from, to).map_err(|error| errno_of(&error))?;
    std::fs::remove_file(from).map_err(|error| errno_of(&error))
}

/// Gives a nameless file the name `to`, unless that is taken (`EEXIST`).
#[cfg(target_os = "linux")]
pub(super) fn name_a_nameless_file(file: &File, to: &Path) -> Result<(), Errno> {
    let from_c = c_path(&descriptor_path(file))?;
    let to_c = c_path(to)?;
    // SAFETY: both names are NUL-terminated and outlive the call.
    let status = unsafe {
        libc::linkat(
            libc::AT_FDCWD,
            from_c.as_ptr(),
            libc::AT_FDCWD,
            to_c.as_ptr(),
            libc::AT_SYMLINK_FOLLOW,
        )
    };
    check(status)
}

/// Off Linux a file has a name from the start.
#[cfg(not(target_os = "linux"))]
pub(super) fn name_a_nameless_file(_file: &File, _to: &Path) -> Result<(), Errno> {
    Err(Errno(libc::EOPNOTSUPP))
}

/// The name under which /proc shows an open file.
#[cfg(target_os = "linux")]
pub(super) fn descriptor_path(file: &File) -> std::path::PathBuf {
    std::format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// The number by which the kernel knows the kind of file system that holds `file`.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn file_system_magic(file: &File) -> Result<u32, Errno> {
    // SAFETY: a statfs is plain integers, for which zero is a value.
    let mut answer: libc::statfs = unsafe { core::mem::zeroed() };
    // SAFETY: the answer is a live statfs, which the call fills in.
    check(unsafe { libc::fstatfs(file.as_raw_fd(), &mut answer) })?;
    Ok(answer.f_type as u32)
}

/// Off Linux the kind is not known.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn file_system_magic(_file: &File) -> Result<u32, Errno> {
    Ok(0)
}

/// The major number of a device.
#[cfg(target_os = "linux")]
pub(super) fn major(device: u64) -> u32 {
    libc::major(device)
}

/// The minor number of a device.
#[cfg(target_os = "linux")]
pub(super) fn minor(device: u64) -> u32 {
    libc::minor(device)
}

/// Device numbers are looked up on Linux only.
#[cfg(not(target_os = "linux"))]
pub(super) fn major(_device: u64) -> u32 {
    0
}

/// Device numbers are looked up on Linux only.
#[cfg(not(target_os = "linux"))]
pub(super) fn minor(_device: u64) -> u32 {
    0
}
