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

    /// A write of `len` bytes, all or nothing.
    #[inline]
    pub fn write_atomic(&mut self, len: u64) -> Outcome<M> {
        let at = self.next(len);
        self.regions
            .write_atomic(self.id, at, &self.value[..len as usize])
    }

    /// Another region of `len` bytes, none of which is stored.
    pub fn create(&mut self, len: u64) -> Outcome<M> {
        let made = self.regions.create(len, &RegionOptions::default());
        made.map(|_id| ())
    }

    /// Another region with `len` bytes.
    pub fn create_with(&mut self, len: u64) -> Outcome<M> {
        let data = &self.value[..len as usize];
        let made = self.regions.create_with(data, &RegionOptions::default());
        made.map(|_id| ())
    }

    /// The first write to a region of `len` bytes.
    pub fn touch(&mut self, len: u64) -> Outcome<M> {
        self.id = self.regions.create(len, &RegionOptions::default())?;
        (self.bytes, self.at) = (len, 0);
        self.write(64)
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
}
