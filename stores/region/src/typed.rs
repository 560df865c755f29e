//! Plain values in regions.

use everline::media::Media;
use everline::tx::Value;

use crate::{RegionError, RegionId, Regions};

impl<M: Media> Regions<M> {
    /// Stores a plain value at `at`: as [`Regions::write`] of its bytes.
    ///
    /// Give a struct `repr(C)`: without it a compiler may lay its fields out in any order, and what one program has
    /// stored means something else to the next.
    pub fn store<T: Value>(
        &self,
        id: RegionId,
        at: u64,
        value: &T,
    ) -> Result<(), RegionError<M::SyncError>> {
        self.write(id, at, value.as_bytes())
    }

    /// The plain value at `at`, on the heap, where values of any size fit. As [`Regions::read`]; also
    /// [`RegionError::InvalidArgument`] where there is no memory for it.
    pub fn load<T: Value>(
        &self,
        id: RegionId,
        at: u64,
    ) -> Result<Box<T>, RegionError<M::SyncError>> {
        let mut value = T::new_box_zeroed().map_err(|_| RegionError::InvalidArgument {
            what: "there is no memory for so large a value",
        })?;
        self.load_into(id, at, &mut *value)?;
        Ok(value)
    }

    /// Reads the plain value at `at` into one that is there. As [`Regions::read`].
    pub fn load_into<T: Value>(
        &self,
        id: RegionId,
        at: u64,
        into: &mut T,
    ) -> Result<(), RegionError<M::SyncError>> {
        self.read(id, at, into.as_mut_bytes())
    }
}
