//! Errors of the medium itself.

use core::fmt;

/// An operating system's error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "std")]
        {
            write!(f, "{}", std::io::Error::from_raw_os_error(self.0))
        }
        #[cfg(not(feature = "std"))]
        {
            write!(f, "error number {}", self.0)
        }
    }
}

impl core::error::Error for Errno {}

/// Why storage could not be secured or resized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpaceError {
    /// The device behind the medium is full.
    #[error("no space left on the device behind the pool")]
    NoSpace,
    /// The medium has a fixed length.
    #[error("this medium cannot change its length")]
    Unsupported,
    /// The operating system refused.
    #[error("the operating system refused: {0}")]
    Io(Errno),
}
