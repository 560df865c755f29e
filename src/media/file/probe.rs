//! What a path, its file system and this CPU really give: the facts behind `doctor` and behind every open.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};

use everline_arch::FlushKind;

use super::place::{self, Device, Mount};
use super::plan::{Class, Facts, PlatformDomain};
use super::temporary::Temporary;
use super::{FileError, FileOptions, names, sys};
use crate::media::Durability;

const SYSFS: &str = "/sys";
const MOUNTINFO: &str = "/proc/self/mountinfo";

/// What a pool at a path would get, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathReport {
    /// The path examined: the one asked for, or the nearest directory above it that exists.
    pub path: PathBuf,
    /// The file system's name: `ext4`, `tmpfs`, `fuse.sshfs` …
    pub file_system: String,
    /// Where it is mounted; empty where the system does not tell.
    pub mount_point: PathBuf,
    /// Its mount options, joined by commas; empty where the system does not tell.
    pub mount_options: String,
    /// Whether an open without `allow_foreign_fs` is refused here.
    pub foreign: bool,
    /// Whether the kernel grants `MAP_SYNC`.
    pub map_sync: bool,
    /// The platform's persistence domain, as sysfs spells it, for persistent memory that says.
    pub persistence_domain: Option<&'static str>,
    /// The CPU's write-back instruction, whether or not it is of use here.
    pub flush_instruction: &'static str,
    /// What a pool here gets.
    pub durability: Durability,
    /// What to change to get more.
    pub advice: String,
}

/// Everything learnt about the place of an open file.
pub(super) struct Survey {
    pub(super) facts: Facts,
    pub(super) file_system: &'static str,
    device: Device,
    mount: Mount,
}

/// Surveys the place of `file`, which is open under `path`. Maps a page of it for a moment, if it is a regular file.
pub(super) fn survey(file: &File, path: &Path, assume: bool) -> Result<Survey, FileError> {
    if let Some(Err(error)) = FlushKind::forced() {
        return Err(FileError::ForcedFlush { error });
    }
    let magic =
        sys::file_system_magic(file).map_err(FileError::sys("look up the file system", path))?;
    let (file_system, class) = place::kind_of(magic);
    let metadata = file.metadata().map_err(FileError::io("look up", path))?;
    let (major, minor) = (sys::major(metadata.dev()), sys::minor(metadata.dev()));
    let device = place::device_of(Path::new(SYSFS), major, minor);
    let mount = mount_of(path);
    let in_memory = device.in_memory || (file_system == "overlay" && upper_is_in_memory(&mount));
    Ok(Survey {
        facts: Facts {
            class: if in_memory { Class::Memory } else { class },
            map_sync: metadata.is_file() && sys::grants_map_sync(file),
            platform: device.platform,
            instruction: FlushKind::detect(),
            assume_persistent: assume,
        },
        file_system,
        device,
        mount,
    })
}

impl Survey {
    /// Refuses what the caller's options do not allow.
    pub(super) fn admit(&self, path: &Path, options: &FileOptions) -> Result<(), FileError> {
        if self.facts.class == Class::Foreign && !options.allow_foreign_fs {
            return Err(FileError::ForeignFileSystem {
                path: path.to_path_buf(),
                name: self.file_system,
            });
        }
        let found = self.facts.plan().durability;
        match options.require {
            Some(required) if found.domain < required => Err(FileError::DomainUnmet {
                path: path.to_path_buf(),
                required,
                found,
            }),
            _ => Ok(()),
        }
    }
}

fn mount_of(path: &Path) -> Mount {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let text = fs::read_to_string(MOUNTINFO).unwrap_or_default();
    place::mount_of(&text, &real).unwrap_or_default()
}

/// Whether an overlay keeps its changes in memory, as far as its upper directory can be seen from here.
fn upper_is_in_memory(mount: &Mount) -> bool {
    let magic = mount
        .option("upperdir")
        .and_then(|upper| File::open(upper).ok())
        .and_then(|upper| sys::file_system_magic(&upper).ok());
    magic.is_some_and(|magic| place::kind_of(magic).1 == Class::Memory)
}

/// Examines `path`: a pool file, a directory, or a name that does not exist yet. Stores nothing to an existing
/// file and takes no lock; in a directory a nameless or short-lived file is made to ask for `MAP_SYNC`.
///
/// Errors: the path cannot be read, or the directory cannot be written.
pub fn durability_of(path: &Path) -> Result<PathReport, FileError> {
    let wanted = names::resolve(&names::absolute(path)?);
    let (examined, survey) = if wanted.is_file() {
        let file = File::open(&wanted).map_err(FileError::io("open", &wanted))?;
        let survey = survey(&file, &wanted, false)?;
        (wanted, survey)
    } else {
        let directory = names::nearest_directory(&wanted);
        let temporary = Temporary::create(&directory.join("doctor"))?;
        temporary
            .file()
            .set_len(sys::page_bytes())
            .map_err(FileError::io("extend", &directory))?;
        let survey = survey(temporary.file(), &directory, false)?;
        (directory, survey)
    };
    Ok(report(examined, &survey))
}

fn report(path: PathBuf, survey: &Survey) -> PathReport {
    let facts = &survey.facts;
    let plan = facts.plan();
    let mut advice = facts.advice(survey.device.persistent_memory).to_string();
    if survey.mount.option("nobarrier").is_some() || survey.mount.option("barrier") == Some("0") {
        advice.push_str(
            "; the mount option nobarrier lets the device lose what it has accepted: remove it",
        );
    }
    PathReport {
        path,
        // The magic number cannot tell ext2 from ext4 or one FUSE from another; mountinfo can.
        file_system: match survey.mount.file_system.as_str() {
            "" => survey.file_system.to_string(),
            exact => exact.to_string(),
        },
        mount_point: survey.mount.point.clone(),
        mount_options: survey.mount.options.clone(),
        foreign: facts.class == Class::Foreign,
        map_sync: facts.map_sync,
        persistence_domain: facts.platform.map(|platform| match platform {
            PlatformDomain::MemoryController => "memory_controller",
            PlatformDomain::CpuCache => "cpu_cache",
        }),
        flush_instruction: facts.instruction.name(),
        durability: plan.durability,
        advice,
    }
}
