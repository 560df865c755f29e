//! The eight fields of a module's configuration, their defaults, and what each may be.
//!
//! | field | meaning | default | may be |
//! |---|---|---|---|
//! | `storage_path` | the directory that holds the pool's one file | `/tmp/omnixan_pmem` | any path but an empty one |
//! | `size` | bytes of a new pool | 104857600 | 1048576 and more |
//! | `persistence_mode` | when a commit is durable | `sync` | `sync`, `async`, `periodic` |
//! | `recovery_mode` | what is done before anything is served | `checkpoint` | `full`, `checkpoint`, `none` |
//! | `enable_wal` | commits are durable by the log, and not only by a checkpoint | `true` | `true`, `false` |
//! | `checkpoint_interval` | seconds between checkpoints | 60.0 | above 0, at most 31536000 (a year) |
//! | `flush_interval` | seconds that a commit of `async` or `periodic` may wait | 1.0 | above 0, at most 31536000 (a year) |
//! | `max_log_size` | bytes of log at which a checkpoint is made | 10485760 | 1 and more |

use std::path::PathBuf;
use std::time::Duration;

use everline_region::{ConfigError, RecoveryMode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The least size of a module's pool.
pub const SIZE_BYTES_MIN: u64 = 1 << 20;

/// The longest interval, in seconds: a year.
pub const INTERVAL_S_MAX: f64 = 31_536_000.0;

/// When a commit is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PersistenceMode {
    /// When it returns.
    #[default]
    Sync,
    /// Soon after, at most one `flush_interval` later.
    Async,
    /// At the next tick of `flush_interval`, and not before.
    Periodic,
}

impl PersistenceMode {
    /// Every mode, the strictest first.
    pub const ALL: [PersistenceMode; 3] = [
        PersistenceMode::Sync,
        PersistenceMode::Async,
        PersistenceMode::Periodic,
    ];

    /// The word in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            PersistenceMode::Sync => "sync",
            PersistenceMode::Async => "async",
            PersistenceMode::Periodic => "periodic",
        }
    }

    /// The mode that a word stands for.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == word)
    }
}

/// How a module keeps its data; see the table of this file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct PMEMConfig {
    /// The directory that holds the pool's one file, made where it is missing.
    pub storage_path: PathBuf,
    /// Bytes of a new pool; a pool that is there keeps its own size.
    pub size: u64,
    /// When a commit is durable.
    pub persistence_mode: PersistenceMode,
    /// What is done before anything is served.
    pub recovery_mode: RecoveryMode,
    /// Whether commits are durable by the log; without it only a checkpoint makes them so.
    pub enable_wal: bool,
    /// Seconds between checkpoints.
    pub checkpoint_interval: f64,
    /// Seconds that a commit may wait in the modes that let it wait.
    pub flush_interval: f64,
    /// Bytes of log at which a checkpoint is made.
    pub max_log_size: u64,
}

impl Default for PMEMConfig {
    fn default() -> Self {
        PMEMConfig {
            storage_path: "/tmp/omnixan_pmem".into(),
            size: 100 << 20,
            persistence_mode: PersistenceMode::Sync,
            recovery_mode: RecoveryMode::Checkpoint,
            enable_wal: true,
            checkpoint_interval: 60.0,
            flush_interval: 1.0,
            max_log_size: 10 << 20,
        }
    }
}

/// A value, and whether it is what its field may be.
struct Rule {
    field: &'static str,
    value: Value,
    holds: bool,
    rule: &'static str,
}

impl PMEMConfig {
    /// Reads JSON text; fields that are absent have their defaults.
    ///
    /// Errors: [`ConfigError`], which names the field, its value and what it may be.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let value = serde_json::from_str::<Value>(text).map_err(|error| ConfigError::NotJson {
            reason: error.to_string(),
        })?;
        Self::try_from(value)
    }

    /// Whether every field is what it may be. Errors: the first that is not, with its value and its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let interval = |seconds: f64| seconds > 0.0 && seconds <= INTERVAL_S_MAX;
        let rules = [
            Rule {
                field: "storage_path",
                value: json!(self.storage_path.display().to_string()),
                holds: !self.storage_path.as_os_str().is_empty(),
                rule: "must be the path of a directory",
            },
            Rule {
                field: "size",
                value: json!(self.size),
                holds: self.size >= SIZE_BYTES_MIN,
                rule: SIZE_RULE,
            },
            Rule {
                field: "checkpoint_interval",
                value: number(self.checkpoint_interval),
                holds: interval(self.checkpoint_interval),
                rule: INTERVAL_RULE,
            },
            Rule {
                field: "flush_interval",
                value: number(self.flush_interval),
                holds: interval(self.flush_interval),
                rule: INTERVAL_RULE,
            },
            Rule {
                field: "max_log_size",
                value: json!(self.max_log_size),
                holds: self.max_log_size > 0,
                rule: LOG_RULE,
            },
        ];
        match rules.into_iter().find(|rule| !rule.holds) {
            None => Ok(()),
            Some(Rule {
                field, value, rule, ..
            }) => Err(wrong(field, &value, rule)),
        }
    }

    /// The interval of checkpoints, once [`PMEMConfig::check`] has passed.
    pub(super) fn checkpoint_every(&self) -> Duration {
        Duration::from_secs_f64(self.checkpoint_interval)
    }

    /// The interval of flushes, once [`PMEMConfig::check`] has passed.
    pub(super) fn flush_every(&self) -> Duration {
        Duration::from_secs_f64(self.flush_interval)
    }
}

const SIZE_RULE: &str = "must be a whole number of bytes, at least 1048576";
const INTERVAL_RULE: &str = "must be seconds above 0 and at most 31536000";
const LOG_RULE: &str = "must be a whole number of bytes, at least 1";
const FIELDS: [&str; 8] = [
    "storage_path",
    "size",
    "persistence_mode",
    "recovery_mode",
    "enable_wal",
    "checkpoint_interval",
    "flush_interval",
    "max_log_size",
];

/// A number as JSON, or the word for one that JSON does not have.
fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| json!(value.to_string()), Value::Number)
}

fn wrong(field: &str, value: &Value, rule: &'static str) -> ConfigError {
    ConfigError::Value {
        field: field.to_owned(),
        value: value.to_string(),
        rule,
    }
}

/// The fields of the object that have not been read yet.
struct Given(Map<String, Value>);

impl Given {
    /// The field `name`, or `default` where it is absent; `null` counts as absent.
    fn read<T>(
        &mut self,
        name: &'static str,
        default: T,
        rule: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T, ConfigError> {
        match self.0.remove(name).filter(|value| !value.is_null()) {
            None => Ok(default),
            Some(value) => read(&value).ok_or_else(|| wrong(name, &value, rule)),
        }
    }
}

impl TryFrom<Value> for PMEMConfig {
    type Error = ConfigError;

    fn try_from(value: Value) -> Result<Self, ConfigError> {
        let Value::Object(map) = value else {
            return Err(wrong(
                "the module's configuration",
                &value,
                "must be a JSON object",
            ));
        };
        let (mut given, default) = (Given(map), PMEMConfig::default());
        let path = |value: &Value| value.as_str().map(PathBuf::from);
        let config = PMEMConfig {
            storage_path: given.read(
                FIELDS[0],
                default.storage_path,
                "must be the path of a directory",
                path,
            )?,
            size: given.read(FIELDS[1], default.size, SIZE_RULE, Value::as_u64)?,
            persistence_mode: given.read(
                FIELDS[2],
                default.persistence_mode,
                "must be sync, async or periodic",
                |value| PersistenceMode::of(value.as_str()?),
            )?,
            recovery_mode: given.read(
                FIELDS[3],
                default.recovery_mode,
                "must be full, checkpoint or none",
                |value| RecoveryMode::of(value.as_str()?),
            )?,
            enable_wal: given.read(
                FIELDS[4],
                default.enable_wal,
                "must be true or false",
                Value::as_bool,
            )?,
            checkpoint_interval: given.read(
                FIELDS[5],
                default.checkpoint_interval,
                INTERVAL_RULE,
                Value::as_f64,
            )?,
            flush_interval: given.read(
                FIELDS[6],
                default.flush_interval,
                INTERVAL_RULE,
                Value::as_f64,
            )?,
            max_log_size: given.read(FIELDS[7], default.max_log_size, LOG_RULE, Value::as_u64)?,
        };
        if let Some(key) = given.0.keys().next() {
            return Err(ConfigError::UnknownKey {
                scope: "the module's configuration".to_owned(),
                key: key.clone(),
                suggestion: None,
                known: FIELDS.join(", "),
            });
        }
        config.check()?;
        Ok(config)
    }
}

impl From<PMEMConfig> for Value {
    fn from(config: PMEMConfig) -> Value {
        json!({
            "storage_path": config.storage_path.display().to_string(),
            "size": config.size,
            "persistence_mode": config.persistence_mode.name(),
            "recovery_mode": config.recovery_mode.name(),
            "enable_wal": config.enable_wal,
            "checkpoint_interval": config.checkpoint_interval,
            "flush_interval": config.flush_interval,
            "max_log_size": config.max_log_size,
        })
    }
}
