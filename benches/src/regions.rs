//! A pool with one large region, and the operations on regions that are counted and timed on it.

use everline::engine::Engine;
use everline::media::Media;
use everline_region::{RegionError, RegionId, RegionOptions, Regions};

/// Bytes that writes and reads are spread over: far more than caches hold, as `COPY_BYTES` in `shim/pmdk.c`.
pub const REGION_BYTES: u64 = 64 << 20;
/// Ranges lie so far apart, as the peer's do.
const APART_BYTES: u64 = 256;
/// The longest value that is written or read at once.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// The outcome of an operation.
pub type Outcome<M> = Result<(), RegionError<<M as Media>::SyncError>>;

/// Open regions, one of them of `bytes` bytes that were all written once.
#[derive(Debug)]
pub struct RegionBench<M: Media> {
    /// The regions.
    pub regions: Regions<M>,
    id: RegionId,
    /// The one made last, for operations that change more than bytes.
    kept: RegionId,
    bytes: u64,
    at: u64,
    value: Box<[u8]>,
    target: Box<[u8]>,
}

impl<M: Media> RegionBench<M> {
    /// Makes the region.
    pub fn new(engine: Engine<M>, bytes: u64) -> Result<Self, RegionError<M::SyncError>> {
        let regions = Regions::open(engine)?;
        let id = regions.create(bytes, &RegionOptions::default())?;
        let mut bench = RegionBench {
            regions,
            id,
            kept: id,
            bytes,
            at: 0,
            value: vec![0x5a; VALUE_BYTES_MAX].into(),
            target: vec![0; VALUE_BYTES_MAX].into(),
        };
        for _ in 0..bytes.div_ceil(VALUE_BYTES_MAX as u64) {
            bench.write(VALUE_BYTES_MAX as u64)?;
        }
        bench.regions.engine().checkpoint()?;
        Ok(bench)
    }

    #[inline]
    fn next(&mut self, len: u64) -> u64 {
        let stride = len.next_multiple_of(APART_BYTES);
        if self.at + stride > self.bytes {
            self.at = 0;
        }
        let at = self.at;
        self.at += stride;
        at
    }

    /// A durable write of `len` bytes.
    #[inline]
    pub fn write(&mut self, len: u64) -> Outcome<M> {
        let at = self.next(len);
        self.regions.write(self.id, at, &self.value[..len as usize])
    }

    /// A read of `len` bytes.
    #[inline]
    pub fn read(&mut self, len: u64) -> Outcome<M> {
        let at = self.next(len);
        let into = &mut self.target[..len as usize];
        self.regions.read(self.id, at, into)?;
        std::hint::black_box(into);
        Ok(())
    }

    /// A durable write of `len` bytes, all of it or nothing.
    #[inline]
    pub fn write_atomic(&mut self, len: u64) -> Outcome<M> {
        let at = self.next(len);
        let bytes = &self.value[..len as usize];
        self.regions.write_atomic(self.id, at, bytes)
    }

    /// A durable write of `len` bytes of a region that the log speaks of.
    pub fn write_behind_atomic(&mut self, len: u64) -> Outcome<M> {
        let bytes = &self.value[..len as usize];
        self.regions.write(self.id, 0, bytes)
    }

    /// Makes `len` bytes durable that were written before.
    #[inline]
    pub fn persist(&mut self, len: u64) -> Outcome<M> {
        let at = self.next(len);
        self.regions.persist(self.id, at, len)
    }

    /// A new region of `len` zeros.
    #[inline]
    pub fn create(&mut self, len: u64) -> Result<RegionId, RegionError<M::SyncError>> {
        self.regions.create(len, &RegionOptions::default())
    }

    /// A new region with `len` bytes.
    #[inline]
    pub fn create_with(&mut self, len: u64) -> Result<RegionId, RegionError<M::SyncError>> {
        let bytes = &self.value[..len as usize];
        self.regions.create_with(bytes, &RegionOptions::default())
    }

    /// Stores `len` bytes that are not durable yet where the next [`RegionBench::persist`] of as many will look.
    pub fn volatile(&mut self, len: u64) -> Outcome<M> {
        let at = self.next(len);
        self.at = at;
        let bytes = &self.value[..len as usize];
        self.regions.write_volatile(self.id, at, bytes)
    }

    /// Makes the region of `len` zeros that the operations below work on.
    pub fn keep_new(&mut self, len: u64) -> Outcome<M> {
        self.kept = self.create(len)?;
        Ok(())
    }

    /// The first write to it.
    pub fn write_kept(&mut self, len: u64) -> Outcome<M> {
        self.regions
            .write(self.kept, 0, &self.value[..len as usize])
    }

    /// Another length for it.
    pub fn resize_kept(&mut self, len: u64) -> Outcome<M> {
        self.regions.resize(self.kept, len)
    }

    /// A second region like it.
    pub fn copy_kept(&mut self) -> Outcome<M> {
        self.regions.copy(self.kept).map(|_id| ())
    }

    /// Its end.
    pub fn destroy_kept(&mut self) -> Outcome<M> {
        self.regions.destroy(self.kept)
    }

    /// A region with a name and `len` bytes, in place of one that has the name.
    pub fn put(&mut self, len: u64) -> Outcome<M> {
        let bytes = &self.value[..len as usize];
        self.kept = self.regions.put("a name", bytes)?;
        Ok(())
    }

    /// Another name for it.
    pub fn rename(&mut self) -> Outcome<M> {
        self.regions.rename(self.kept, "another name")
    }

    /// `len` bytes of attributes for it.
    pub fn set_attributes(&mut self, len: u64) -> Outcome<M> {
        let bytes = &self.value[..len as usize];
        self.regions.set_attributes(self.kept, bytes)
    }
}
