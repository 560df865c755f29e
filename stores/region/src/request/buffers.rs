//! A bounded number of buffers, in pools of growing size.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::target::TransferConfig;

/// Buffers that transfers take and give back. Memory is taken from the system as a buffer is first used.
#[derive(Debug)]
pub(super) struct Buffers {
    pools: Mutex<Vec<BufferPool>>,
    given_back: Condvar,
}

#[derive(Debug)]
struct BufferPool {
    size: usize,
    /// Buffers that may still be made.
    unmade: u32,
    free: Vec<Vec<u8>>,
}

impl BufferPool {
    fn take(&mut self) -> Option<Vec<u8>> {
        if let Some(buffer) = self.free.pop() {
            return Some(buffer);
        }
        self.unmade = self.unmade.checked_sub(1)?;
        Some(vec![0; self.size])
    }
}

impl Buffers {
    /// `config` has been checked.
    pub fn new(config: &TransferConfig) -> Self {
        let mut size = usize::try_from(config.first_buffer_size).unwrap_or(usize::MAX);
        let factor = usize::try_from(config.buffer_size_multiplier).unwrap_or(usize::MAX);
        let mut pools = Vec::with_capacity(config.num_pools as usize);
        for _ in 0..config.num_pools {
            pools.push(BufferPool {
                size,
                unmade: config.num_buffers_per_pool,
                free: Vec::new(),
            });
            size = size.saturating_mul(factor);
        }
        Buffers {
            pools: Mutex::new(pools),
            given_back: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BufferPool>> {
        // Only an allocation can panic while it is held, before anything has changed but a count.
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer for `len` bytes, of those that are free the smallest that holds them all, else the largest; where none
    /// is free, the first to come back. Whoever waits here must hold none that only he can give back.
    pub fn take(&self, len: u64) -> Lent<'_> {
        let mut pools = self.lock();
        loop {
            let fits = |pool: &&mut BufferPool| pool.size as u64 >= len;
            let found = pools.iter_mut().filter(fits).find_map(BufferPool::take);
            let found = found.or_else(|| pools.iter_mut().rev().find_map(BufferPool::take));
            match found {
                Some(bytes) => {
                    return Lent {
                        bytes,
                        buffers: self,
                    };
                }
                None => {
                    let woken = self.given_back.wait(pools);
                    pools = woken.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

/// A buffer that goes back when it is dropped, wherever that is.
#[derive(Debug)]
pub(super) struct Lent<'b> {
    bytes: Vec<u8>,
    buffers: &'b Buffers,
}

impl Deref for Lent<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut pools = self.buffers.lock();
        if let Some(pool) = pools.iter_mut().find(|pool| pool.size == bytes.len()) {
            pool.free.push(bytes);
        }
        self.buffers.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_buffer_that_fits_is_taken_and_there_are_no_more_than_configured() {
        let buffers = Buffers::new(&TransferConfig {
            num_pools: 3,
            num_buffers_per_pool: 1,
            first_buffer_size: 10,
            buffer_size_multiplier: 3,
        });
        let lent = [11, 11, 1000].map(|len| buffers.take(len));
        assert_eq!(lent.each_ref().map(|lent| lent.len()), [30, 90, 10]);
        let [second, _third, _first] = lent;
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| buffers.take(1).len());
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!waits.is_finished());
            drop(second);
            assert_eq!(waits.join().expect("no panic"), 30);
        });
    }
}
