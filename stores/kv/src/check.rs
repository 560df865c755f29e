//! Whether everything that the store has in the pool is right, and which objects of the pool are its own.

use std::collections::HashSet;

use everline::layout::RootSlot;
use everline::media::Media;
use everline::tree::{Tree, TreeCheck};
use everline::units::{ByteOffset, ByteRange};
use everline_region::{OrphanReport, Regions};

use crate::catalogue::{each_entry, place_of};
use crate::core::Outcome;
use crate::{KvError, Store};

/// What a check found.
#[derive(Clone, Debug)]
pub struct StoreCheck<E: std::error::Error + 'static> {
    /// Keyspaces by name with what was seen of their trees, in order; those that are damaged are missing.
    pub spaces: Vec<(String, TreeCheck)>,
    /// What cannot be right, with the keyspace's name; empty for the default one and for the catalogue.
    pub problems: Vec<(String, KvError<E>)>,
}

impl<E: std::error::Error + 'static> StoreCheck<E> {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Verifies every node, record and value of the store in the pool of `regions`, and visits every object that it owns.
/// Nobody may change the store meanwhile. Works without an open store, for check and repair. A pool without a store is clean.
pub fn check_pool<M: Media>(
    regions: &Regions<M>,
    visit: &mut dyn FnMut(ByteRange),
) -> StoreCheck<M::SyncError> {
    let mut check = StoreCheck {
        spaces: Vec::new(),
        problems: Vec::new(),
    };
    let engine = regions.engine();
    let place = engine.root(RootSlot::KEYS);
    if place == ByteOffset::ZERO {
        return check;
    }
    let mut trees = Vec::new();
    let walked = Tree::open(engine, place)
        .map_err(KvError::from)
        .and_then(|catalogue| {
            catalogue.check(engine, visit)?;
            each_entry(regions, &catalogue, |name, value| {
                let name = String::from_utf8_lossy(name).into_owned();
                trees.push((name, place_of(value)));
                Ok(())
            })
        });
    if let Err(error) = walked {
        check.problems.push((String::new(), error));
    }
    for (name, place) in trees {
        let place = place.unwrap_or(ByteOffset::ZERO);
        let tree = Tree::open(engine, place);
        match tree.and_then(|tree| tree.check(engine, visit)) {
            Ok(seen) => check.spaces.push((name, seen)),
            Err(error) => check.problems.push((name, error.into())),
        }
    }
    check
}

impl<M: Media> Store<M> {
    /// Verifies every node, record and value of every keyspace. Commits wait meanwhile. Errors: the store is closed; what is
    /// wrong stands in the answer. Cost: reads the whole store, no wait.
    pub fn check(&self) -> Outcome<StoreCheck<M::SyncError>, M> {
        self.core().serving()?;
        let _still = self.core().writer();
        Ok(check_pool(self.regions(), &mut |_| {}))
    }

    /// Live objects of the pool that nothing leads to, neither a region nor a key; where the pool has other roots in use
    /// too, they count as theirs. Commits wait meanwhile. Errors: the store is damaged, so that nobody knows what it owns.
    pub fn orphans(&self) -> Outcome<OrphanReport, M> {
        self.core().serving()?;
        let _still = self.core().writer();
        let own = own_objects(self.regions())?;
        let mut trace =
            |tell: &mut dyn FnMut(ByteOffset)| own.iter().flatten().for_each(|at| tell(*at));
        Ok(self.regions().orphans(own.is_some().then_some(&mut trace)))
    }

    /// Frees what [`Store::orphans`] lists. Errors, cost and crash: as of [`Regions::free_orphans`].
    pub fn free_orphans(&self) -> Outcome<OrphanReport, M> {
        self.core().serving()?;
        let _still = self.core().writer();
        let own = own_objects(self.regions())?;
        let mut trace =
            |tell: &mut dyn FnMut(ByteOffset)| own.iter().flatten().for_each(|at| tell(*at));
        Ok(self
            .regions()
            .free_orphans(own.is_some().then_some(&mut trace))?)
    }
}

/// Where the objects of the store in the pool of `regions` begin, for [`Regions::orphans`]; `None` where somebody else than
/// regions and keys has a root in the pool, so that they are not all that live objects can belong to. Nobody may change the
/// store meanwhile.
///
/// Errors: the store is damaged, so that nobody knows what it owns.
pub fn own_objects<M: Media>(regions: &Regions<M>) -> Outcome<Option<HashSet<ByteOffset>>, M> {
    let engine = regions.engine();
    let mut others = (0..48).filter_map(RootSlot::user).chain([RootSlot::OBJECT]);
    if others.any(|slot| engine.root(slot) != ByteOffset::ZERO) {
        return Ok(None);
    }
    let mut own = HashSet::new();
    let check = check_pool(regions, &mut |object| {
        own.insert(object.start());
    });
    match check.problems.into_iter().next() {
        None => Ok(Some(own)),
        Some((_, error)) => Err(error),
    }
}
