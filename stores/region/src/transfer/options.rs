//! What can be chosen of a copy and of a move, also as JSON.

use std::str::FromStr;

use serde_json::{Value, json};

use crate::ConfigError;
use crate::target::Fields;

/// Bytes written at a time unless the caller says otherwise.
const TRANSFER_SIZE_DEFAULT: u64 = 1 << 20;

/// How a copy is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferOptions {
    /// Bytes handed to the destination at a time; 0 means all at once. The buffer is as large, rounded up to 64 KiB.
    pub transfer_size: u64,
}

impl Default for TransferOptions {
    fn default() -> Self {
        TransferOptions {
            transfer_size: TRANSFER_SIZE_DEFAULT,
        }
    }
}

/// How a pool is moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrateOptions {
    /// How the copy is made.
    pub transfer: TransferOptions,
    /// Whether the source goes once the destination is whole. Where it stays, the destination is a pool of its own,
    /// with other identifiers.
    pub remove_source: bool,
    /// Fields of the target's configuration that are different at the destination: an object, or null.
    pub merge_config: Value,
}

impl Default for MigrateOptions {
    fn default() -> Self {
        MigrateOptions {
            transfer: TransferOptions::default(),
            remove_source: true,
            merge_config: Value::Null,
        }
    }
}

impl MigrateOptions {
    /// Reads `{"transfer_size", "remove_source", "merge_config"}`, all of them optional.
    ///
    /// Errors: [`ConfigError`], which names the field, its value and its rule.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let value = Value::from_str(text).map_err(|error| ConfigError::NotJson {
            reason: error.to_string(),
        })?;
        Self::try_from(value)
    }
}

impl TryFrom<Value> for MigrateOptions {
    type Error = ConfigError;

    fn try_from(value: Value) -> Result<Self, ConfigError> {
        let default = Self::default();
        let mut fields = Fields::of("the options of a migration", value)?;
        let transfer_size = fields.bytes(&["transfer_size"])?;
        let remove_source = fields.flag(&["remove_source"])?;
        let merge_config = match fields.take(&["merge_config"])? {
            Some((field, value)) if !value.is_object() => {
                return Err(ConfigError::value(field, &value, "must be a JSON object"));
            }
            taken => taken.map(|(_, value)| value),
        };
        fields.finish()?;
        Ok(MigrateOptions {
            transfer: TransferOptions {
                transfer_size: transfer_size.unwrap_or(default.transfer.transfer_size),
            },
            remove_source: remove_source.unwrap_or(default.remove_source),
            merge_config: merge_config.unwrap_or(default.merge_config),
        })
    }
}

impl From<&MigrateOptions> for Value {
    fn from(options: &MigrateOptions) -> Value {
        json!({
            "transfer_size": options.transfer.transfer_size,
            "remove_source": options.remove_source,
            "merge_config": options.merge_config,
        })
    }
}
