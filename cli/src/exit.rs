//! Exit codes, and which error gets which.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | inconsistent: not a pool, damaged, not the pool that was meant |
//! | 2 | wrong usage |
//! | 3 | damaged and repairable |
//! | 4 | I/O: not found, no space, no rights, the device failed |
//! | 5 | locked by somebody else |
//! | 6 | the durability policy is not met |

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use everline::alloc::AllocError;
use everline::engine::FileEngineError;
use everline::media::SpaceError;
use everline::media::file::FileError;
use everline::pool::{CreateError, GrowError, OpenError};
use everline::tx::TxError;
use everline_kv::KvError;
use everline_region::transfer::ImageError;
use everline_region::{CopyError, RegionError, TargetError};
use serde_json::{Value, json};

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Done.
    Ok = 0,
    /// Not a pool, damaged, or not the pool that was meant.
    Inconsistent = 1,
    /// Wrong usage.
    Usage = 2,
    /// Damaged, or not recovered, in a way that an open for writing mends.
    Repairable = 3,
    /// The operating system or the device refused.
    Io = 4,
    /// Somebody else has it open.
    Locked = 5,
    /// The durability policy is not met.
    PolicyUnmet = 6,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        ExitCode::from(code as u8)
    }
}

/// Why a verb did not do its work: what, where, and what to do.
#[derive(Debug)]
pub struct Failure {
    /// How the command ends.
    pub code: Code,
    /// The same in a word, for programs.
    pub kind: &'static str,
    /// For a person.
    pub message: String,
}

impl Failure {
    /// A failure with a code, a word for it, and a sentence.
    pub fn new(code: Code, kind: &'static str, message: impl Display) -> Self {
        let message = message.to_string();
        Failure {
            code,
            kind,
            message,
        }
    }

    /// Wrong usage.
    pub fn usage(message: impl Display) -> Self {
        Self::new(Code::Usage, "usage", message)
    }

    /// The operating system refused `what`.
    pub fn io(what: impl Display, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => "not_found",
            io::ErrorKind::StorageFull => "no_space",
            io::ErrorKind::PermissionDenied => "permission",
            _ => "io",
        };
        Self::new(Code::Io, kind, format!("{what}: {error}"))
    }

    /// The object that `--json` prints.
    pub fn json(&self) -> Value {
        json!({"error": {"code": self.code as u8, "kind": self.kind, "message": self.message}})
    }

    /// The same with the place in front.
    pub fn at(self, place: impl Display) -> Self {
        Failure {
            message: format!("{place}: {}", self.message),
            ..self
        }
    }
}

impl From<FileEngineError> for Failure {
    fn from(error: FileEngineError) -> Self {
        match error {
            FileEngineError::File(error) => error.into(),
            FileEngineError::Create { path, error } => Failure::from(error).at(path),
            FileEngineError::Open { path, error } => Failure::from(error).at(path),
        }
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let (code, kind) = match &error {
            FileError::NotFound { .. } => (Code::Io, "not_found"),
            FileError::AlreadyExists { .. } => (Code::Io, "already_exists"),
            FileError::Busy { .. } => (Code::Locked, "busy"),
            FileError::NoSpace { .. } => (Code::Io, "no_space"),
            FileError::TooShort { .. } => (Code::Inconsistent, "too_short"),
            FileError::Permission { .. } => (Code::Io, "permission"),
            FileError::ForeignFileSystem { .. } => (Code::PolicyUnmet, "foreign_file_system"),
            FileError::DomainUnmet { .. } => (Code::PolicyUnmet, "domain_unmet"),
            FileError::NotAFile { .. } => (Code::Io, "not_a_file"),
            FileError::Truncated { .. } => (Code::Inconsistent, "truncated"),
            FileError::Unlinked { .. } => (Code::Io, "unlinked"),
            FileError::Lost { .. } => (Code::Io, "lost"),
            FileError::Forked { .. } => (Code::Io, "forked"),
            FileError::ForcedFlush { .. } => (Code::Usage, "forced_flush"),
            FileError::Io { .. } => (Code::Io, "io"),
        };
        Failure::new(code, kind, error)
    }
}

impl<E: std::error::Error + 'static> From<CreateError<E>> for Failure {
    fn from(error: CreateError<E>) -> Self {
        let (code, kind) = match &error {
            CreateError::Geometry(_) => (Code::Usage, "geometry"),
            CreateError::MediumTooShort { .. } => (Code::Io, "medium_too_short"),
            CreateError::Space(_) => (Code::Io, "no_space"),
            CreateError::Sync(_) => (Code::Io, "sync"),
            CreateError::NotReadBack => (Code::Io, "not_read_back"),
        };
        Failure::new(code, kind, error)
    }
}

impl<E: std::error::Error + 'static> From<OpenError<E>> for Failure {
    fn from(error: OpenError<E>) -> Self {
        let (code, kind) = match &error {
            OpenError::TooShort { .. } => (Code::Inconsistent, "too_short"),
            OpenError::NotAPool { .. } => (Code::Inconsistent, "not_a_pool"),
            OpenError::OtherEndian => (Code::Inconsistent, "other_endian"),
            OpenError::Version { .. } => (Code::Inconsistent, "version"),
            OpenError::Features { .. } => (Code::Inconsistent, "features"),
            OpenError::LayoutMismatch { .. } => (Code::Inconsistent, "layout_mismatch"),
            OpenError::Truncated { .. } => (Code::Inconsistent, "truncated"),
            OpenError::Corrupt(_) => (Code::Inconsistent, "corrupt"),
            OpenError::DomainUnmet { .. } => (Code::PolicyUnmet, "domain_unmet"),
            OpenError::Sync(_) => (Code::Io, "sync"),
            OpenError::NotRecovered { .. } => (Code::Repairable, "not_recovered"),
            OpenError::TooManyLanes { .. } => (Code::Io, "too_many_lanes"),
            OpenError::Space(_) => (Code::Io, "no_space"),
        };
        Failure::new(code, kind, error)
    }
}

impl<E: std::error::Error + 'static> From<GrowError<E>> for Failure {
    fn from(error: GrowError<E>) -> Self {
        let (code, kind) = match &error {
            GrowError::Smaller { .. } => (Code::Usage, "smaller"),
            GrowError::BeyondCapacity { .. } => (Code::Usage, "beyond_capacity"),
            GrowError::Space(SpaceError::NoSpace) => (Code::Io, "no_space"),
            GrowError::Space(_) => (Code::Io, "io"),
            GrowError::Corrupt(_) => (Code::Inconsistent, "corrupt"),
            GrowError::Sync(_) | GrowError::Poisoned => (Code::Io, "sync"),
            GrowError::ReadOnly => (Code::Io, "read_only"),
            GrowError::NoWideAtomics => (Code::Io, "refused"),
        };
        Failure::new(code, kind, error)
    }
}

impl<E: std::error::Error + 'static> From<TxError<E>> for Failure {
    fn from(error: TxError<E>) -> Self {
        let (code, kind) = match &error {
            TxError::Corrupt(_) | TxError::Alloc(AllocError::Corrupt(_)) => {
                (Code::Inconsistent, "corrupt")
            }
            TxError::Alloc(
                AllocError::NoSpace { .. } | AllocError::TooLarge { .. } | AllocError::Device(_),
            )
            | TxError::LogFull { .. } => (Code::Io, "no_space"),
            TxError::Sync(_) | TxError::Poisoned => (Code::Io, "sync"),
            TxError::ReadOnly => (Code::Io, "read_only"),
            _ => (Code::Io, "refused"),
        };
        Failure::new(code, kind, error)
    }
}

impl<E: std::error::Error + 'static> From<RegionError<E>> for Failure {
    fn from(error: RegionError<E>) -> Self {
        let (code, kind) = match error {
            RegionError::Tx(error) => return error.into(),
            RegionError::NotFound { .. } => (Code::Io, "not_found"),
            RegionError::InvalidRegion { .. } => (Code::Io, "invalid_region"),
            RegionError::AlreadyExists { .. } => (Code::Io, "already_exists"),
            RegionError::InvalidSize => (Code::Usage, "invalid_size"),
            RegionError::NameTooLong { .. } | RegionError::BadName { .. } => {
                (Code::Usage, "bad_name")
            }
            RegionError::BadAlign { .. } | RegionError::OutOfBounds { .. } => {
                (Code::Usage, "out_of_bounds")
            }
            RegionError::InvalidArgument { .. } => (Code::Usage, "invalid_argument"),
            RegionError::AttributesTooLong { .. } => (Code::Usage, "attributes_too_long"),
            RegionError::NotChecked { .. } => (Code::Usage, "not_checked"),
            RegionError::InUse { .. } => (Code::Io, "in_use"),
            RegionError::Damaged { .. } => (Code::Inconsistent, "damaged"),
            RegionError::NoSpace { .. } => (Code::Io, "no_space"),
            RegionError::TooMany => (Code::Io, "too_many"),
            RegionError::ReadOnly => (Code::Io, "read_only"),
            RegionError::Retired { .. } => (Code::Io, "retired"),
            RegionError::Panicked => (Code::Io, "panicked"),
            RegionError::Lost => (Code::Io, "lost"),
            RegionError::Poisoned => (Code::Io, "sync"),
            RegionError::Corrupt(_) => (Code::Inconsistent, "corrupt"),
        };
        Failure::new(code, kind, error)
    }
}

impl<E: std::error::Error + 'static> From<KvError<E>> for Failure {
    fn from(error: KvError<E>) -> Self {
        let (code, kind) = match error {
            KvError::Region(error) => return error.into(),
            KvError::Behind { cause } => return Failure::from(*cause).at("commits of before"),
            KvError::KeyTooLong { .. } => (Code::Usage, "key_too_long"),
            KvError::ValueTooLong { .. } => (Code::Usage, "value_too_long"),
            KvError::BadSpaceName { .. } => (Code::Usage, "bad_name"),
            KvError::UnknownSavepoint { .. } => (Code::Usage, "unknown_savepoint"),
            KvError::Conflict { .. } | KvError::SnapshotTooOld { .. } => (Code::Io, "conflict"),
            KvError::NoSuchSpace { .. } | KvError::NoStore | KvError::NotFound { .. } => {
                (Code::Io, "not_found")
            }
            KvError::SpaceExists { .. } => (Code::Io, "already_exists"),
            KvError::NoSpace { .. } | KvError::LogFull { .. } => (Code::Io, "no_space"),
            KvError::Sync(_) | KvError::Poisoned => (Code::Io, "sync"),
            KvError::ReadOnly => (Code::Io, "read_only"),
            KvError::Corrupt(_) => (Code::Inconsistent, "corrupt"),
            _ => (Code::Io, "refused"),
        };
        Failure::new(code, kind, error)
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        let (code, kind) = match error {
            TargetError::File(error) => return error.into(),
            TargetError::Image(error) => return error.into(),
            TargetError::Missing { path } => return FileError::NotFound { path }.into(),
            TargetError::Open { place, error } => return Failure::from(error).at(place),
            TargetError::Create { place, error } => return Failure::from(error).at(place),
            TargetError::Grow { place, error } => return Failure::from(error).at(place),
            TargetError::Regions { place, error } => return Failure::from(error).at(place),
            TargetError::DomainUnmet { .. } => (Code::PolicyUnmet, "domain_unmet"),
            TargetError::Unsound { .. } => (Code::Inconsistent, "unsound"),
            TargetError::Config(_) | TargetError::InProvider { .. } => (Code::Usage, "config"),
            TargetError::NoIdentity { .. } | TargetError::NoHandler { .. } => (Code::Io, "io"),
        };
        Failure::new(code, kind, error)
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        let (code, kind) = match error {
            ImageError::File(error) => return error.into(),
            ImageError::Unsound { .. } => (Code::Inconsistent, "unsound"),
            ImageError::Damaged { .. } => (Code::Io, "damaged"),
            ImageError::Unreadable => (Code::Io, "lost"),
            ImageError::Migrated { .. } => (Code::Io, "migrated"),
            ImageError::Note { .. } => (Code::Inconsistent, "note"),
            ImageError::Cancelled { .. } => (Code::Io, "cancelled"),
            ImageError::Running => (Code::Locked, "busy"),
            ImageError::Retired { .. } => (Code::Io, "retired"),
            ImageError::ReadOnly => (Code::Io, "read_only"),
            ImageError::Source { .. } => (Code::Io, "source"),
        };
        Failure::new(code, kind, error)
    }
}

impl<S: std::error::Error + 'static, T: std::error::Error + 'static> From<CopyError<S, T>>
    for Failure
{
    fn from(error: CopyError<S, T>) -> Self {
        match error {
            CopyError::Source(error) => error.into(),
            CopyError::Target(error) => error.into(),
        }
    }
}
