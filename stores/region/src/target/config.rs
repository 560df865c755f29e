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
        if self.read_only && self.override_if_exists {
            let why = "a read-only open changes nothing";
            return Err(conflict("read_only", "override_if_exists", why));
        }
        if self.read_only && self.grow_if_smaller {
            let why = "a read-only open changes nothing";
            return Err(conflict("read_only", "grow_if_smaller", why));
        }
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

    fn check_memory(&self) -> Result<(), ConfigError> {
        if self.read_only {
            let why = "a memory target begins empty";
            return Err(conflict("read_only", "type", why));
        }
        Ok(())
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
