//! A copy of a pool whose source stays gets an identity, and its regions identifiers, of its own.
//!
//! Everything in the directory is sealed with the pool's identity: root, entries, names, maps and tables. Places are
//! the same in source and copy, so each is read through the source, as the pool it was, and stored to the copy anew.
//! The copy has no name yet: after a power cut nobody finds what is half done.

use everline::engine::{self, AdoptError, Engine, Identity};
use everline::layout::{ChunkSum, DirectoryRoot, MapWord, PoolId, RegionTail, SumWord};
use everline::media::io::{FileIo, IoMedia};
use everline::media::{Errno, Media};
use everline::units::{ByteLen, ByteOffset, ByteRange, LineRange};

use super::ImageError;
use crate::chunks::{Chunks, map_bytes, sum};
use crate::directory::{self, Found, Tail, behind};
use crate::id::IdParts;
use crate::{RegionError, RegionId, Regions};

/// Identifiers before and after, of each region.
pub type Renamed = Vec<(RegionId, RegionId)>;

/// Gives the copy of the pool of `source` in `file` the identity `identity`; nobody uses either meanwhile.
pub(super) fn adopt<M: Media, F: FileIo>(
    source: &Regions<M>,
    file: &F,
    identity: &Identity,
) -> Result<Renamed, ImageError> {
    let media = IoMedia::new(file, None).map_err(|errno| failed(&errno))?;
    engine::adopt(&media, identity).map_err(|error: AdoptError<Errno>| failed(&error))?;
    let mut reseal = Reseal {
        source,
        media: &media,
        identity,
        renamed: Renamed::new(),
    };
    reseal.root().map_err(|error| failed(&error))?;
    reseal.entries().map_err(|error| failed(&error))?;
    let renamed = reseal.renamed;
    media.fence().map_err(|errno| failed(&errno))?;
    Ok(renamed)
}

fn failed(error: &dyn std::error::Error) -> ImageError {
    ImageError::Source {
        reason: format!("its copy gets no identity of its own: {error}"),
    }
}

/// The namespace of a pool's regions.
fn namespace_of(pool_id: &PoolId) -> u32 {
    let [a, b, c, d, ..] = *pool_id;
    u32::from_le_bytes([a, b, c, d])
}

struct Reseal<'s, M: Media, F: FileIo> {
    source: &'s Regions<M>,
    media: &'s IoMedia<&'s F>,
    identity: &'s Identity,
    renamed: Renamed,
}

impl<M: Media, F: FileIo> Reseal<'_, M, F> {
    fn old(&self) -> &Engine<M> {
        self.source.engine()
    }

    fn put(&self, at: ByteOffset, bytes: &[u8]) {
        self.media.write(at, bytes);
        let range = ByteRange::new(at, ByteLen::of(bytes)).unwrap_or_default();
        self.media.flush(LineRange::covering(range));
    }

    fn root(&self) -> Result<(), RegionError<M::SyncError>> {
        if let Some((at, mut root)) = directory::root(self.old())? {
            let pool_id = &self.identity.pool_id;
            root.namespace = namespace_of(pool_id).into();
            root.set_live(root.live.get(), pool_id);
            root.seal(pool_id);
            self.put(behind(at, DirectoryRoot::HEAD_AT), root.head());
            self.put(behind(at, DirectoryRoot::COUNT_AT), root.count());
        }
        Ok(())
    }

    fn entries(&mut self) -> Result<(), RegionError<M::SyncError>> {
        let mut found = Vec::new();
        let mut fault = Ok(());
        directory::for_each(self.source.engine(), |slot, entry| match entry {
            // What was never used has no seal.
            Ok(entry) if entry.entry.crc.get() == 0 => {}
            Ok(entry) => found.push((slot, entry)),
            Err(error) => fault = Err(error),
        })?;
        fault?;
        found
            .into_iter()
            .try_for_each(|(slot, entry)| self.entry(slot, entry))
    }

    fn entry(&mut self, slot: u32, mut found: Found) -> Result<(), RegionError<M::SyncError>> {
        if found.entry.is_live() {
            self.tail(slot, &found)?;
            self.chunks(slot, &found)?;
            let generation = found.entry.generation.get();
            let parts = IdParts {
                namespace: namespace_of(&self.identity.pool_id),
                slot,
                generation,
            };
            let new = RegionId::seal(parts, &self.identity.key, &self.identity.pool_id);
            self.renamed
                .push((self.source.id_of(slot, generation), new));
        }
        found.entry.seal(&self.identity.pool_id, slot);
        self.put(found.at, found.entry.bytes());
        Ok(())
    }

    fn tail(&self, slot: u32, found: &Found) -> Result<(), RegionError<M::SyncError>> {
        if found.entry.tail() == 0 {
            return Ok(());
        }
        let tail = Tail::read(self.old(), slot, &found.entry)?;
        let mut bytes = [0; RegionTail::BYTES_MAX];
        let (name, attributes) = (tail.name().as_bytes(), tail.attributes());
        let pool_id = &self.identity.pool_id;
        let len = RegionTail::encode(name, attributes, pool_id, slot, &mut bytes);
        self.put(ByteOffset::new(found.entry.tail()), &bytes[..len]);
        Ok(())
    }

    fn chunks(&self, slot: u32, found: &Found) -> Result<(), RegionError<M::SyncError>> {
        let (entry, pool_id) = (&found.entry, &self.identity.pool_id);
        let chunks = Chunks::read(self.old(), slot, entry)?;
        for index in 0..map_bytes(entry) / 8 {
            let word = match &chunks {
                Chunks::Map(bits) => MapWord::encode(bits[index as usize], pool_id, slot, index).0,
                _ => {
                    let sum: ChunkSum = sum(self.old(), slot, entry, index)?;
                    SumWord::encode(sum, pool_id, slot, index).0
                }
            };
            let at = behind(ByteOffset::new(entry.map().0), 8 * index);
            self.put(at, &word.to_le_bytes());
        }
        Ok(())
    }
}
