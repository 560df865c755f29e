//! Operations on the bytes of regions, and what can be asked about them.

use everline::layout::EntryState;
use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange};

use crate::directory::{self, Found, behind};
use crate::{RegionError, RegionId, RegionInfo, RegionOptions, Regions};

impl<M: Media> Regions<M> {
    /// Makes a region of `len` zero bytes; its length never changes.
    ///
    /// Errors: [`RegionError::InvalidSize`] for no bytes, [`RegionError::NoSpace`], the name's own. Cost: two
    /// waits. Crash: the whole region with its name, or nothing.
    pub fn create(
        &self,
        len: u64,
        options: &RegionOptions<'_>,
    ) -> Result<RegionId, RegionError<M::SyncError>> {
        self.change(|batch| batch.create(len, options))
    }

    /// Makes a region that holds `data`, which may be empty. As [`Regions::create`].
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
    /// Errors: [`RegionError::NoSpace`] (while a region is replaced both need space), the name's own. Cost: two
    /// waits. Crash: the whole new region, or what was there before.
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

    /// Destroys the region and frees its space.
    ///
    /// Errors: [`RegionError::InvalidRegion`]. Cost: one wait. Crash: the whole region, or nothing of it.
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
        self.with(id, |_, _| Ok(())).is_ok()
    }

    /// What the region is. Errors: [`RegionError::InvalidRegion`].
    pub fn info(&self, id: RegionId) -> Result<RegionInfo, RegionError<M::SyncError>> {
        self.with(id, |slot, found| Ok(self.info_of(slot, found)))
    }

    /// Stores `bytes` into the region from `at` on; durable when it returns.
    ///
    /// Errors: [`RegionError::OutOfBounds`], nothing was touched; [`RegionError::InvalidRegion`]. Cost: one wait.
    /// Crash: before it returns, each aligned word of the range is old or new.
    pub fn write(
        &self,
        id: RegionId,
        at: u64,
        bytes: &[u8],
    ) -> Result<(), RegionError<M::SyncError>> {
        self.with(id, |_, found| {
            let range = inside(id, found, at, bytes.len() as u64)?;
            if range.is_empty() {
                return Ok(());
            }
            // keeps I6: no log record above the cut touches a region's block once its commit has covered it
            Ok(self.engine().write_durable(range.start(), bytes)?)
        })
    }

    /// Reads from the region from `at` on. Errors: [`RegionError::OutOfBounds`], [`RegionError::InvalidRegion`].
    pub fn read(
        &self,
        id: RegionId,
        at: u64,
        into: &mut [u8],
    ) -> Result<(), RegionError<M::SyncError>> {
        self.with(id, |_, found| {
            let range = inside(id, found, at, into.len() as u64)?;
            if range.is_empty() {
                return Ok(());
            }
            Ok(self.engine().read(range.start(), into)?)
        })
    }

    /// All bytes of the region. Errors: [`RegionError::InvalidRegion`].
    pub fn read_all(&self, id: RegionId) -> Result<Vec<u8>, RegionError<M::SyncError>> {
        self.with(id, |_, found| {
            let len = found.entry.len.get();
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
            if !bytes.is_empty() {
                let at = ByteOffset::new(found.entry.at.get());
                self.engine().read(at, &mut bytes)?;
            }
            Ok(bytes)
        })
    }

    /// Makes `len` bytes from `at` on durable as they are; [`Regions::write`] has done so already.
    ///
    /// Errors: [`RegionError::OutOfBounds`], [`RegionError::InvalidRegion`]. Cost: one wait.
    pub fn persist(
        &self,
        id: RegionId,
        at: u64,
        len: u64,
    ) -> Result<(), RegionError<M::SyncError>> {
        self.with(id, |_, found| {
            let range = inside(id, found, at, len)?;
            if range.is_empty() {
                return Ok(());
            }
            Ok(self.engine().persist(range)?)
        })
    }

    /// Every live region, in the order of their slots: one moment's state, whatever other threads change.
    pub fn list(&self) -> Result<Vec<RegionInfo>, RegionError<M::SyncError>> {
        self.in_service()?;
        let _still = self.lock_index();
        let mut list = Vec::new();
        let mut fault = None;
        directory::for_each(self.engine(), |slot, found| match found {
            Ok(found) if found.entry.state() == Some(EntryState::Live) => {
                list.push(self.info_of(slot, &found));
            }
            Ok(_) => {}
            Err(error) => {
                fault.get_or_insert(error);
            }
        })?;
        fault.map_or(Ok(list), Err)
    }

    /// Runs `work` on the live entry that `id` names, with its gate held (R5).
    fn with<R>(
        &self,
        id: RegionId,
        work: impl FnOnce(u32, &Found) -> Result<R, RegionError<M::SyncError>>,
    ) -> Result<R, RegionError<M::SyncError>> {
        let parts = self.parts(id)?;
        let _gate = self.gate(parts.slot);
        let found = self.find(self.engine(), id, parts)?;
        work(parts.slot, &found)
    }
}

/// Where `len` bytes at `at` of the region lie in the pool.
fn inside<E: std::error::Error + 'static>(
    id: RegionId,
    found: &Found,
    at: u64,
    len: u64,
) -> Result<ByteRange, RegionError<E>> {
    let region_len = found.entry.len.get();
    let out = RegionError::OutOfBounds {
        id,
        at,
        len,
        region_len,
    };
    match at.checked_add(len) {
        Some(end) if end <= region_len => {
            let start = behind(ByteOffset::new(found.entry.at.get()), at);
            ByteRange::new(start, ByteLen::new(len)).ok_or(out)
        }
        _ => Err(out),
    }
}
