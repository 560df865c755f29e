//! The files that the demo stores.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::exit::Failure;

/// At most this many files, and this many bytes in all and in one.
const FILES_MAX: usize = 400;
const BYTES_MAX: u64 = 8 << 20;
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Names longer than this are left out.
const NAME_BYTES_MAX: usize = 120;
/// With fewer files each is stored several times under numbered names, so that there is something to interrupt.
const REGIONS_MIN: usize = 32;

/// A file, or one of its copies.
#[derive(Clone, Debug)]
pub struct Item {
    /// The region's name: the path below the input directory, with `#2` and so on for copies.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What is stored.
#[derive(Debug)]
pub struct Input {
    /// Where it came from.
    pub directory: PathBuf,
    /// Distinct files.
    pub files: usize,
    /// Files left out: empty, too large, too many, unreadable, or with too long a name.
    pub left_out: usize,
    /// Everything that is stored.
    pub items: Vec<Item>,
}

impl Input {
    /// Bytes of all items.
    pub fn bytes(&self) -> u64 {
        self.items.iter().map(|item| item.bytes.len() as u64).sum()
    }
}

/// The project's own files where they are still there, else the current directory.
pub fn default_directory() -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match project.canonicalize() {
        Ok(project) if project.join("Cargo.toml").is_file() => project,
        _ => PathBuf::from("."),
    }
}

/// Reads the files below `directory`, in order of their names; `.git`, `target` and links are skipped.
pub fn read(directory: &Path) -> Result<Input, Failure> {
    let mut paths = Vec::new();
    walk(directory, &mut paths)?;
    paths.sort();
    let mut input = Input {
        directory: directory.to_path_buf(),
        files: 0,
        left_out: 0,
        items: Vec::new(),
    };
    let mut total = 0;
    for path in paths {
        let name = path.strip_prefix(directory).unwrap_or(&path);
        let name = name.to_string_lossy().into_owned();
        let len = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let fits = len > 0
            && len <= FILE_BYTES_MAX
            && total + len <= BYTES_MAX
            && input.items.len() < FILES_MAX
            && name.len() <= NAME_BYTES_MAX;
        let bytes = if fits { fs::read(&path).ok() } else { None };
        match bytes {
            Some(bytes) if !bytes.is_empty() => {
                total += bytes.len() as u64;
                input.items.push(Item { name, bytes });
            }
            _ => input.left_out += 1,
        }
    }
    input.files = input.items.len();
    if input.files == 0 {
        return Err(Failure::usage(format_args!(
            "{}: no file to store; name a directory with files of 1 byte to 1 MiB by --input",
            directory.display()
        )));
    }
    for copy in 2..=REGIONS_MIN.div_ceil(input.files) {
        for index in 0..input.files {
            let Item { name, bytes } = input.items[index].clone();
            let name = format!("{name}#{copy}");
            input.items.push(Item { name, bytes });
        }
    }
    Ok(input)
}

fn walk(directory: &Path, into: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::io(
            format_args!("{}: cannot list the directory", directory.display()),
            &error,
        )
    };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let skipped = entry.file_name() == ".git" || entry.file_name() == "target";
        if kind.is_dir() && !skipped {
            walk(&entry.path(), into)?;
        } else if kind.is_file() {
            into.push(entry.path());
        }
    }
    Ok(())
}

/// Writes the items to one file, so that every process of the demo sees the same bytes: a line of JSON, then the bytes.
pub fn pack(items: &[Item], path: &Path) -> io::Result<()> {
    let index: Vec<Value> = items
        .iter()
        .map(|item| json!([item.name, item.bytes.len()]))
        .collect();
    let mut file = io::BufWriter::new(fs::File::create(path)?);
    writeln!(file, "{}", Value::from(index))?;
    for item in items {
        file.write_all(&item.bytes)?;
    }
    file.flush()
}

/// Reads what [`pack`] wrote.
pub fn unpack(path: &Path) -> io::Result<Vec<Item>> {
    let mut file = BufReader::new(fs::File::open(path)?);
    let mut line = String::new();
    file.read_line(&mut line)?;
    let index: Vec<(String, usize)> = match serde_json::from_str(&line)? {
        Value::Array(entries) => entries.iter().filter_map(entry).collect(),
        _ => Vec::new(),
    };
    let mut items = Vec::new();
    for (name, len) in index {
        let mut bytes = vec![0; len];
        file.read_exact(&mut bytes)?;
        items.push(Item { name, bytes });
    }
    Ok(items)
}

fn entry(value: &Value) -> Option<(String, usize)> {
    let name = value.get(0)?.as_str()?.to_string();
    let len = usize::try_from(value.get(1)?.as_u64()?).ok()?;
    Some((name, len))
}
