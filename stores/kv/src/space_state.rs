//! A keyspace as all its handles share it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use everline::tree::{Tree, TreeError};

use crate::KvError;

/// The name of the keyspace that is always there.
pub(crate) const DEFAULT_NAME: &str = "";

/// What is known of an open keyspace.
#[derive(Debug)]
pub(crate) struct SpaceState {
    /// Volatile; never used again while the store is open.
    pub id: u32,
    pub name: String,
    pub tree: Tree,
    dropped: AtomicBool,
}

impl SpaceState {
    /// Whether the keyspace is still there; asked behind a read, it also says that what was read was the keyspace's.
    #[inline]
    pub fn alive<E: std::error::Error + 'static>(&self) -> Result<(), KvError<E>> {
        // Acquire: what was read before this stays before it; pairs with the release in `set_dropped` (K7).
        fence(Ordering::Acquire);
        match self.dropped.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err(KvError::NoSuchSpace {
                name: self.name.clone(),
            }),
        }
    }

    /// What was read of the keyspace, if that is still there. Of a dropped one the blocks are somebody else's by now: what
    /// looks like a value or like damage in them is neither (K7).
    #[inline]
    pub fn still<T, E: std::error::Error + 'static>(
        &self,
        read: Result<T, TreeError<E>>,
    ) -> Result<T, KvError<E>> {
        self.alive()?;
        Ok(read?)
    }

    /// The keyspace is gone; its blocks are freed only after that.
    pub fn set_dropped(&self) {
        self.dropped.store(true, Ordering::Relaxed);
        fence(Ordering::Release); // pairs with the fence in `alive`
    }
}

/// The keyspaces of a store.
#[derive(Debug, Default)]
pub(crate) struct Spaces {
    by_name: BTreeMap<String, Arc<SpaceState>>,
    next_id: u32,
}

impl Spaces {
    pub fn add(&mut self, name: &str, tree: Tree) -> Arc<SpaceState> {
        let state = Arc::new(SpaceState {
            id: self.next_id,
            name: name.to_owned(),
            tree,
            dropped: AtomicBool::new(false),
        });
        self.next_id += 1;
        self.by_name.insert(name.to_owned(), Arc::clone(&state));
        state
    }

    pub fn get(&self, name: &str) -> Option<&Arc<SpaceState>> {
        self.by_name.get(name)
    }

    pub fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<SpaceState>> {
        self.by_name.values()
    }
}
