//! Operations on whole regions, reads, and what can be asked about regions.

use everline::layout::DirectoryEntry;
use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange};

use crate::chunks::Grid;
use crate::directory::{self, Found, Tail};
use crate::open::Inside;
use crate::segments::Limit;
use crate::{RegionError, RegionId, RegionInfo, RegionOptions, Regions};

impl<M: Media> Regions<M> {
    /// Makes a region of `len` zero bytes. Its length changes with [`Regions::resize`] alone; that of a growable one,
    /// which may begin with no byte, also with its writes.
    ///
    /// Errors: [`RegionError::InvalidSize`] for no bytes, [`RegionError::NoSpace`], the name's own. Cost: one
    /// wait at any size, since the bytes are not touched; two where the directory grows by more than 4 KiB, or a
    /// checked region's table does. Crash: the whole region with its name, or nothing.
    pub fn create(
        &self,
        len: u64,
        options: &RegionOptions<'_>,
    ) -> Result<RegionId, RegionError<M::SyncError>> {
        self.change(|batch| batch.create(len, options))
    }

    /// Makes a region that holds `data`, which may be empty. Errors and crash: as of [`Regions::create`]; nothing of
    /// it is left where it fails. Cost: two waits, one without data.
    pub fn create_with(
        &self,
        data: &[u8],
        options: &RegionOptions<'_>,
    ) -> Result<RegionId, RegionError<M::SyncError>> {
        self.change(|batch| batch.create_with(data, options))
    }

    /// Makes the region `name` hold `data`: a new one, or in place of the one that has the name, whose
    /// identifier is then no longer valid.
    ///
    /// Errors: [`RegionError::NoSpace`] (while a region is replaced both need space), [`RegionError::InUse`], the
    /// name's own. Cost: two waits. Crash: the whole new region, or what was there before.
    pub fn put(&self, name: &str, data: &[u8]) -> Result<RegionId, RegionError<M::SyncError>> {
        self.change(|batch| batch.put(name, data))
    }

    /// Gives the region a name, in place of the one it may have.
    ///
    /// Errors: [`RegionError::AlreadyExists`], [`RegionError::InvalidRegion`], the name's own. Cost: one wait.
    /// Crash: the old name or the new one.
    pub fn rename(&self, id: RegionId, new: &str) -> Result<(), RegionError<M::SyncError>> {
        self.change(|batch| batch.rename(id, new))
    }

    /// Takes the region's name away; it can be reached by its identifier alone. As [`Regions::rename`].
    pub fn unname(&self, id: RegionId) -> Result<(), RegionError<M::SyncError>> {
        self.change(|batch| batch.unname(id))
    }

    /// Keeps up to 1,024 bytes beside the region that say what it is, in place of those it has.
    ///
    /// Errors: [`RegionError::AttributesTooLong`], [`RegionError::InvalidRegion`]. Cost: one wait. Crash: the old
    /// ones or the new ones.
    pub fn set_attributes(
        &self,
        id: RegionId,
        attributes: &[u8],
    ) -> Result<(), RegionError<M::SyncError>> {
        self.change(|batch| batch.set_attributes(id, attributes))
    }

    /// The region's attributes; empty for none. Errors: [`RegionError::InvalidRegion`]. Cost: no wait.
    pub fn attributes(&self, id: RegionId) -> Result<Vec<u8>, RegionError<M::SyncError>> {
        let inside = self.enter(id)?;
        let tail = Tail::read(self.engine(), inside.number, &inside.entry)?;
        Ok(tail.attributes().to_vec())
    }

    /// Destroys the region and frees its space.
    ///
    /// Errors: [`RegionError::InvalidRegion`], [`RegionError::InUse`]. Cost: one wait. Crash: the whole region, or
    /// nothing of it.
    pub fn destroy(&self, id: RegionId) -> Result<(), RegionError<M::SyncError>> {
        self.change(|batch| batch.destroy(id))
    }

    /// The region with this name. Errors: [`RegionError::NotFound`]. Cost: the first lookup after open reads the
    /// whole directory, no wait.
    pub fn by_name(&self, name: &str) -> Result<RegionId, RegionError<M::SyncError>> {
        self.in_service()?;
        let mut index = self.lock_index();
        let (built, _fresh) = index.get(self.engine())?;
        let not_found = || RegionError::NotFound {
            name: name.to_owned(),
        };
        let slot = built.slot_of(name).ok_or_else(not_found)?;
        let found = directory::entry(self.engine(), slot)?.ok_or_else(not_found)?;
        Ok(self.id_of(slot, found.entry.generation.get()))
    }

    /// Whether a live region has this identifier.
    pub fn exists(&self, id: RegionId) -> bool {
        self.enter(id).is_ok()
    }

    /// What the region is. Errors: [`RegionError::InvalidRegion`].
    pub fn info(&self, id: RegionId) -> Result<RegionInfo, RegionError<M::SyncError>> {
        let inside = self.enter(id)?;
        let found = Found {
            at: inside.entry_at,
            entry: inside.entry,
        };
        let tail = Tail::read(self.engine(), inside.number, &found.entry)?;
        self.info_of(inside.number, &found, &tail)
    }

    /// The region's bytes. Errors: [`RegionError::InvalidRegion`]. Cost: no wait, and nothing is read.
    pub fn size(&self, id: RegionId) -> Result<u64, RegionError<M::SyncError>> {
        Ok(self.enter(id)?.entry.len.get())
    }

    /// Reads from the region from `at` on. Errors: [`RegionError::OutOfBounds`], [`RegionError::InvalidRegion`].
    #[inline]
    pub fn read(
        &self,
        id: RegionId,
        at: u64,
        into: &mut [u8],
    ) -> Result<(), RegionError<M::SyncError>> {
        let inside = self.enter(id)?;
        inside.read_limit().check(id, at, into.len() as u64)?;
        self.read_inside(&inside, at, into)?;
        self.counters.read(into.len() as u64);
        Ok(())
    }

    /// All bytes of the region. Errors: [`RegionError::InvalidRegion`].
    pub fn read_all(&self, id: RegionId) -> Result<Vec<u8>, RegionError<M::SyncError>> {
        let inside = self.enter(id)?;
        let len = inside.entry.len.get();
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        self.read_inside(&inside, 0, &mut bytes)?;
        self.counters.read(len);
        Ok(bytes)
    }

    /// Reads what was found to lie in the region.
    #[inline]
    pub(crate) fn read_inside(
        &self,
        inside: &Inside<'_>,
        at: u64,
        into: &mut [u8],
    ) -> Result<(), RegionError<M::SyncError>> {
        if into.is_empty() {
            return Ok(());
        }
        if at + into.len() as u64 <= inside.ready {
            self.engine().read(inside.home(at), into)?;
        } else {
            self.read_mixed(inside, at, into)?;
        }
        self.intact()
    }

    /// Reads where not every chunk is the region's own (R8).
    #[cold]
    fn read_mixed(
        &self,
        inside: &Inside<'_>,
        at: u64,
        into: &mut [u8],
    ) -> Result<(), RegionError<M::SyncError>> {
        let grid = Grid::of(&inside.entry);
        let range = at..at + into.len() as u64;
        for index in grid.indices(&range) {
            let chunk = grid.range(index);
            let part = chunk.start.max(range.start)..chunk.end.min(range.end);
            let into = &mut into[(part.start - at) as usize..(part.end - at) as usize];
            match self.is_written(inside.number, &inside.entry, &inside.chunks, index)? {
                true => self.engine().read(inside.home(part.start), into)?,
                false => into.fill(0),
            }
        }
        Ok(())
    }

    /// Every live region, in the order of their slots: one moment's state of the directory, whatever other threads
    /// change.
    pub fn list(&self) -> Result<Vec<RegionInfo>, RegionError<M::SyncError>> {
        self.in_service()?;
        let _still = self.lock_all();
        let mut list = Vec::new();
        self.for_each_live(|slot, found, tail| {
            list.push(self.info_of(slot, found, tail)?);
            Ok(())
        })?;
        self.intact()?;
        Ok(list)
    }

    /// Visits every live region in the order of their slots, as [`Regions::list`] does, with nothing copied.
    ///
    /// `visit` must not call back into these regions. Cost: no wait; some 50 ns a region without a name.
    pub fn for_each(
        &self,
        mut visit: impl FnMut(&RegionEntry<'_, M>),
    ) -> Result<(), RegionError<M::SyncError>> {
        self.in_service()?;
        let _still = self.lock_index();
        self.for_each_live(|slot, found, tail| {
            visit(&RegionEntry {
                regions: self,
                slot,
                entry: &found.entry,
                tail,
            });
            Ok(())
        })
    }

    /// Visits every live entry; the index is locked.
    pub(crate) fn for_each_live(
        &self,
        mut visit: impl FnMut(u32, &Found, &Tail) -> Result<(), RegionError<M::SyncError>>,
    ) -> Result<(), RegionError<M::SyncError>> {
        let (mut fault, mut tail) = (None, Tail::none());
        directory::for_each(self.engine(), |slot, found| {
            let seen = found.and_then(|found| match found.entry.is_live() {
                true => {
                    tail.reread(self.engine(), slot, &found.entry)?;
                    visit(slot, &found, &tail)
                }
                false => Ok(()),
            });
            if let Err(error) = seen {
                fault.get_or_insert(error);
            }
        })?;
        fault.map_or(Ok(()), Err)
    }
}

impl crate::slots::Live {
    /// How far reads may reach.
    #[inline]
    pub fn read_limit(&self) -> Limit {
        Limit {
            len: self.entry.len.get(),
            grows: false,
        }
    }

    /// Where a range of the region lies in the pool.
    pub fn home_range(&self, at: u64, len: u64) -> ByteRange {
        ByteRange::new(self.home(at), ByteLen::new(len)).unwrap_or_default()
    }
}

/// A region as [`Regions::for_each`] shows it.
pub struct RegionEntry<'e, M: Media> {
    regions: &'e Regions<M>,
    slot: u32,
    entry: &'e DirectoryEntry,
    tail: &'e Tail,
}

impl<M: Media> RegionEntry<'_, M> {
    /// Its identifier.
    pub fn id(&self) -> RegionId {
        self.regions.id_of(self.slot, self.entry.generation.get())
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<&str> {
        Some(self.tail.name()).filter(|name| !name.is_empty())
    }

    /// Its attributes; empty for none.
    pub fn attributes(&self) -> &[u8] {
        self.tail.attributes()
    }

    /// Its bytes.
    #[allow(
        clippy::len_without_is_empty,
        reason = "a number beside others, not a collection"
    )]
    pub fn len(&self) -> u64 {
        self.entry.len.get()
    }

    /// Bytes of its block in the pool.
    pub fn capacity(&self) -> u64 {
        self.entry.block().1
    }

    /// Where its block begins in the pool; 0 for a region without bytes.
    pub fn at(&self) -> ByteOffset {
        ByteOffset::new(self.entry.block().0)
    }

    /// Seconds since 1970 at create; 0 where no clock was at hand.
    pub fn created_s(&self) -> u64 {
        self.entry.created_s.get().into()
    }

    /// Whether it grows with its writes.
    pub fn growable(&self) -> bool {
        self.entry.has(everline::layout::REGION_GROWABLE)
    }

    /// Whether it has checksums.
    pub fn checked(&self) -> bool {
        self.entry.has(everline::layout::REGION_CHECKED)
    }

    /// The alignment that was asked for; 1 for none.
    pub fn align(&self) -> u64 {
        self.entry.align().unwrap_or(1)
    }
}
