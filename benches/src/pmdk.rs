//! libpmem and libpmemobj, driven through their public interface by `shim/pmdk.c`.

use std::path::Path;

/// Whether the libraries were there when this crate was built.
pub const INSTALLED: bool = cfg!(has_pmdk);

/// What both libraries are told by their environment, before the process loads them: treat the file as persistent
/// memory, count no shutdowns, touch every page first.
pub const ENVIRONMENT: [(&str, &str); 2] = [
    ("PMEM_IS_PMEM_FORCE", "1"),
    ("PMEMOBJ_CONF", "sds.at_create=0;prefault.at_create=1"),
];

#[cfg(has_pmdk)]
pub use present::Pmdk;

#[cfg(not(has_pmdk))]
pub use absent::Pmdk;

/// An operation of the peer; it runs `times` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A transaction without changes.
    Empty,
    /// A transaction over `count` ranges of `len` bytes.
    Ranges {
        /// Ranges.
        count: u64,
        /// Bytes of each.
        len: u64,
    },
    /// The same, aborted.
    Abort {
        /// Ranges.
        count: u64,
        /// Bytes of each.
        len: u64,
    },
    /// `count` objects of 64 bytes in one transaction; freed outside of what is timed.
    Alloc {
        /// Objects.
        count: u64,
        /// Whether each is filled and linked.
        link: bool,
    },
    /// Store and `pmem_persist`.
    Persist {
        /// Bytes.
        len: u64,
    },
    /// `pmem_memcpy_persist`.
    MemcpyPersist {
        /// Bytes.
        len: u64,
    },
    /// `memcpy` out of the pool.
    Memcpy {
        /// Bytes.
        len: u64,
    },
    /// A pool made, closed and removed.
    Create {
        /// Its size.
        bytes: u64,
    },
}

impl Operation {
    /// The library, or the function, that does it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Persist { .. } | Operation::MemcpyPersist { .. } => "libpmem",
            Operation::Memcpy { .. } => "memcpy",
            _ => "libpmemobj",
        }
    }
}

#[cfg(has_pmdk)]
mod present {
    use std::ffi::{CString, c_char, c_int};
    use std::os::unix::ffi::OsStrExt;
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    use super::{Operation, Path};

    #[repr(C)]
    struct Peer {
        _private: [u8; 0],
    }

    unsafe extern "C" {
        fn everline_pmdk_open(
            path: *const c_char,
            bytes: u64,
            area_bytes: u64,
            objects_max: u64,
        ) -> *mut Peer;
        fn everline_pmdk_close(peer: *mut Peer);
        fn everline_pmdk_empty(peer: *mut Peer, times: u64);
        fn everline_pmdk_ranges(peer: *mut Peer, times: u64, count: u64, len: u64);
        fn everline_pmdk_abort(peer: *mut Peer, times: u64, count: u64, len: u64);
        fn everline_pmdk_alloc(peer: *mut Peer, times: u64, count: u64, link: c_int);
        fn everline_pmdk_free(peer: *mut Peer, objects: u64);
        fn everline_pmdk_persist(peer: *mut Peer, times: u64, len: u64);
        fn everline_pmdk_memcpy_persist(peer: *mut Peer, times: u64, len: u64);
        fn everline_pmdk_memcpy(peer: *mut Peer, times: u64, len: u64);
        fn everline_pmdk_create(path: *const c_char, bytes: u64) -> c_int;
    }

    /// A pool of libpmemobj.
    #[derive(Debug)]
    pub struct Pmdk {
        peer: *mut Peer,
        directory: PathBuf,
        objects_max: u64,
    }

    fn c_path(path: &Path) -> CString {
        CString::new(path.as_os_str().as_bytes()).expect("a path without a zero byte")
    }

    impl Pmdk {
        /// Makes a pool in `directory`. `None`, with a line on stderr, where the library refuses.
        pub fn open(directory: &Path, bytes: u64, objects_max: u64) -> Option<Self> {
            let path = c_path(&directory.join("pmdk.pool"));
            let area = crate::bench::AREA_BYTES;
            // SAFETY: a path that ends in zero and outlives the call; the rest are numbers.
            let peer = unsafe { everline_pmdk_open(path.as_ptr(), bytes, area, objects_max) };
            let directory = directory.to_path_buf();
            (!peer.is_null()).then_some(Pmdk {
                peer,
                directory,
                objects_max,
            })
        }

        /// How often `operation` can run in one go.
        pub fn times_max(&self, operation: Operation) -> u64 {
            match operation {
                Operation::Alloc { count, .. } => self.objects_max / count,
                Operation::Create { .. } => 1,
                _ => u64::MAX,
            }
        }

        /// Runs `operation` `times` times; what it leaves behind is removed outside of what is timed.
        pub fn time(&mut self, operation: Operation, times: u64) -> Duration {
            let begun = Instant::now();
            match operation {
                // SAFETY: the pool is open until drop, and `&mut self` keeps other threads out of it.
                Operation::Empty => unsafe { everline_pmdk_empty(self.peer, times) },
                // SAFETY: as above; the ranges fit the area, or the shim would fault inside its own mapping.
                Operation::Ranges { count, len } => unsafe {
                    everline_pmdk_ranges(self.peer, times, count, len)
                },
                // SAFETY: as above.
                Operation::Abort { count, len } => unsafe {
                    everline_pmdk_abort(self.peer, times, count, len)
                },
                // SAFETY: as above; the shim checks that it can keep all objects.
                Operation::Alloc { count, link } => unsafe {
                    everline_pmdk_alloc(self.peer, times, count, link.into())
                },
                // SAFETY: as above.
                Operation::Persist { len } => unsafe {
                    everline_pmdk_persist(self.peer, times, len)
                },
                // SAFETY: as above; the length is at most the shim's value.
                Operation::MemcpyPersist { len } => unsafe {
                    everline_pmdk_memcpy_persist(self.peer, times, len)
                },
                // SAFETY: as above.
                Operation::Memcpy { len } => unsafe { everline_pmdk_memcpy(self.peer, times, len) },
                Operation::Create { bytes } => self.create(bytes),
            }
            let elapsed = begun.elapsed();
            if let Operation::Alloc { count, .. } = operation {
                // SAFETY: as above; so many objects were just kept.
                unsafe { everline_pmdk_free(self.peer, times * count) }
            }
            elapsed
        }

        fn create(&self, bytes: u64) {
            let path = c_path(&self.directory.join("pmdk-create.pool"));
            // SAFETY: a path that ends in zero and outlives the call.
            let refused = unsafe { everline_pmdk_create(path.as_ptr(), bytes) };
            assert_eq!(refused, 0, "libpmemobj makes a pool of {bytes} bytes");
        }
    }

    impl Drop for Pmdk {
        fn drop(&mut self) {
            // SAFETY: opened in `open`, closed only here.
            unsafe { everline_pmdk_close(self.peer) }
        }
    }
}

#[cfg(not(has_pmdk))]
mod absent {
    use std::time::Duration;

    use super::{Operation, Path};

    /// A pool of libpmemobj, which is not installed: there is no value of this type.
    #[derive(Debug)]
    pub enum Pmdk {}

    impl Pmdk {
        /// `None`.
        pub fn open(_directory: &Path, _bytes: u64, _objects_max: u64) -> Option<Self> {
            None
        }

        /// Never called.
        pub fn times_max(&self, _operation: Operation) -> u64 {
            match *self {}
        }

        /// Never called.
        pub fn time(&mut self, _operation: Operation, _times: u64) -> Duration {
            match *self {}
        }
    }
}
