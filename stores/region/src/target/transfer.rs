//! How asynchronous requests run, and how large transfers are cut into buffers.
//!
//! A pipeline has `num_pools` pools of `num_buffers_per_pool` buffers; the first pool's buffers have
//! `first_buffer_size` bytes, each further pool's are `buffer_size_multiplier` times as large.

use serde_json::{Value, json};

use super::ConfigError;
use super::fields::Fields;

/// How asynchronous requests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestConfig {
    /// Threads that do the work, 1 to 1,024.
    pub workers: u32,
    /// Requests that may wait or run at a time, at least 1; issue waits while there are as many.
    pub queue_depth: u32,
    /// Reads and writes up to so many bytes may run on the thread that issues them.
    pub eager_threshold: u64,
}

impl Default for RequestConfig {
    fn default() -> Self {
        RequestConfig {
            workers: 4,
            queue_depth: 64,
            eager_threshold: 4096,
        }
    }
}

impl RequestConfig {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        Ok(RequestConfig {
            workers: fields
                .number32(&["workers", "num_threads"])?
                .unwrap_or(default.workers),
            queue_depth: fields
                .number32(&["queue_depth"])?
                .unwrap_or(default.queue_depth),
            eager_threshold: fields
                .bytes(&["eager_threshold"])?
                .unwrap_or(default.eager_threshold),
        })
    }

    /// Errors: [`ConfigError::Value`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.workers == 0 || self.workers > 1024 {
            let rule = "must be 1 to 1024";
            return Err(ConfigError::value("workers", &json!(self.workers), rule));
        }
        if self.queue_depth == 0 {
            let rule = "must be at least 1";
            return Err(ConfigError::value("queue_depth", &json!(0), rule));
        }
        Ok(())
    }

    /// Hands on what differs from the default.
    pub(super) fn put(&self, put: &mut impl FnMut(&str, Value)) {
        let default = Self::default();
        let mut changed = |key: &str, value: u64, default: u64| {
            if value != default {
                put(key, json!(value));
            }
        };
        changed("workers", self.workers.into(), default.workers.into());
        changed(
            "queue_depth",
            self.queue_depth.into(),
            default.queue_depth.into(),
        );
        changed(
            "eager_threshold",
            self.eager_threshold,
            default.eager_threshold,
        );
    }
}

/// The buffers of a pipelined transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferConfig {
    /// Pools of buffers, at least 1.
    pub num_pools: u32,
    /// Buffers in each, at least 1.
    pub num_buffers_per_pool: u32,
    /// Bytes of a buffer of the first pool, at least 1.
    pub first_buffer_size: u64,
    /// How many times as large a buffer of the next pool is, more than 1.
    pub buffer_size_multiplier: u64,
}

const SCOPE: &str = "the transfer manager's configuration";

impl TransferConfig {
    /// Reads the fields of a pipeline; all four are required.
    ///
    /// Errors: [`ConfigError`], which names the field.
    pub fn from_json(value: Value) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(SCOPE, value)?;
        // The older spelling: so many threads share one pipeline of so many bytes.
        let threads = fields.number32(&["num_threads"])?;
        let pipeline = fields.bytes(&["pipeline_size"])?;
        let config = match (threads, pipeline) {
            (None, None) => Self::read(&mut fields)?,
            (threads, pipeline) => Self::of_pipeline(threads, pipeline)?,
        };
        fields.finish()?;
        config.check()?;
        Ok(config)
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, ConfigError> {
        let need = |field| ConfigError::Missing {
            field,
            why: "a pipeline needs num_pools, num_buffers_per_pool, first_buffer_size and buffer_size_multiplier",
        };
        Ok(TransferConfig {
            num_pools: fields
                .number32(&["num_pools"])?
                .ok_or_else(|| need("num_pools"))?,
            num_buffers_per_pool: fields
                .number32(&["num_buffers_per_pool"])?
                .ok_or_else(|| need("num_buffers_per_pool"))?,
            first_buffer_size: fields
                .bytes(&["first_buffer_size"])?
                .ok_or_else(|| need("first_buffer_size"))?,
            buffer_size_multiplier: fields
                .number(&["buffer_size_multiplier", "buffer_size_multiple"])?
                .ok_or_else(|| need("buffer_size_multiplier"))?,
        })
    }

    fn of_pipeline(threads: Option<u32>, pipeline: Option<u64>) -> Result<Self, ConfigError> {
        let why = "a pipeline of the older spelling needs num_threads and pipeline_size";
        let missing = |field| ConfigError::Missing { field, why };
        let threads = threads.ok_or(missing("num_threads"))?;
        let bytes = pipeline.ok_or(missing("pipeline_size"))?;
        if threads == 0 {
            let rule = "must be at least 1";
            return Err(ConfigError::value("num_threads", &json!(0), rule));
        }
        Ok(TransferConfig {
            num_pools: 1,
            num_buffers_per_pool: threads,
            first_buffer_size: bytes / u64::from(threads),
            buffer_size_multiplier: 2,
        })
    }

    /// Errors: [`ConfigError::Value`], which names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rule = "must be at least 1";
        for (field, value) in [
            ("num_pools", self.num_pools.into()),
            ("num_buffers_per_pool", self.num_buffers_per_pool.into()),
            ("first_buffer_size", self.first_buffer_size),
        ] {
            if value == 0 {
                return Err(ConfigError::value(field, &json!(value), rule));
            }
        }
        if self.buffer_size_multiplier <= 1 {
            let value = json!(self.buffer_size_multiplier);
            let rule = "must be more than 1";
            return Err(ConfigError::value("buffer_size_multiplier", &value, rule));
        }
        if self.largest_buffer().is_none() {
            let value = json!(self.first_buffer_size);
            let rule = "must be so small that the last pool's buffers fit a usize";
            return Err(ConfigError::value("first_buffer_size", &value, rule));
        }
        Ok(())
    }

    /// Bytes of a buffer of the last pool; `None` where they overflow.
    pub fn largest_buffer(&self) -> Option<usize> {
        let factor = self
            .buffer_size_multiplier
            .checked_pow(self.num_pools.saturating_sub(1))?;
        let bytes = self.first_buffer_size.checked_mul(factor)?;
        usize::try_from(bytes).ok()
    }

    /// Reads `{"type": "__default__" or "pipeline", "config": {…}}`; the default manager has no buffers.
    pub(super) fn from_manager(value: Value) -> Result<Option<Self>, ConfigError> {
        let mut fields = Fields::of("the transfer manager", value)?;
        let kind = fields.text(&["type"])?;
        let config = fields.take(&["config"])?.map(|(_, config)| config);
        fields.finish()?;
        match kind.as_deref() {
            None | Some("__default__" | "default") => {
                if let Some(config) = config {
                    Fields::of(SCOPE, config)?.finish()?;
                }
                Ok(None)
            }
            Some("pipeline") => {
                let config = config.unwrap_or_else(|| json!({}));
                Self::from_json(config).map(Some)
            }
            Some(other) => {
                let rule = "must be __default__ or pipeline";
                Err(ConfigError::value(
                    "transfer_manager.type",
                    &json!(other),
                    rule,
                ))
            }
        }
    }

    /// The JSON that [`TransferConfig::from_manager`] reads.
    pub(super) fn to_manager(config: Option<&Self>) -> Value {
        match config {
            None => json!({"type": "__default__", "config": {}}),
            Some(config) => json!({
                "type": "pipeline",
                "config": {
                    "num_pools": config.num_pools,
                    "num_buffers_per_pool": config.num_buffers_per_pool,
                    "first_buffer_size": config.first_buffer_size,
                    "buffer_size_multiplier": config.buffer_size_multiplier,
                },
            }),
        }
    }
}
