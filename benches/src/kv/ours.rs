//! Our store on a pool in one file.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use everline::engine::{CreateOptions, FileConfig, Identity, OpenOptions, create_file, open_file};
use everline::media::file::{FileMedia, FileOptions};
use everline_kv::{Direction, Store, StoreOptions};
use everline_region::Regions;

use super::{Key, KeyValue, Promise};

/// Bytes of the pool; entries take a fifth of it.
const POOL_BYTES: u64 = 1 << 30;
/// Bytes of the pool on the disk, where a few entries lie.
const POOL_BYTES_ON_DISK: u64 = 64 << 20;

struct Ours {
    store: Store<FileMedia>,
    promise: Promise,
}

/// Makes or opens it: memory that counts as persistent, every page touched before; or a file that commits sync.
pub fn open(directory: &Path, promise: Promise) -> Box<dyn KeyValue> {
    let path = directory.join("entries.pmem");
    let in_memory = promise == Promise::Memory;
    let file = FileOptions {
        assume_persistent: in_memory,
        prefault: in_memory && !path.exists(),
        ..FileOptions::default()
    };
    if !path.exists() {
        let options = CreateOptions {
            len: Some(if in_memory {
                POOL_BYTES
            } else {
                POOL_BYTES_ON_DISK
            }),
            identity: Identity::random().expect("random numbers"),
            ..CreateOptions::default()
        };
        let config = FileConfig {
            file: file.clone(),
            reserve: true,
            overwrite: false,
        };
        let (made, _) = create_file(&path, &options, &config).expect("room for a pool");
        drop(made);
    }
    let (engine, _) = open_file(&path, &OpenOptions::default(), &file).expect("a pool");
    let regions = Regions::open(engine).expect("a directory of regions");
    let store = Store::open(Arc::new(regions), &StoreOptions::default()).expect("a store");
    Box::new(Ours { store, promise })
}

impl KeyValue for Ours {
    fn name(&self) -> &'static str {
        match self.promise {
            Promise::Memory => "everline, one wait",
            Promise::Synced => "everline, synced",
        }
    }

    fn put(&self, key: &Key, value: &[u8]) {
        self.store.put(key, value).expect("room");
    }

    fn put_all(&self, keys: &[Key], value: &[u8]) {
        let tx = self.store.begin().expect("open");
        for key in keys {
            tx.put(key, value).expect("open");
        }
        tx.commit().expect("room, and nobody else writes");
    }

    fn get(&self, key: &Key, into: &mut Vec<u8>) -> bool {
        self.store.get_into(key, into).expect("no damage")
    }

    fn scan(&self, key: &Key, count: usize) -> usize {
        let range = (Bound::Included(key.as_slice()), Bound::Unbounded);
        let mut entries = self.store.scan::<&[u8]>(range, Direction::Forward);
        let mut sum = 0;
        for _ in 0..count {
            let Some((key, value)) = entries.next_entry().expect("no damage") else {
                break;
            };
            std::hint::black_box(value.last());
            sum += key.len() + value.len();
        }
        sum
    }
}
