//! The volatile side of the directory: which name leads to which slot, and which slots are free (R4).

use std::collections::HashMap;

use everline::media::Media;

use crate::RegionError;
use crate::directory::{self, Tail, View};

/// Built at the first need; whoever holds its lock may change the directory (R5).
#[derive(Debug, Default)]
pub(crate) struct Index {
    built: Option<Built>,
}

#[derive(Debug, Default)]
pub(crate) struct Built {
    names: HashMap<String, u32>,
    /// Free slots, the lowest last.
    free: Vec<u32>,
}

/// One change of the index by a batch that has not been committed, so that it can be taken back.
#[derive(Debug)]
pub(crate) enum Step {
    /// It was built from what the batch sees.
    Built,
    Named(String),
    Unnamed(String, u32),
    Taken(u32),
    Freed,
    /// Slots were added where none was free.
    Grown,
}

impl Index {
    /// The index, built from `view` if need be. Cost: reads the whole directory, once an open.
    pub fn get<M: Media>(
        &mut self,
        view: &impl View<M>,
    ) -> Result<(&mut Built, bool), RegionError<M::SyncError>> {
        let fresh = self.built.is_none();
        if fresh {
            self.built = Some(Built::read(view)?);
        }
        let built = self.built.get_or_insert_default();
        Ok((built, fresh))
    }

    /// The index, if it is built.
    pub fn known(&mut self) -> Option<&mut Built> {
        self.built.as_mut()
    }

    /// Takes `steps` back, newest first.
    pub fn roll_back(&mut self, steps: impl DoubleEndedIterator<Item = Step>) {
        for step in steps.rev() {
            let Some(built) = &mut self.built else {
                return;
            };
            match step {
                Step::Built => self.built = None,
                Step::Named(name) => {
                    built.names.remove(&name);
                }
                Step::Unnamed(name, slot) => {
                    built.names.insert(name, slot);
                }
                Step::Taken(slot) => built.free.push(slot),
                Step::Freed => {
                    built.free.pop();
                }
                Step::Grown => built.free.clear(),
            }
        }
    }
}

impl Built {
    fn read<M: Media>(view: &impl View<M>) -> Result<Self, RegionError<M::SyncError>> {
        let mut built = Built::default();
        let mut fault = None;
        directory::for_each(view, |slot, found| match found {
            Ok(found) if found.entry.is_live() => match Tail::read(view, slot, &found.entry) {
                Ok(tail) if tail.name().is_empty() => {}
                Ok(tail) => drop(built.names.insert(tail.name().to_owned(), slot)),
                Err(error) => {
                    fault.get_or_insert(error);
                }
            },
            Ok(found) if found.entry.generation.get() < u32::MAX => built.free.push(slot),
            // keeps R3: the slot's generations are used up
            Ok(_) => {}
            Err(error) => {
                fault.get_or_insert(error);
            }
        })?;
        built.free.reverse();
        fault.map_or(Ok(built), Err)
    }

    pub fn slot_of(&self, name: &str) -> Option<u32> {
        self.names.get(name).copied()
    }

    pub fn add_name(&mut self, name: &str, slot: u32) -> Step {
        self.names.insert(name.to_owned(), slot);
        Step::Named(name.to_owned())
    }

    pub fn remove_name(&mut self, name: &str) -> Option<Step> {
        let (name, slot) = self.names.remove_entry(name)?;
        Some(Step::Unnamed(name, slot))
    }

    pub fn take_slot(&mut self) -> Option<(u32, Step)> {
        let slot = self.free.pop()?;
        Some((slot, Step::Taken(slot)))
    }

    pub fn free_slot(&mut self, slot: u32) -> Step {
        self.free.push(slot);
        Step::Freed
    }

    /// Adds slots `[first, first + count)`, none being free.
    pub fn add_slots(&mut self, first: u32, count: u64) -> Step {
        self.free.extend(
            (0..count)
                .rev()
                .filter_map(|index| u32::try_from(u64::from(first) + index).ok()),
        );
        Step::Grown
    }
}
