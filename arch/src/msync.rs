//! The system calls of file media: msync, fdatasync, the page size. Errors are `errno` values.
//!
//! A failed sync must not be retried as if nothing had happened: Linux has marked the pages clean by then. The caller
//! poisons its pool.

use core::sync::atomic::{AtomicUsize, Ordering};

/// Writes the pages under `addr..addr + len` to their file and waits (`MS_SYNC`).
///
/// # Errors
///
/// The `errno` of msync: `EIO` or `ENOSPC` from the write-back, `ENOMEM` for unmapped pages, `EINVAL` where `addr` is
/// not a multiple of [`page_size`].
///
/// # Safety
///
/// `addr..addr + len` lies within one mapping that stays mapped during the call.
pub unsafe fn sync_pages(addr: *mut u8, len: usize) -> Result<(), i32> {
    // SAFETY: the range is mapped (caller); msync itself checks the alignment.
    let status = unsafe { libc::msync(addr.cast(), len, libc::MS_SYNC) };
    errno_unless_zero(status)
}

/// The bytes of a page of this system.
///
/// # Panics
///
/// If the system does not know its page size.
#[must_use]
pub fn page_size() -> usize {
    /// 0 before the system was asked.
    static PAGE_BYTES: AtomicUsize = AtomicUsize::new(0);
    match PAGE_BYTES.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: sysconf takes any number.
            let answer = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            let bytes = usize::try_from(answer).expect("POSIX systems know their page size");
            PAGE_BYTES.store(bytes, Ordering::Relaxed); // Relaxed: every thread learns the same
            bytes
        }
        bytes => bytes,
    }
}

/// Writes a file's data, and the metadata needed to read it back, to the device and waits.
///
/// On Apple systems this is `F_FULLFSYNC`, since their `fsync` leaves the data in the drive's cache.
///
/// # Errors
///
/// The `errno` of the call: `EIO`, `ENOSPC`, `EBADF`, `EINVAL` for what cannot be synced.
pub fn fdatasync(fd: i32) -> Result<(), i32> {
    #[cfg(not(target_vendor = "apple"))]
    // SAFETY: takes any number; a wrong descriptor is EBADF.
    let status = unsafe { libc::fdatasync(fd) };
    #[cfg(target_vendor = "apple")]
    // SAFETY: takes any number; a wrong descriptor is EBADF.
    let status = unsafe { libc::fcntl(fd, libc::F_FULLFSYNC) };
    errno_unless_zero(status)
}

fn errno_unless_zero(status: i32) -> Result<(), i32> {
    if status == 0 {
        return Ok(());
    }
    Err(std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO))
}

#[cfg(all(test, not(miri)))]
mod tests {
    use core::ptr::{null_mut, without_provenance_mut};
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use super::{fdatasync, page_size, sync_pages};

    #[test]
    fn a_page_is_a_power_of_two() {
        assert!(page_size().is_power_of_two());
        assert!(page_size() >= 4096);
    }

    #[test]
    fn a_mapped_page_syncs() {
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice.
        let page = unsafe {
            libc::mmap(
                null_mut(),
                page_size(),
                libc::PROT_READ,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(page, libc::MAP_FAILED);
        // SAFETY: exactly the page mapped above.
        assert_eq!(unsafe { sync_pages(page.cast(), page_size()) }, Ok(()));
        // SAFETY: as above; the odd address is refused before anything is done.
        assert_eq!(
            unsafe { sync_pages(page.cast::<u8>().wrapping_add(1), 1) },
            Err(libc::EINVAL)
        );
        // SAFETY: unmaps exactly what this test mapped, and nothing refers to it.
        assert_eq!(unsafe { libc::munmap(page, page_size()) }, 0);
    }

    #[test]
    fn an_unmapped_page_is_an_errno() {
        let nowhere = without_provenance_mut(usize::MAX / page_size() / 4 * page_size());
        // SAFETY: nothing is mapped there, so nothing can be harmed; the call only reports it.
        assert_eq!(
            unsafe { sync_pages(nowhere, page_size()) },
            Err(libc::ENOMEM)
        );
    }

    #[test]
    fn a_file_syncs_and_a_bad_descriptor_is_an_errno() {
        let this_test = std::env::current_exe().expect("the test binary has a path");
        let file = File::open(this_test).expect("the test binary can be read");
        assert_eq!(fdatasync(file.as_raw_fd()), Ok(()));
        assert_eq!(fdatasync(-1), Err(libc::EBADF));
    }
}
