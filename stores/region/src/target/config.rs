//! What a target is told: one JSON object with a `type`, its fields beside it or under `config`.
//!
//! | key (aliases) | meaning | default |
//! |---|---|---|
//! | `type` | `pmem` (`pmdk`), `file` (`abt-io`, `abtio`), `memory` | `pmem` |
//! | `path` | the file, or a directory, whose `pool.pmem` is meant | needed, but for `memory` |
//! | `size` (`create_if_missing_with_size`) | bytes of a new pool; opens of a pool of another size report it | none: nothing is made |
//! | `create_if_missing` | make a missing pool | whether `size` is given |
//! | `override_if_exists` (`erase`, `destroy`, `overwrite`) | put an empty pool in place of what is there | false |
//! | `grow_if_smaller` | grow a pool below `size` | false |
//! | `max_size` (`capacity`) | bytes to which a new pool can grow | 16 times its size; `memory`: its size |
//! | `read_only` | no byte changes | false |
//! | `recovery` (`recovery_mode`) | `full`, `checkpoint` or `none`: see [`RecoveryMode`] | `checkpoint` |
//! | `recovery_force` | with `none`: open though the log waits for recovery | false |
//! | `layout` | name of the application's layout | not checked |
//! | `require` | weakest durability domain that will do | none |
//! | `reserve` | secure all space at create | false |
//! | `assume_persistent`, `allow_foreign_fs`, `prefault` | see `everline::media::file::FileOptions` | false |
//! | `catch_sigbus` | a file cut while open is an error and not this process's death | false |
//! | `lanes` | transactions of a new pool that run at the same time | by size |
//! | `workers` (`num_threads`), `queue_depth`, `eager_threshold` | asynchronous requests | 4, 64, 4 KiB |
//! | `transfer_manager` | `{"type": "__default__" or "pipeline", "config": …}` | default |

use std::path::PathBuf;

use everline::layout::LayoutName;
use everline::media::Domain;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::ConfigError;
use super::fields::Fields;
use super::transfer::{RequestConfig, TransferConfig};

/// Bytes of a memory target that was told none. The system gives pages only as they are touched.
pub(super) const MEMORY_BYTES_DEFAULT: u64 = 64 << 20;

/// What keeps a target's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetKind {
    /// A mapped file: by CPU instructions on persistent memory, by msync elsewhere.
    #[default]
    Pmem,
    /// The same file by explicit reads, writes and syncs, without a mapping.
    File,
    /// Volatile memory with the same identifiers, bounds and errors.
    Memory,
}

impl TargetKind {
    /// The word in configurations and reports.
    pub const fn name(self) -> &'static str {
        match self {
            TargetKind::Pmem => "pmem",
            TargetKind::File => "file",
            TargetKind::Memory => "memory",
        }
    }

    fn of(word: &str) -> Option<Self> {
        match word {
            "pmem" | "pmdk" => Some(TargetKind::Pmem),
            "file" | "abt-io" | "abtio" => Some(TargetKind::File),
            "memory" => Some(TargetKind::Memory),
            _ => None,
        }
    }
}

/// What an open does before it serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecoveryMode {
    /// Recover from the last checkpoint, then verify every structure and checksum: a pool with anything wrong in it is
    /// refused, and the error names the place. Keys are not this crate's: whoever opens a pool that may hold them verifies
    /// them too, with `everline_kv::verify`, as the command and the module do.
    Full,
    /// Recover from the last checkpoint. What is damaged elsewhere is told by whoever meets it.
    #[default]
    Checkpoint,
    /// Nothing: no replay, and not one store. Refused while the log holds anything, unless `recovery_force` is set.
    None,
}

impl RecoveryMode {
    /// Every mode, the most careful first.
    pub const ALL: [RecoveryMode; 3] = [
        RecoveryMode::Full,
        RecoveryMode::Checkpoint,
        RecoveryMode::None,
    ];

    /// The word in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            RecoveryMode::Full => "full",
            RecoveryMode::Checkpoint => "checkpoint",
            RecoveryMode::None => "none",
        }
    }

    /// The mode that a word stands for.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == word)
    }
}

/// How a target is opened or made; see the module's table for each field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct TargetConfig {
    /// What keeps the bytes.
    pub kind: TargetKind,
    /// The file, or the directory whose `pool.pmem` is meant.
    pub path: Option<PathBuf>,
    /// Bytes of a new pool.
    pub size: Option<u64>,
    /// Make a missing pool; whether `size` is given, unless said otherwise.
    pub create_if_missing: Option<bool>,
    /// Put an empty pool in place of what is there, unless somebody has it open.
    pub override_if_exists: bool,
    /// Grow a pool that is smaller than `size`.
    pub grow_if_smaller: bool,
    /// Bytes to which a new pool can grow.
    pub max_size: Option<u64>,
    /// Change no byte.
    pub read_only: bool,
    /// What is done before anything is served.
    pub recovery: RecoveryMode,
    /// With [`RecoveryMode::None`]: open though the log waits for recovery.
    pub recovery_force: bool,
    /// Name of the application's layout.
    pub layout: Option<LayoutName>,
    /// The weakest durability domain that will do.
    pub require: Option<Domain>,
    /// Secure all space at create.
    pub reserve: bool,
    /// Treat the place as persistent memory, whatever it is.
    pub assume_persistent: bool,
    /// Accept network and FUSE file systems.
    pub allow_foreign_fs: bool,
    /// Read all pages in at open.
    pub prefault: bool,
    /// Turn an access to a lost page into an error of the next fence; installs a handler for the process.
    pub catch_sigbus: bool,
    /// Transactions of a new pool that run at the same time.
    pub lanes: Option<u32>,
    /// Asynchronous requests.
    pub requests: RequestConfig,
    /// How large transfers are cut.
    pub transfer: Option<TransferConfig>,
}

impl TargetConfig {
    /// A mapped file at `path`; nothing is made unless a size is added.
    pub fn pmem(path: impl Into<PathBuf>) -> Self {
        TargetConfig {
            path: Some(path.into()),
            ..Self::default()
        }
    }

    /// A file by explicit input and output at `path`; nothing is made unless a size is added.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        TargetConfig {
            kind: TargetKind::File,
            ..Self::pmem(path)
        }
    }

    /// `size` bytes of volatile memory.
    pub fn memory(size: u64) -> Self {
        TargetConfig {
            kind: TargetKind::Memory,
            size: Some(size),
            ..Self::default()
        }
    }

    /// The same with a size, so that a missing pool is made.
    pub fn with_size(self, size: u64) -> Self {
        TargetConfig {
            size: Some(size),
            ..self
        }
    }

    /// Reads JSON text. Errors: [`ConfigError`], which names the field, its value and its rule.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let value = serde_json::from_str::<Value>(text).map_err(|error| ConfigError::NotJson {
            reason: error.to_string(),
        })?;
        Self::try_from(value)
    }

    /// Whether a missing pool is made.
    pub fn makes_missing(&self) -> bool {
        self.create_if_missing.unwrap_or(self.size.is_some())
    }

    /// Whether no byte may change: read-only, or not even recovered.
    pub fn changes_nothing(&self) -> bool {
        self.read_only || self.recovery == RecoveryMode::None
    }

    /// What fields say together. Errors: the first rule that is broken.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.requests.check()?;
        self.transfer.iter().try_for_each(TransferConfig::check)?;
        if self.kind == TargetKind::Memory {
            return self.check_memory();
        }
        let needs_size = |why| ConfigError::Missing { field: "size", why };
        if self
            .path
            .as_ref()
            .is_none_or(|path| path.as_os_str().is_empty())
        {
            let why = "the pool's file, or the directory that holds its pool.pmem";
            return Err(ConfigError::Missing { field: "path", why });
        }
        if self.kind == TargetKind::File && self.assume_persistent {
            let why = "explicit writes are durable once they are synced, and not before";
            return Err(conflict("assume_persistent", "type", why));
        }
        self.check_unchanging()?;
        match self.size {
            Some(_) => Ok(()),
            None if self.override_if_exists => Err(needs_size(
                "\"override_if_exists\" makes a new pool and must know its size",
            )),
            None if self.create_if_missing == Some(true) => Err(needs_size(
                "\"create_if_missing\" makes a new pool and must know its size",
            )),
            None if self.grow_if_smaller => Err(needs_size(
                "\"grow_if_smaller\" grows the pool to that size",
            )),
            None => Ok(()),
        }
    }

    /// What an open that changes nothing cannot be asked for.
    fn check_unchanging(&self) -> Result<(), ConfigError> {
        let unchanging = [
            (
                self.read_only,
                "read_only",
                "a read-only open changes nothing",
            ),
            (
                self.recovery == RecoveryMode::None,
                "recovery",
                "an open with recovery \"none\" changes nothing",
            ),
        ];
        for (field, why) in unchanging
            .into_iter()
            .filter(|(is, ..)| *is)
            .map(|(_, f, w)| (f, w))
        {
            if self.override_if_exists {
                return Err(conflict(field, "override_if_exists", why));
            }
            if self.grow_if_smaller {
                return Err(conflict(field, "grow_if_smaller", why));
            }
        }
        self.check_force()
    }

    fn check_force(&self) -> Result<(), ConfigError> {
        if self.recovery_force && self.recovery != RecoveryMode::None {
            let why = "only an open with recovery \"none\" can be forced";
            return Err(conflict("recovery_force", "recovery", why));
        }
        Ok(())
    }

    fn check_memory(&self) -> Result<(), ConfigError> {
        let why = "a memory target begins empty";
        if self.read_only {
            return Err(conflict("read_only", "type", why));
        }
        if self.recovery == RecoveryMode::None {
            return Err(conflict("recovery", "type", why));
        }
        self.check_force()
    }
}

fn conflict(field: &'static str, other: &'static str, why: &'static str) -> ConfigError {
    ConfigError::Conflict { field, other, why }
}

impl TryFrom<Value> for TargetConfig {
    type Error = ConfigError;

    fn try_from(value: Value) -> Result<Self, ConfigError> {
        let scope = "the target's configuration";
        let mut outer = Fields::of(scope, value)?;
        let kind = match outer.text(&["type"])? {
            None => TargetKind::default(),
            Some(word) => TargetKind::of(&word).ok_or(ConfigError::UnknownType { found: word })?,
        };
        let inner = outer.take(&["config"])?;
        let manager = outer.take(&["transfer_manager"])?;
        let mut fields = match inner {
            // Fields stand beside the type, or all of them under "config".
            Some((_, inner)) => {
                outer.finish()?;
                Fields::of(scope, inner)?
            }
            None => {
                let mut fields = Fields::of(scope, outer.rest())?;
                fields.also_known(&["type", "config", "transfer_manager"]);
                fields
            }
        };
        let transfer = match manager {
            Some((_, manager)) => TransferConfig::from_manager(manager)?,
            None => None,
        };
        let config = read(kind, transfer, &mut fields)?;
        fields.finish()?;
        config.check()?;
        Ok(config)
    }
}

fn read(
    kind: TargetKind,
    transfer: Option<TransferConfig>,
    fields: &mut Fields<'_>,
) -> Result<TargetConfig, ConfigError> {
    Ok(TargetConfig {
        kind,
        path: fields.text(&["path"])?.map(PathBuf::from),
        size: fields.bytes(&["size", "create_if_missing_with_size"])?,
        create_if_missing: fields.flag(&["create_if_missing"])?,
        override_if_exists: flag(
            fields,
            &["override_if_exists", "erase", "destroy", "overwrite"],
        )?,
        grow_if_smaller: flag(fields, &["grow_if_smaller"])?,
        max_size: fields.bytes(&["max_size", "capacity"])?,
        read_only: flag(fields, &["read_only"])?,
        recovery: fields
            .recovery(&["recovery", "recovery_mode"])?
            .unwrap_or_default(),
        recovery_force: flag(fields, &["recovery_force"])?,
        layout: fields.layout(&["layout"])?,
        require: fields.domain(&["require"])?,
        reserve: flag(fields, &["reserve"])?,
        assume_persistent: flag(fields, &["assume_persistent"])?,
        allow_foreign_fs: flag(fields, &["allow_foreign_fs"])?,
        prefault: flag(fields, &["prefault"])?,
        catch_sigbus: flag(fields, &["catch_sigbus"])?,
        lanes: fields.number32(&["lanes"])?,
        requests: RequestConfig::read(fields)?,
        transfer,
    })
}

fn flag(fields: &mut Fields<'_>, names: &[&'static str]) -> Result<bool, ConfigError> {
    Ok(fields.flag(names)?.unwrap_or(false))
}

impl From<TargetConfig> for Value {
    fn from(config: TargetConfig) -> Value {
        let mut inner = Map::new();
        let mut put = |key: &str, value: Value| {
            // What is absent is the default; a flag that is off says nothing.
            if !matches!(value, Value::Null | Value::Bool(false)) {
                inner.insert(key.to_owned(), value);
            }
        };
        let path = config.path.as_ref().map(|path| path.display().to_string());
        put("path", json!(path));
        put("size", json!(config.size));
        put("override_if_exists", json!(config.override_if_exists));
        put("grow_if_smaller", json!(config.grow_if_smaller));
        put("max_size", json!(config.max_size));
        put("read_only", json!(config.read_only));
        let recovery = Some(config.recovery).filter(|mode| *mode != RecoveryMode::default());
        put("recovery", json!(recovery.map(RecoveryMode::name)));
        put("recovery_force", json!(config.recovery_force));
        put(
            "layout",
            json!(config.layout.as_ref().map(LayoutName::as_str)),
        );
        put("require", json!(config.require.map(Domain::name)));
        put("reserve", json!(config.reserve));
        put("assume_persistent", json!(config.assume_persistent));
        put("allow_foreign_fs", json!(config.allow_foreign_fs));
        put("prefault", json!(config.prefault));
        put("catch_sigbus", json!(config.catch_sigbus));
        put("lanes", json!(config.lanes));
        config.requests.put(&mut put);
        if let Some(create) = config.create_if_missing {
            inner.insert("create_if_missing".to_owned(), create.into());
        }
        json!({
            "type": config.kind.name(),
            "config": inner,
            "transfer_manager": TransferConfig::to_manager(config.transfer.as_ref()),
        })
    }
}
