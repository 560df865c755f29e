//! Reads the superblock and refuses what this code cannot serve, before a byte is changed (O4).

use zerocopy::IntoBytes;

use super::create::superblock_range;
use super::{Flaw, OpenError, Pool};
use crate::layout::{
    CopyError, Corrupt, FORMAT_VERSION, Geometry, Incompat, LayoutName, POOL_BYTES_MIN, RoCompat,
    Superblock,
};
use crate::media::{Checksum, Domain, Media};
use crate::units::ByteOffset;

/// What the caller takes for granted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expectation {
    /// The application's layout name, if it matters.
    pub layout: Option<LayoutName>,
    /// The weakest durability domain that will do.
    pub require: Option<Domain>,
    /// Nothing will be written.
    pub read_only: bool,
}

/// Feeds one copy to [`Superblock::parse`].
struct Copy {
    at: ByteOffset,
    bytes: [u8; size_of::<Superblock>()],
    fed: usize,
}

impl Copy {
    fn new(at: ByteOffset) -> Self {
        Copy {
            at,
            bytes: [0; size_of::<Superblock>()],
            fed: 0,
        }
    }

    fn parse(&self) -> Result<Superblock, CopyError> {
        Superblock::parse(&self.bytes, self.at)
    }
}

impl Checksum for Copy {
    fn reset(&mut self) {
        self.fed = 0;
    }

    fn update(&mut self, bytes: &[u8]) {
        self.bytes[self.fed..self.fed + bytes.len()].copy_from_slice(bytes);
        self.fed += bytes.len();
    }

    fn matches(&self) -> bool {
        self.parse().is_ok()
    }
}

pub(super) fn copy_at<M: Media>(media: &M, at: ByteOffset) -> Result<Superblock, CopyError> {
    let mut copy = Copy::new(at);
    media.verify(superblock_range(at), &mut copy);
    copy.parse()
}

/// Opens the pool on `media`.
///
/// Errors: everything in [`OpenError`] but `Sync` and `Space`; no byte was changed. Cost: no wait.
pub fn open<M: Media>(media: M, expect: &Expectation) -> Result<Pool<M>, OpenError<M::SyncError>> {
    let len = media.len().get();
    if len < POOL_BYTES_MIN {
        return Err(OpenError::TooShort { len });
    }
    let (superblock, flawed_copy) = choose(Superblock::AT.map(|at| copy_at(&media, at)))?;
    let incompat = superblock.incompat.get() & !Incompat::all().bits();
    let ro_compat = superblock.ro_compat.get() & !RoCompat::all().bits();
    if incompat != 0 || (ro_compat != 0 && !expect.read_only) {
        return Err(OpenError::Features {
            incompat,
            ro_compat,
        });
    }
    if let Some(wanted) = expect.layout {
        let found = superblock.layout_name();
        if found != wanted {
            return Err(OpenError::LayoutMismatch { found, wanted });
        }
    }
    let geometry = Geometry::of(&superblock).map_err(|_| {
        Corrupt::new(
            Superblock::AT[0],
            "the superblock describes an impossible geometry",
        )
    })?;
    if len < geometry.len() {
        return Err(OpenError::Truncated {
            pool: geometry.len(),
            medium: len,
        });
    }
    let found = media.durability();
    match expect.require {
        Some(required) if found.domain < required => {
            return Err(OpenError::DomainUnmet { required, found });
        }
        _ => {}
    }
    Ok(Pool::assemble(media, geometry, superblock, flawed_copy))
}

/// The copy that counts, and which of the two is flawed, and how.
type Chosen = (Superblock, Option<(usize, Flaw)>);

/// Which copy counts, and what is wrong with the other one (O2).
fn choose<E: core::error::Error>(
    copies: [Result<Superblock, CopyError>; 2],
) -> Result<Chosen, OpenError<E>> {
    match copies {
        [Ok(a), Ok(b)] => {
            let (newer, older) = if b.generation.get() > a.generation.get() {
                (b, (0, &a))
            } else {
                (a, (1, &b))
            };
            let (copy, other) = older;
            let flaw = if other.is_before(&newer) {
                Some((copy, Flaw::Older))
            } else if other.as_bytes() != newer.as_bytes() {
                Some((copy, Flaw::Damaged))
            } else {
                None
            };
            Ok((newer, flaw))
        }
        [Ok(a), Err(_)] => Ok((a, Some((1, Flaw::Damaged)))),
        [Err(_), Ok(b)] => Ok((b, Some((0, Flaw::Damaged)))),
        [
            Err(CopyError::NotASuperblock(_)),
            Err(CopyError::Corrupt(corrupt)),
        ] => Err(corrupt.into()),
        [Err(a), Err(_)] => Err(match a {
            CopyError::NotASuperblock(found) => OpenError::NotAPool { found },
            CopyError::OtherEndian => OpenError::OtherEndian,
            CopyError::Version { found } => OpenError::Version {
                found,
                newest: FORMAT_VERSION,
            },
            CopyError::Corrupt(corrupt) => corrupt.into(),
        }),
    }
}
