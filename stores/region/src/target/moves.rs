//! Snapshots of a target, and moving it, with its configuration.

use std::ops::ControlFlow;
use std::path::Path;

use everline::media::file::FileOptions;
use everline::media::io::LocalDisk;
use serde_json::{Map, Value};

use super::{ConfigError, Target, TargetConfig, TargetError, TargetKind};
use crate::transfer::{
    ImageError, ImageReport, MigrateOptions, Migration, Progress, TransferOptions, migrate,
};

/// Fields that speak of making the pool, which the destination has no use for.
const OF_MAKING: [&str; 3] = ["size", "create_if_missing", "override_if_exists"];

/// Fields that stand beside the configuration proper.
const OUTER: [&str; 2] = ["type", "transfer_manager"];

impl Target {
    /// Copies the pool as it is at one moment to a new file at `path`, while others go on: see
    /// [`Regions::snapshot`](crate::Regions::snapshot).
    pub fn snapshot_to(
        &self,
        path: &Path,
        options: TransferOptions,
        proceed: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<ImageReport, TargetError> {
        Ok(self.snapshot(&disk_of(&self.config), path, options, proceed)?)
    }

    /// Moves the pool to `path` and opens it there; see [`migrate`]. The configuration is this target's, with the path
    /// and what [`MigrateOptions::merge_config`] says instead; a path there is where the pool goes. From then on this
    /// handle answers [`RegionError::Retired`](crate::RegionError::Retired), unless the source is to stay.
    ///
    /// Errors: a configuration that cannot be, before anything is done; of [`migrate`], and then this target serves
    /// on; of [`Target::open`] at the destination, and then the pool is there. Memory has no file that could move:
    /// [`copy_regions`](crate::transfer::copy_regions) copies what is in it.
    pub fn migrate(
        &self,
        path: &Path,
        options: &MigrateOptions,
        proceed: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(Target, Migration), TargetError> {
        let config = self.config_at(path, &options.merge_config)?;
        let source = self.path().ok_or_else(|| ImageError::Source {
            reason: "memory has no file: copy its regions one by one".to_owned(),
        })?;
        if options.remove_source {
            // Another pool may have the name by now, which is not ours to remove.
            self.still_whole()?;
        }
        let to = config.path.as_deref().unwrap_or(path);
        let disk = disk_of(&config);
        let migration = migrate(self, source, &disk, to, options, proceed)?;
        let config = TargetConfig {
            path: Some(migration.image.path.clone()),
            ..config
        };
        Ok((Target::open(config)?, migration))
    }

    /// The configuration at the destination.
    fn config_at(&self, path: &Path, merge: &Value) -> Result<TargetConfig, ConfigError> {
        let mut outer = object(self.config_json());
        let mut inner = object(outer.remove("config").unwrap_or_default());
        for field in OF_MAKING {
            inner.remove(field);
        }
        inner.insert("path".to_owned(), path.display().to_string().into());
        for (field, value) in object(merge.clone()) {
            match OUTER.contains(&field.as_str()) {
                true => outer.insert(field, value),
                false => inner.insert(field, value),
            };
        }
        outer.insert("config".to_owned(), Value::Object(inner));
        let config = TargetConfig::try_from(Value::Object(outer))?;
        if config.kind == TargetKind::Memory {
            let rule = "must be a type that has a file";
            return Err(ConfigError::value("type", &"memory".into(), rule));
        }
        Ok(config)
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn disk_of(config: &TargetConfig) -> LocalDisk {
    LocalDisk::new(&FileOptions {
        allow_foreign_fs: config.allow_foreign_fs,
        ..FileOptions::default()
    })
}
