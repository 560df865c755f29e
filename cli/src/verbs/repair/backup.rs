//! The copy of a pool's file that is made before anything in it is changed.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::exit::{Code, Failure};

/// Names beside the pool that are tried.
const NAMES_MAX: u32 = 10_000;

/// Copies the file at `pool`, durably, to `wanted` or to the first free name beside it. Nothing is ever overwritten.
pub fn make(pool: &Path, wanted: Option<&Path>) -> Result<PathBuf, Failure> {
    let (path, file) = match wanted {
        Some(path) => (path.to_path_buf(), new(path)?),
        None => beside(pool)?,
    };
    let copied = copy(pool, file, &path);
    copied.map_err(|error| {
        Failure::io(
            format_args!("cannot copy the pool to {}", path.display()),
            &error,
        )
    })?;
    Ok(path)
}

fn new(path: &Path) -> Result<File, Failure> {
    let made = OpenOptions::new().write(true).create_new(true).open(path);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let what = "there is a file of this name already: choose another one for the copy";
            Failure::new(Code::Io, "already_exists", what).at(path.display())
        }
        _ => Failure::io(path.display(), &error),
    })
}

fn beside(pool: &Path) -> Result<(PathBuf, File), Failure> {
    for number in 1..=NAMES_MAX {
        let mut name = pool.as_os_str().to_owned();
        name.push(format!(".backup-{number}"));
        let path = PathBuf::from(name);
        match new(&path) {
            Err(failure) if failure.kind == "already_exists" => {}
            made => return Ok((path, made?)),
        }
    }
    let what = "there are too many copies already: remove some of them";
    Err(Failure::new(Code::Io, "already_exists", what).at(pool.display()))
}

/// The copy is durable, and its name too, before anybody changes the pool.
fn copy(pool: &Path, mut into: File, path: &Path) -> io::Result<()> {
    io::copy(&mut File::open(pool)?, &mut into)?;
    into.sync_all()?;
    match path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        Some(parent) => File::open(parent)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}
