//! The catalogue: which keyspaces there are.
//!
//! ```text
//! root slot 1 ─▶ catalogue: a tree    name ─▶ place of the keyspace's tree, 8 bytes little-endian
//!                                     0xFF place ─▶ the same: a keyspace that is being dropped
//! ```
//!
//! A name is UTF-8, which has no byte 0xFF. To drop a keyspace its entry becomes one of the second kind, in one commit; its
//! tree is then freed some thousand keys at a time, and the entry goes with the last of them. An opening goes on where a
//! crash has left that.

use std::ops::Bound;
use std::sync::Arc;

use everline::layout::{Corrupt, RootSlot};
use everline::media::Media;
use everline::tree::{Chunk, Tree, TreeEdit, TreeOptions, Value, Versions};
use everline::units::ByteOffset;
use everline_region::Regions;

use crate::KvError;
use crate::core::{Core, Outcome, Writer};
use crate::space_state::{DEFAULT_NAME, SpaceState, Spaces};

/// Bytes of the longest name of a keyspace.
pub const SPACE_NAME_BYTES_MAX: usize = 255;

/// The first byte of an entry whose keyspace is being dropped.
const DROPPED: u8 = 0xFF;

/// Keys of a dropped keyspace that one transaction frees.
const FREED_AT_ONCE: usize = 4096;

/// The catalogue of the pool and its keyspaces; a new one where there is none.
pub(crate) fn open<M: Media>(
    regions: &Regions<M>,
    options: &TreeOptions,
) -> Outcome<(Tree, Spaces), M> {
    let place = regions.engine().root(RootSlot::KEYS);
    if place == ByteOffset::ZERO {
        return create(regions, options);
    }
    let engine = regions.engine();
    let catalogue = Tree::open(engine, place)?;
    let mut spaces = Spaces::default();
    let mut corrupt = None;
    each_entry(regions, &catalogue, |key, value| {
        if key.first() == Some(&DROPPED) {
            return Ok(());
        }
        match (std::str::from_utf8(key), place_of(value)) {
            (Ok(name), Some(place)) => drop(spaces.add(name, Tree::open(engine, place)?)),
            _ => {
                corrupt = Some(Corrupt::new(
                    catalogue.place(),
                    "an entry of the catalogue of keyspaces is none",
                ))
            }
        }
        Ok(())
    })?;
    match corrupt {
        Some(corrupt) => Err(corrupt.into()),
        None => Ok((catalogue, spaces)),
    }
}

/// A catalogue with the default keyspace.
fn create<M: Media>(regions: &Regions<M>, options: &TreeOptions) -> Outcome<(Tree, Spaces), M> {
    if regions.engine().is_read_only() {
        return Err(KvError::NoStore);
    }
    let mut tx = regions.begin()?;
    let mut edit = TreeEdit::new();
    let catalogue = Tree::create(&mut tx, options)?;
    let tree = Tree::create(&mut tx, options)?;
    edit.put(
        &mut tx,
        &catalogue,
        DEFAULT_NAME.as_bytes(),
        &bytes_of(tree.place()),
    )?;
    tx.set_root(RootSlot::KEYS, catalogue.place())?;
    edit.stage(&mut tx)?;
    tx.commit()?;
    let mut spaces = Spaces::default();
    spaces.add(DEFAULT_NAME, tree);
    Ok((catalogue, spaces))
}

/// The default keyspace is made with the catalogue and never dropped.
pub(crate) fn no_default(catalogue: &Tree) -> Corrupt {
    Corrupt::new(
        catalogue.place(),
        "the catalogue of keyspaces has no default one",
    )
}

/// Visits every entry; nobody changes the catalogue meanwhile.
pub(crate) fn each_entry<M: Media>(
    regions: &Regions<M>,
    catalogue: &Tree,
    mut visit: impl FnMut(&[u8], &[u8]) -> Outcome<(), M>,
) -> Outcome<(), M> {
    let quiet = Versions::new(1);
    let reader = catalogue.reader(regions.engine(), &quiet);
    let mut chunk = Chunk::default();
    let mut from = Some(Vec::new());
    while let Some(lower) = from {
        reader.chunk_from(Bound::Included(&lower), &mut chunk)?;
        for index in 0..chunk.len() {
            let (key, value) = chunk.entry(index);
            let value = match value {
                Value::Inline(value) => value,
                Value::Big(_) => &[],
            };
            visit(key, value)?;
        }
        from = chunk.upper().map(<[u8]>::to_vec);
    }
    Ok(())
}

pub(crate) fn place_of(value: &[u8]) -> Option<ByteOffset> {
    let bytes = value.try_into().ok()?;
    Some(ByteOffset::new(u64::from_le_bytes(bytes)))
}

fn bytes_of(place: ByteOffset) -> [u8; 8] {
    place.get().to_le_bytes()
}

/// The key under which a tree that is being dropped is found.
fn dropped_key(place: ByteOffset) -> [u8; 9] {
    let mut key = [DROPPED; 9];
    key[1..].copy_from_slice(&place.get().to_be_bytes());
    key
}

fn check_name<E: std::error::Error + 'static>(name: &str) -> Result<(), KvError<E>> {
    let reason = if name.is_empty() {
        "that is the default keyspace's, which is always there"
    } else if name.len() > SPACE_NAME_BYTES_MAX {
        "it has more than 255 bytes"
    } else if name.chars().any(char::is_control) {
        "it holds a control character"
    } else {
        return Ok(());
    };
    Err(KvError::BadSpaceName {
        name: name.to_owned(),
        reason,
    })
}

impl<M: Media> Core<M> {
    /// Runs `work` with nobody else committing, and nothing waiting in the window.
    pub fn alone<R>(&self, work: impl FnOnce(&mut Writer) -> Outcome<R, M>) -> Outcome<R, M> {
        let mut writer = self.writer();
        let _order = match &self.window {
            Some(window) => {
                let order = window.lock();
                self.flush_with(window, &mut writer)?;
                Some(order)
            }
            None => None,
        };
        work(&mut writer)
    }

    pub fn create_space(&self, name: &str) -> Outcome<Arc<SpaceState>, M> {
        check_name(name)?;
        self.alone(|writer| {
            if self.spaces.read().get(name).is_some() {
                return Err(KvError::SpaceExists {
                    name: name.to_owned(),
                });
            }
            let mut tx = self.begin_tx()?;
            let Writer {
                edit, catalogue, ..
            } = writer;
            let made = Tree::create(&mut tx, &self.tree_options).and_then(|tree| {
                edit.put(&mut tx, catalogue, name.as_bytes(), &bytes_of(tree.place()))?;
                Ok(tree)
            });
            match made {
                Ok(tree) => {
                    self.commit_edit(edit, tx, || {})?;
                    self.limit_log();
                    Ok(self.spaces.write().add(name, tree))
                }
                Err(error) => {
                    drop(tx);
                    edit.clear();
                    Err(error.into())
                }
            }
        })
    }

    pub fn drop_space(&self, name: &str) -> Outcome<(), M> {
        check_name(name)?;
        self.alone(|writer| {
            let state = match self.spaces.read().get(name) {
                Some(state) => Arc::clone(state),
                None => {
                    return Err(KvError::NoSuchSpace {
                        name: name.to_owned(),
                    });
                }
            };
            let place = state.tree.place();
            let mut tx = self.begin_tx()?;
            let Writer {
                edit, catalogue, ..
            } = writer;
            let moved = edit
                .remove(&mut tx, catalogue, name.as_bytes())
                .and_then(|_| edit.put(&mut tx, catalogue, &dropped_key(place), &bytes_of(place)));
            if let Err(error) = moved {
                drop(tx);
                edit.clear();
                return Err(error.into());
            }
            self.commit_edit(edit, tx, || state.set_dropped())?;
            self.spaces.write().remove(name);
            self.limit_log();
            // The keyspace is gone, whatever comes: what is not freed now is freed by the next opening.
            let _rest = self.free_tree(writer, &state.tree);
            Ok(())
        })
    }

    /// Frees a tree whose entry says that it is being dropped, and then the entry.
    fn free_tree(&self, writer: &mut Writer, tree: &Tree) -> Outcome<(), M> {
        let mut most = FREED_AT_ONCE;
        loop {
            let mut tx = self.begin_tx()?;
            let Writer {
                edit, catalogue, ..
            } = &mut *writer;
            let freed = edit.drop_tree(&mut tx, tree, most).and_then(|done| {
                if done {
                    edit.remove(&mut tx, catalogue, &dropped_key(tree.place()))?;
                }
                Ok(done)
            });
            let outcome = match freed {
                Ok(done) => self.commit_edit(edit, tx, || {}).map(|_| done),
                Err(error) => {
                    drop(tx);
                    edit.clear();
                    Err(error.into())
                }
            };
            self.limit_log();
            match outcome {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // Fewer at a time need less log.
                Err(KvError::LogFull { .. }) if most > 1 => most /= 4,
                Err(error) => return Err(error),
            }
        }
    }

    /// Goes on with what a crash has left of dropped keyspaces.
    pub fn finish_drops(&self) -> Outcome<(), M> {
        if self.engine().is_read_only() {
            return Ok(());
        }
        let mut writer = self.writer();
        let mut places = Vec::new();
        each_entry(&self.regions, &writer.catalogue, |key, value| {
            if key.first() == Some(&DROPPED) {
                places.extend(place_of(value));
            }
            Ok(())
        })?;
        for place in places {
            let tree = Tree::open(self.engine(), place)?;
            self.free_tree(&mut writer, &tree)?;
        }
        Ok(())
    }
}
