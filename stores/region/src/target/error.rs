//! Why a target could not be opened, made, closed or destroyed: what, where, and what to do.

use std::path::PathBuf;

use everline::engine::FileEngineError;
use everline::media::file::FileError;
use everline::media::{Domain, Durability, Errno};
use everline::pool::{CreateError, GrowError, OpenError};
use everline::tx::TxError;
use everline::units::ByteOffset;
use serde_json::Value;

use crate::RegionError;
use crate::transfer::ImageError;

/// What is wrong with a configuration. Nothing was opened or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON at all.
    #[error("the configuration is not JSON: {reason}")]
    NotJson {
        /// What the parser says, with line and column.
        reason: String,
    },
    /// A backend that does not exist.
    #[error(
        "Unknown target type: {found}; the types are pmem (or pmdk), file (or abt-io) and memory"
    )]
    UnknownType {
        /// What was given.
        found: String,
    },
    /// A key that nobody reads.
    #[error(
        "unknown key \"{key}\" in {scope}{}; known are {known}",
        .suggestion.map(|known| format!(": did you mean \"{known}\"?")).unwrap_or_default()
    )]
    UnknownKey {
        /// The object that has it.
        scope: String,
        /// The key.
        key: String,
        /// The known key most like it, if one is.
        suggestion: Option<&'static str>,
        /// All known keys.
        known: String,
    },
    /// A value that its field cannot have.
    #[error("\"{field}\" is {value}: it {rule}")]
    Value {
        /// The field.
        field: String,
        /// What it holds, as JSON.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
    /// A field without which the others mean nothing.
    #[error("\"{field}\" is missing: {why}")]
    Missing {
        /// The field.
        field: &'static str,
        /// What needs it.
        why: &'static str,
    },
    /// One field under two names, with two values.
    #[error("\"{field}\" and \"{alias}\" are one field with two values: give one of them")]
    Twice {
        /// The first.
        field: String,
        /// The other.
        alias: String,
    },
    /// Two fields that exclude each other.
    #[error("\"{field}\" and \"{other}\" exclude each other: {why}")]
    Conflict {
        /// The one.
        field: &'static str,
        /// The other.
        other: &'static str,
        /// Why.
        why: &'static str,
    },
    /// What is wrong with one target or provider of several.
    #[error("{place}: {error}")]
    At {
        /// Which one.
        place: String,
        /// What is wrong with it.
        error: Box<ConfigError>,
    },
}

impl ConfigError {
    /// `field` holds `value`, against `rule`.
    pub(crate) fn value(field: &str, value: &Value, rule: &'static str) -> Self {
        ConfigError::Value {
            field: field.to_owned(),
            value: value.to_string(),
            rule,
        }
    }

    /// The same, in one of several places.
    pub(super) fn at(self, place: impl Into<String>) -> Self {
        ConfigError::At {
            place: place.into(),
            error: Box::new(self),
        }
    }
}

/// Why a target was not opened, made, closed or destroyed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nothing is there, and nobody said how large a new pool would be, or the open may change nothing.
    #[error(
        "{}: no pool there; correct the path, or make one with \"size\" (or \"create_if_missing_with_size\") in an open that may change something",
        .path.display()
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file.
    #[error(transparent)]
    File(FileError),
    /// The pool in the file.
    #[error("{place}: {error}")]
    Open {
        /// Where.
        place: String,
        /// Why.
        error: OpenError<Errno>,
    },
    /// The new pool.
    #[error("{place}: {error}")]
    Create {
        /// Where.
        place: String,
        /// Why.
        error: CreateError<Errno>,
    },
    /// The pool could not be made as long as the configuration says; it is open no more, and as long as it was.
    #[error("{place}: {error}")]
    Grow {
        /// Where.
        place: String,
        /// Why.
        error: GrowError<Errno>,
    },
    /// The durability asked for is not there.
    #[error(
        "{place}: {required} durability is required and only {found} is there; \
         use another place or another type, or require less"
    )]
    DomainUnmet {
        /// Where.
        place: String,
        /// What was asked for.
        required: Domain,
        /// What there is.
        found: Durability,
    },
    /// The regions in the pool.
    #[error("{place}: {error}")]
    Regions {
        /// Where.
        place: String,
        /// Why.
        error: RegionError<Errno>,
    },
    /// Recovery was to be `full`, and something in the pool is not as it must be. It is recovered, and nothing serves it.
    #[error(
        "{place}: recovery \"full\" found {problems} problem(s) and serves nothing; the first: {first}; \
         `everline repair` says what can be done, recovery \"checkpoint\" serves what is whole"
    )]
    Unsound {
        /// Where.
        place: String,
        /// How many.
        problems: u64,
        /// The first of them, with its place in the pool.
        first: String,
        /// Where in the pool that is, if it is one place.
        at: Option<ByteOffset>,
    },
    /// A copy of the pool, or the pool being somewhere else.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The system gives no random numbers for the identity of a new pool.
    #[error("{place}: no random identity for a new pool ({reason}); is /dev/urandom readable?")]
    NoIdentity {
        /// Where the pool was to be.
        place: String,
        /// What the system said.
        reason: String,
    },
    /// The handler for pages that cannot be reached was not installed.
    #[error("cannot catch SIGBUS ({errno}); open without \"catch_sigbus\"")]
    NoHandler {
        /// What the system said.
        errno: Errno,
    },
    /// One target of a provider.
    #[error("target {index} of provider {provider_id} ({kind}): {error}")]
    InProvider {
        /// The provider.
        provider_id: u16,
        /// Which of its targets, from 0.
        index: usize,
        /// Its type.
        kind: &'static str,
        /// Why.
        error: Box<TargetError>,
    },
}

impl From<FileError> for TargetError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::DomainUnmet {
                path,
                required,
                found,
            } => TargetError::DomainUnmet {
                place: path.display().to_string(),
                required,
                found,
            },
            error => TargetError::File(error),
        }
    }
}

impl From<FileEngineError> for TargetError {
    fn from(error: FileEngineError) -> Self {
        match error {
            FileEngineError::File(error) => error.into(),
            FileEngineError::Create { path: place, error } => TargetError::Create { place, error },
            FileEngineError::Open { path: place, error } => TargetError::open(&place, error),
        }
    }
}

impl TargetError {
    pub(super) fn open(place: &str, error: OpenError<Errno>) -> Self {
        match error {
            OpenError::DomainUnmet { required, found } => TargetError::DomainUnmet {
                place: place.to_owned(),
                required,
                found,
            },
            error => TargetError::Open {
                place: place.to_owned(),
                error,
            },
        }
    }

    pub(super) fn regions(place: &str, error: RegionError<Errno>) -> Self {
        TargetError::Regions {
            place: place.to_owned(),
            error,
        }
    }

    pub(super) fn tx(place: &str, error: TxError<Errno>) -> Self {
        Self::regions(place, error.into())
    }
}
