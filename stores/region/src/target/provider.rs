//! Several targets from one document, in this process.
//!
//! | document | meaning |
//! |---|---|
//! | `{"targets": [{"type", "config"}, …], "transfer_manager": …}` | a provider's configuration |
//! | `{"target": {"type", "config"}, "transfer_manager": …}` | the same with one target |
//! | `{"config": …}`, or `{"providers": [{"type", "provider_id", "config"}, …]}` | the envelope of a deployment |
//!
//! A transfer manager applies to every target that has none of its own. There is no network: whoever holds the value
//! uses its targets.

use serde_json::{Value, json};

use super::fields::Fields;
use super::transfer::TransferConfig;
use super::{ConfigError, Target, TargetConfig, TargetError};

const SCOPE: &str = "the provider's configuration";

/// Open targets under one number.
#[derive(Debug)]
pub struct Provider {
    id: u16,
    targets: Vec<Target>,
}

impl Provider {
    /// Opens every target that `config`, a JSON text, describes for provider `id`.
    ///
    /// Errors: [`ConfigError`], before anything is opened; or [`TargetError::InProvider`], which names the target:
    /// those before it are closed again.
    pub fn new(id: u16, config: &str) -> Result<Provider, TargetError> {
        let value = serde_json::from_str(config).map_err(|error| ConfigError::NotJson {
            reason: error.to_string(),
        })?;
        let configs = target_configs(id, value)?;
        let mut targets = Vec::with_capacity(configs.len());
        for (index, config) in configs.into_iter().enumerate() {
            let kind = config.kind.name();
            let target = Target::open(config).map_err(|error| TargetError::InProvider {
                provider_id: id,
                index,
                kind,
                error: Box::new(error),
            })?;
            targets.push(target);
        }
        Ok(Provider { id, targets })
    }

    /// Its number.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// Its targets, in the document's order.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The target at `index` of the document.
    pub fn target(&self, index: usize) -> Option<&Target> {
        self.targets.get(index)
    }

    /// What is in force, as a document that [`Provider::new`] opens again.
    pub fn config_json(&self) -> Value {
        let targets: Vec<Value> = self.targets.iter().map(Target::config_json).collect();
        json!({ "targets": targets })
    }

    /// Closes every target. Errors: the first that failed; the others are closed all the same.
    pub fn close(self) -> Result<(), TargetError> {
        let mut first = Ok(());
        for (index, target) in self.targets.into_iter().enumerate() {
            let kind = target.config().kind.name();
            let outcome = target.close().map_err(|error| TargetError::InProvider {
                provider_id: self.id,
                index,
                kind,
                error: Box::new(error),
            });
            first = first.and(outcome);
        }
        first
    }
}

/// The configuration of each target, with all envelopes taken off.
fn target_configs(id: u16, value: Value) -> Result<Vec<TargetConfig>, ConfigError> {
    let mut fields = Fields::of(SCOPE, own_part(id, value)?)?;
    let many = fields.take(&["targets"])?;
    let one = fields.take(&["target"])?;
    let manager = fields.take(&["transfer_manager"])?;
    fields.finish()?;
    let shared = match manager {
        Some((_, manager)) => TransferConfig::from_manager(manager)?,
        None => None,
    };
    let values = match (many, one) {
        (Some((_, Value::Array(values))), None) => values,
        (None, Some((_, value))) => vec![value],
        (Some((name, value)), None) => {
            return Err(ConfigError::value(
                name,
                &value,
                "must be an array of targets",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(ConfigError::Conflict {
                field: "targets",
                other: "target",
                why: "one lists what the other has alone",
            });
        }
        (None, None) => {
            return Err(ConfigError::Missing {
                field: "targets",
                why: "a provider without a target stores nothing",
            });
        }
    };
    let read = |(index, value): (usize, Value)| {
        let mut config = TargetConfig::try_from(value)
            .map_err(|error| error.at(format!("target {index} of provider {id}")))?;
        config.transfer = config.transfer.or(shared);
        Ok(config)
    };
    values.into_iter().enumerate().map(read).collect()
}

/// The configuration of provider `id` in whatever envelope it came.
fn own_part(id: u16, value: Value) -> Result<Value, ConfigError> {
    let has = |key: &str| value.get(key).is_some();
    if has("providers") {
        return from_deployment(id, value);
    }
    if has("provider_id") || (has("config") && !has("targets") && !has("target")) {
        return from_envelope(id, value);
    }
    Ok(value)
}

/// The provider `id` in `{"libraries": …, "providers": […]}`; other kinds of providers are not ours to read.
fn from_deployment(id: u16, value: Value) -> Result<Value, ConfigError> {
    let mut fields = Fields::of("the deployment", value)?;
    fields.take(&["libraries"])?;
    let providers = match fields.take(&["providers"])? {
        Some((_, Value::Array(providers))) => providers,
        Some((name, other)) => {
            return Err(ConfigError::value(
                name,
                &other,
                "must be an array of providers",
            ));
        }
        None => Vec::new(),
    };
    fields.finish()?;
    for (index, provider) in providers.into_iter().enumerate() {
        if let Some(kind) = provider.get("type").and_then(Value::as_str)
            && !matches!(kind, "warabi" | "everline")
        {
            continue;
        }
        let number = provider.get("provider_id").and_then(Value::as_u64);
        if number == Some(id.into()) {
            let place = format!("provider {index} of the deployment");
            return from_envelope(id, provider).map_err(|error| error.at(place));
        }
    }
    Err(ConfigError::Value {
        field: "provider_id".to_owned(),
        value: id.to_string(),
        rule: "must be the number of a region provider in the deployment",
    })
}

/// The configuration in `{"type", "name", "provider_id", "config"}`.
fn from_envelope(id: u16, value: Value) -> Result<Value, ConfigError> {
    let mut fields = Fields::of("the provider", value)?;
    for free in ["name", "tags", "pool", "dependencies"] {
        fields.take(&[free])?;
    }
    if let Some(kind) = fields.text(&["type"])?
        && !matches!(kind.as_str(), "warabi" | "everline")
    {
        let rule = "must be warabi or everline: other providers keep no regions";
        return Err(ConfigError::value("type", &json!(kind), rule));
    }
    if let Some(number) = fields.number(&["provider_id"])?
        && number != u64::from(id)
    {
        let rule = "must be the number that the provider is opened under";
        return Err(ConfigError::value("provider_id", &json!(number), rule));
    }
    let config = fields.take(&["config"])?;
    fields.finish()?;
    let config = config.ok_or(ConfigError::Missing {
        field: "config",
        why: "it lists the provider's targets",
    })?;
    Ok(config.1)
}
