//! The note beside a pool that is being moved: which of two copies is the pool (D3).
//!
//! ```text
//! <source>.migrating   {"destination": "/where/it/goes", "pool_id": "32 hexadecimal digits"}
//! ```
//!
//! | found | the source |
//! |---|---|
//! | no note, or one about another pool | serves |
//! | a note, and at its destination that pool | says where the pool is |
//! | a note, and anything else there | serves, without the note: it goes when the absence is durable |

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use everline::layout::PoolId;
use everline::media::Media;
use everline::media::file::FileError;
use everline::media::io::{Access, Disk, FileIo, IoMedia, NewFile, publish};
use everline::pool::{self, Expectation};
use everline::units::ByteOffset;
use serde_json::{Value, json};

use super::ImageError;

/// More than any path has; a longer note is none of ours.
const LEN_MAX: usize = 64 << 10;

/// What a note says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub destination: PathBuf,
    pub pool_id: PoolId,
}

/// Where the note of the pool at `source` is.
pub fn note_path(source: &Path) -> PathBuf {
    let mut name = OsString::from(source.file_name().unwrap_or_default());
    name.push(".migrating");
    source.with_file_name(name)
}

/// Whether the pool on `media`, which was found at `path`, may serve from there. Whoever `writes` removes a note that is
/// out of date. For whoever opens a pool's file, after it is locked and before it is recovered.
///
/// Errors: [`ImageError::Migrated`], [`ImageError::Note`]. Cost: one lookup where there is no note. Crash: the note is
/// there or not, and leads to the same answer.
pub fn admit<D: Disk>(
    disk: &D,
    path: &Path,
    media: &impl Media,
    writes: bool,
) -> Result<(), ImageError> {
    let Some(note) = read(disk, path)? else {
        return Ok(());
    };
    let Some(pool_id) = pool_on(media) else {
        return Ok(()); // no pool: whoever opens it will say so
    };
    if pool_id == note.pool_id && is_at(disk, &note.destination, &pool_id)? {
        return Err(ImageError::Migrated {
            path: path.to_path_buf(),
            to: note.destination,
        });
    }
    if !writes {
        return Ok(());
    }
    believe_absence(disk, &note.destination)?;
    remove(disk, path)
}

/// Makes durable that the pool is not at `path`: a removal may be visible only, and without the note both would serve
/// should the name come back.
fn believe_absence<D: Disk>(disk: &D, path: &Path) -> Result<(), ImageError> {
    for directory in path.ancestors().skip(1) {
        if disk.names_in(directory)?.is_some() {
            return Ok(disk.sync_directory(directory)?);
        }
    }
    Ok(())
}

/// The identity of the pool on `media`, if there is one.
fn pool_on(media: &impl Media) -> Option<PoolId> {
    let expect = Expectation {
        read_only: true,
        ..Expectation::default()
    };
    let pool = pool::open(media, &expect).ok()?;
    Some(*pool.id())
}

/// Whether the pool `pool_id` is at `path`.
fn is_at<D: Disk>(disk: &D, path: &Path, pool_id: &PoolId) -> Result<bool, ImageError> {
    match pool_at(disk, path) {
        // Somebody has it open: that it is a pool was found out by whoever did.
        Err(ImageError::File(FileError::Busy { .. })) => Ok(true),
        found => Ok(found?.as_ref() == Some(pool_id)),
    }
}

/// The identity of the pool at `path`, if there is one.
///
/// Errors: somebody has the file open; it cannot be read, and then what it is cannot be known.
pub(super) fn pool_at<D: Disk>(disk: &D, path: &Path) -> Result<Option<PoolId>, ImageError> {
    let file = match disk.open(path, Access::Read) {
        Ok(file) => file,
        Err(
            FileError::NotFound { .. } | FileError::TooShort { .. } | FileError::NotAFile { .. },
        ) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let media =
        IoMedia::private(&file).map_err(|errno| ImageError::errno("look up", path, errno))?;
    let found = pool_on(&media);
    if !media.intact() {
        let path = path.to_path_buf();
        return Err(FileError::Lost { path }.into());
    }
    Ok(found)
}

/// Removes the note beside a place where no pool is, if there is one: it tells where a pool went from there, and would
/// speak against the one that comes.
pub(super) fn forget<D: Disk>(disk: &D, place: &Path) -> Result<(), ImageError> {
    if !disk.exists(&note_path(place))? {
        return Ok(());
    }
    believe_absence(disk, place)?;
    remove(disk, place)
}

fn read<D: Disk>(disk: &D, source: &Path) -> Result<Option<Note>, ImageError> {
    let path = note_path(source);
    if !disk.exists(&path)? {
        return Ok(None);
    }
    let file = disk.open(&path, Access::Read)?;
    let mut bytes = vec![0; LEN_MAX];
    let count = file
        .read_at(ByteOffset::ZERO, &mut bytes)
        .map_err(|errno| ImageError::errno("read", &path, errno))?;
    let text = std::str::from_utf8(&bytes[..count]).unwrap_or_default();
    let note = Value::from_str(text).ok().and_then(|value| parse(&value));
    note.map(Some).ok_or_else(|| ImageError::Note {
        path,
        reason: "this is no note of ours".to_owned(),
    })
}

fn parse(value: &Value) -> Option<Note> {
    let number = u128::from_str_radix(value.get("pool_id")?.as_str()?, 16).ok()?;
    Some(Note {
        destination: value.get("destination")?.as_str()?.into(),
        pool_id: number.to_be_bytes(),
    })
}

/// Leaves `note` beside `source`, durably.
pub(super) fn write<D: Disk>(disk: &D, source: &Path, note: &Note) -> Result<(), ImageError> {
    let path = note_path(source);
    let Some(destination) = note.destination.to_str() else {
        return Err(ImageError::Note {
            path: note.destination.clone(),
            reason: "a path that is not text cannot be noted".to_owned(),
        });
    };
    let pool_id = format!("{:032x}", u128::from_be_bytes(note.pool_id));
    let text = json!({"destination": destination, "pool_id": pool_id}).to_string();
    let new = disk.create(&path)?;
    new.file()
        .write_at(ByteOffset::ZERO, text.as_bytes())
        .map_err(|errno| ImageError::errno("write", &path, errno))?;
    drop(publish(disk, new, &path, true)?);
    Ok(())
}

/// Removes the note beside `source`, if there is one, durably.
pub(super) fn remove<D: Disk>(disk: &D, source: &Path) -> Result<(), ImageError> {
    let path = note_path(source);
    if disk.exists(&path)? {
        disk.remove(&path)?;
    }
    // Also where it is gone already: perhaps only from sight.
    Ok(disk.sync_directory(path.parent().unwrap_or(Path::new("/")))?)
}
