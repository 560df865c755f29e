//! What the demo does to a pool, the same under SIGKILL on a file and under power cuts in the laboratory.
//!
//! | way | transaction that is shown | a crash leaves |
//! |---|---|---|
//! | undo | a region of zeros is there; snapshot it, store the file's bytes in place, commit | zeros, or the file |
//! | staged | region, name and bytes in one commit | nothing, or the file |

use everline::media::Media;
use everline::units::{ByteLen, ByteRange};
use everline_region::{RegionError, Regions};

/// How a file's bytes get into its region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Before-image first, then stores in place.
    Undo,
    /// Everything in the commit record, or durable before it.
    Staged,
}

impl Way {
    /// Files take turns.
    pub fn of(index: usize) -> Self {
        if index.is_multiple_of(2) {
            Way::Undo
        } else {
            Way::Staged
        }
    }

    /// The word that reports use.
    pub fn name(self) -> &'static str {
        match self {
            Way::Undo => "undo",
            Way::Staged => "staged",
        }
    }
}

/// Where in its work [`store`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// About to run the staged transaction.
    Staged,
    /// Inside the undo transaction: before-image durable, bytes stored in place, not committed.
    InPlace,
}

/// What a pool holds of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No region of that name.
    Absent,
    /// The file, every byte.
    Whole,
    /// Zeros as long as the file: the undo way's first state.
    Blank,
    /// Anything else: what no crash may leave.
    Torn,
}

/// Stores `bytes` as the region `name`; they are durable when this returns. Goes on where a crash left off.
pub fn store<M: Media>(
    regions: &Regions<M>,
    way: Way,
    name: &str,
    bytes: &[u8],
    mut at: impl FnMut(Moment),
) -> Result<(), RegionError<M::SyncError>> {
    if way == Way::Staged {
        at(Moment::Staged);
        return regions.put(name, bytes).map(drop);
    }
    let id = match regions.by_name(name)? {
        Some(id) => id,
        None => regions.put(name, &vec![0; bytes.len()])?,
    };
    let home = ByteRange::new(regions.info(id)?.at, ByteLen::of(bytes)).unwrap_or_default();
    let mut tx = regions.engine().begin()?;
    tx.snapshot(&[home])?.store(home.start(), bytes)?;
    at(Moment::InPlace);
    tx.commit()?;
    Ok(())
}

/// What is there of the file `name`.
pub fn look<M: Media>(
    regions: &Regions<M>,
    name: &str,
    bytes: &[u8],
) -> Result<Found, RegionError<M::SyncError>> {
    let Some(id) = regions.by_name(name)? else {
        return Ok(Found::Absent);
    };
    let found = regions.read_all(id)?;
    Ok(if found == bytes {
        Found::Whole
    } else if found.len() == bytes.len() && found.iter().all(|byte| *byte == 0) {
        Found::Blank
    } else {
        Found::Torn
    })
}

/// Whether a crash may leave this of a file.
pub fn allowed(way: Way, found: Found, acknowledged: bool, begun: bool) -> bool {
    match found {
        Found::Whole => acknowledged || begun,
        Found::Blank => !acknowledged && begun && way == Way::Undo,
        Found::Absent => !acknowledged,
        Found::Torn => false,
    }
}
