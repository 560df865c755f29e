//! Staged writes, and reads that see them.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::super::{Tx, TxError};
use crate::layout::RootSlot;
use crate::media::Media;
use crate::units::{ByteLen, ByteOffset, ByteRange};

/// Plain data: any bytes are a value, and a value has no padding.
pub trait Value: FromBytes + IntoBytes + Immutable {}

impl<T: FromBytes + IntoBytes + Immutable> Value for T {}

impl<M: Media> Tx<'_, M> {
    /// Stages `bytes` for the range at `at`. Reads through the transaction see them; homes get them at commit.
    ///
    /// Errors: outside root slots and heap, or the caller's staging memory is full. Cost: no wait.
    #[inline]
    pub fn write(&mut self, at: ByteOffset, bytes: &[u8]) -> Result<(), TxError<M::SyncError>> {
        let range = self.changeable(at, bytes.len() as u64)?;
        self.stage()
            .write_with(range, |value| value.copy_from_slice(bytes))
            .map_err(|full| self.stage_full(full))
    }

    /// Stages a value. As [`Tx::write`].
    #[inline]
    pub fn set<T: Value>(
        &mut self,
        at: ByteOffset,
        value: &T,
    ) -> Result<(), TxError<M::SyncError>> {
        self.write(at, value.as_bytes())
    }

    /// Lets `change` work on a copy of the value at `at`, and stages the result. As [`Tx::write`].
    #[inline]
    pub fn update<T: Value>(
        &mut self,
        at: ByteOffset,
        change: impl FnOnce(&mut T),
    ) -> Result<(), TxError<M::SyncError>> {
        let mut value: T = self.get(at)?;
        change(&mut value);
        self.set(at, &value)
    }

    /// Reads bytes as this transaction sees them. Errors: outside the pool. Cost: no wait.
    #[inline]
    pub fn read(&self, at: ByteOffset, into: &mut [u8]) -> Result<(), TxError<M::SyncError>> {
        self.manager.read(at, into)?;
        let range = ByteRange::new(at, ByteLen::of(into)).unwrap_or_default();
        self.staged().overlay(range, into);
        Ok(())
    }

    /// Reads a value as this transaction sees it. As [`Tx::read`].
    #[inline]
    pub fn get<T: Value>(&self, at: ByteOffset) -> Result<T, TxError<M::SyncError>> {
        let mut value = T::new_zeroed();
        // `T: IntoBytes + FromBytes` allows writing any bytes into it.
        self.read(at, zeroed_bytes(&mut value))?;
        Ok(value)
    }

    /// Stages the place that a root slot leads to. As [`Tx::write`].
    #[inline]
    pub fn set_root(
        &mut self,
        slot: RootSlot,
        to: ByteOffset,
    ) -> Result<(), TxError<M::SyncError>> {
        let at = slot.at(&self.manager.pool.geometry());
        self.write(at, &to.get().to_le_bytes())
    }

    /// The place that a root slot leads to, as this transaction sees it; 0 is none.
    pub fn root(&self, slot: RootSlot) -> Result<ByteOffset, TxError<M::SyncError>> {
        let mut word = [0; 8];
        self.read(slot.at(&self.manager.pool.geometry()), &mut word)?;
        Ok(ByteOffset::new(u64::from_le_bytes(word)))
    }
}

#[inline]
fn zeroed_bytes<T: Value>(value: &mut T) -> &mut [u8] {
    value.as_mut_bytes()
}
