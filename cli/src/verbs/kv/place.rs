//! Which keyspace of which pool, how keys are typed, and how the store is opened.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use everline::media::Errno;
use everline::media::preserve::Preserved;
use everline_kv::module::bytes;
use everline_kv::{KvError, Space, Store, StoreOptions};
use everline_region::TargetMedia;

use crate::args::Global;
use crate::exit::Failure;
use crate::open::{Pool, for_reading, for_writing};

/// What keeps the bytes of a store that a verb has opened.
pub type Medium = Preserved<TargetMedia>;

/// A keyspace of a pool.
#[derive(Debug, Args)]
pub struct Place {
    /// The pool's file, or the directory that holds its pool.pmem
    pub pool: PathBuf,
    /// The keyspace; the one without a name where none is given
    #[arg(long, value_name = "NAME", default_value = "")]
    pub space: String,
    /// Keys and values that are typed or printed are hexadecimal digits; standard input is bytes all the same
    #[arg(long)]
    pub hex: bool,
}

impl Place {
    /// The bytes of a key or value as it was typed.
    pub fn typed(&self, word: &OsStr) -> Result<Vec<u8>, Failure> {
        bytes_of(word, self.hex)
    }

    /// Bytes as a person reads them.
    pub fn shown(&self, bytes: &[u8]) -> String {
        match self.hex {
            true => bytes::to_hex(bytes),
            false => bytes.escape_ascii().to_string(),
        }
    }

    /// Opens the store without changing a byte of the file, and does `work` in the keyspace.
    pub fn look<R>(
        &self,
        global: &Global,
        work: impl FnOnce(&Opened) -> Result<R, KvError<Errno>>,
    ) -> Result<R, Failure> {
        look_at(&self.pool, global, work)
    }

    /// Opens the store for writing, does `work`, and closes it, whatever became of the work.
    pub fn change<R>(
        &self,
        global: &Global,
        work: impl FnOnce(&Opened) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        with_store(&self.pool, global, work)
    }
}

/// The bytes of a key or value as it was typed: as they are, or in hexadecimal digits.
pub fn bytes_of(word: &OsStr, hex: bool) -> Result<Vec<u8>, Failure> {
    if !hex {
        return Ok(word.as_encoded_bytes().to_vec());
    }
    let digits = word.to_str().and_then(bytes::from_hex);
    digits.ok_or_else(|| {
        let word = word.to_string_lossy();
        Failure::usage(format!(
            "\"{word}\" is not hexadecimal: write two digits for each byte, or leave --hex out"
        ))
    })
}

/// Opens the store of a pool without changing a byte of the file, and does `work`.
pub fn look_at<R>(
    pool: &Path,
    global: &Global,
    work: impl FnOnce(&Opened) -> Result<R, KvError<Errno>>,
) -> Result<R, Failure> {
    let (pool, _place) = for_reading(pool, global)?;
    let opened = Opened::new(pool)?;
    let seen = opened.tell(work(&opened))?;
    opened.pool.target.still_whole()?;
    Ok(seen)
}

/// Opens the store of a pool for writing, does `work`, and closes it, whatever became of the work.
pub fn with_store<R>(
    pool: &Path,
    global: &Global,
    work: impl FnOnce(&Opened) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let opened = Opened::new(for_writing(pool, global)?)?;
    let done = work(&opened);
    let closed = opened.store.close();
    let Opened { pool, store } = opened;
    drop(store);
    let path = pool.path.display().to_string();
    pool.target.close()?;
    let done = done?;
    closed.map_err(|error| Failure::from(error).at(path))?;
    Ok(done)
}

/// The bytes that were typed, or standard input where none were.
pub fn value_or_input(place: &Place, typed: Option<&OsString>) -> Result<Vec<u8>, Failure> {
    use std::io::Read;

    if let Some(word) = typed {
        return place.typed(word);
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io("cannot read standard input", &error))?;
    Ok(bytes)
}

/// A store that is open, and its pool.
pub struct Opened {
    /// The pool underneath.
    pub pool: Pool,
    /// The store.
    pub store: Store<Medium>,
}

impl Opened {
    fn new(pool: Pool) -> Result<Self, Failure> {
        let options = StoreOptions {
            recovery_time: pool.target.report().recovering,
            ..StoreOptions::default()
        };
        let store = Store::open(Arc::clone(pool.target.regions()), &options);
        let store = store.map_err(|error| Failure::from(error).at(pool.path.display()))?;
        Ok(Opened { pool, store })
    }

    /// The pool's path, for answers.
    pub fn path(&self) -> String {
        self.pool.path.display().to_string()
    }

    /// The keyspace of this name, made where it is missing.
    pub fn space_or_new(&self, name: &str) -> Result<Space<Medium>, Failure> {
        let space = match self.store.space(name) {
            Err(KvError::NoSuchSpace { .. }) => self.store.create_space(name),
            found => found,
        };
        self.tell(space)
    }

    /// An outcome with the pool's path in front of what went wrong.
    pub fn tell<R>(&self, outcome: Result<R, KvError<Errno>>) -> Result<R, Failure> {
        outcome.map_err(|error| Failure::from(error).at(self.path()))
    }
}
