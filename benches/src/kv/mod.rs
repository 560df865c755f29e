//! Key-value stores side by side: ours, and those behind the feature `stores`.
//!
//! | module | holds |
//! |---|---|
//! | [`cost`] | what our store asks of the medium |
//! | [`ours`] | our store on a pool |
//! | [`peers`] | LMDB, redb, fjall and SQLite through their public interfaces; none without the feature |
//! | [`ycsb`] | the shapes A to F of the Yahoo! Cloud Serving Benchmark |
//! | [`rows`] | the rows of the comparison |

use std::path::Path;

pub mod cost;
pub mod ours;
#[cfg(feature = "stores")]
pub mod peers;
pub mod rows;
pub mod ycsb;

/// Keys have 16 bytes.
pub const KEY_BYTES: usize = 16;
/// Values have 100 bytes.
pub const VALUE_BYTES: usize = 100;

/// A key.
pub type Key = [u8; KEY_BYTES];

/// The key of this number: neighbours in number are nowhere near in order.
pub fn key(number: u64) -> Key {
    let mut key = [0; KEY_BYTES];
    key[..8].copy_from_slice(&mixed(number).to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

/// A number with its bits mixed; no two have the same.
pub fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// What a store promises when a commit returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Ours: durable in memory that counts as persistent, one wait. Peers: the page cache has it, which is less.
    Memory,
    /// A sync of the file has returned.
    Synced,
}

/// What rows ask of a store. A failure ends the run: nothing here is full or poisoned.
pub trait KeyValue: Sync {
    /// What the column says.
    fn name(&self) -> &'static str;

    /// One entry in a commit of its own.
    fn put(&self, key: &Key, value: &[u8]);

    /// All of `keys` with one value in one commit.
    fn put_all(&self, keys: &[Key], value: &[u8]);

    /// Reads into `into`; answers whether the key is there.
    fn get(&self, key: &Key, into: &mut Vec<u8>) -> bool;

    /// Goes over `count` entries from `key` on; answers the sum of their lengths, so that none is left out.
    fn scan(&self, key: &Key, count: usize) -> usize;
}

/// A store that rows can make or open in a folder of its own.
#[derive(Clone, Copy, Debug)]
pub struct Store {
    /// The name of its folder.
    pub folder: &'static str,
    /// Makes it, or opens what is there.
    pub open: fn(&Path, Promise) -> Box<dyn KeyValue>,
}

/// Ours.
pub const OURS: Store = Store {
    folder: "everline",
    open: ours::open,
};

/// Every peer that was built.
pub fn peers() -> Vec<Store> {
    #[cfg(feature = "stores")]
    return vec![peers::LMDB, peers::FJALL, peers::REDB, peers::SQLITE];
    #[cfg(not(feature = "stores"))]
    Vec::new()
}

/// Puts `count` entries.
pub fn load(store: &dyn KeyValue, count: u64) {
    const AT_ONCE: u64 = 1000;
    for first in (0..count).step_by(AT_ONCE as usize) {
        let keys: Vec<Key> = (first..count.min(first + AT_ONCE)).map(key).collect();
        store.put_all(&keys, &[0x5a; VALUE_BYTES]);
    }
}
