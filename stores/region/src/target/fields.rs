//! The fields of one JSON object: taken one by one under all their names, until nothing may be left.

use everline::layout::LayoutName;
use everline::media::Domain;
use serde_json::{Map, Value};

use super::ConfigError;
use super::config::RecoveryMode;
use super::size::parse_size;

/// Similarity from which a known key is suggested for an unknown one.
const SUGGESTED_FROM: f64 = 0.7;

/// An object whose fields are being read. Every key that was asked for is known; what is left at the end is not.
pub(crate) struct Fields<'s> {
    scope: &'s str,
    map: Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'s> Fields<'s> {
    /// The fields of `value`, which is `scope` to the reader of an error.
    pub fn of(scope: &'s str, value: Value) -> Result<Self, ConfigError> {
        match value {
            Value::Object(map) => Ok(Fields {
                scope,
                map,
                known: Vec::new(),
            }),
            other => Err(ConfigError::value(scope, &other, "must be a JSON object")),
        }
    }

    /// The field under the first of `names` or one of its aliases; `null` counts as absent.
    ///
    /// Errors: it is there under two of them with different values.
    pub fn take(
        &mut self,
        names: &[&'static str],
    ) -> Result<Option<(&'static str, Value)>, ConfigError> {
        self.known.extend(names);
        let mut taken: Option<(&'static str, Value)> = None;
        for name in names {
            let Some(value) = self.map.remove(*name).filter(|value| !value.is_null()) else {
                continue;
            };
            match &taken {
                None => taken = Some((name, value)),
                Some((_, first)) if *first == value => {}
                Some((first, _)) => {
                    return Err(ConfigError::Twice {
                        field: (*first).to_owned(),
                        alias: (*name).to_owned(),
                    });
                }
            }
        }
        Ok(taken)
    }

    /// Keys that stand beside these fields, so that a misspelled one is told what it resembles.
    pub fn also_known(&mut self, names: &[&'static str]) {
        self.known.extend(names);
    }

    /// What is left, for an object that holds another's fields beside its own.
    pub fn rest(&mut self) -> Value {
        Value::Object(std::mem::take(&mut self.map))
    }

    pub fn flag(&mut self, names: &[&'static str]) -> Result<Option<bool>, ConfigError> {
        self.read(names, "must be true or false", Value::as_bool)
    }

    pub fn text(&mut self, names: &[&'static str]) -> Result<Option<String>, ConfigError> {
        self.read(names, "must be a text", |value| {
            value.as_str().map(str::to_owned)
        })
    }

    pub fn number(&mut self, names: &[&'static str]) -> Result<Option<u64>, ConfigError> {
        self.read(names, "must be a whole number, not negative", Value::as_u64)
    }

    pub fn number32(&mut self, names: &[&'static str]) -> Result<Option<u32>, ConfigError> {
        self.read(names, "must be a whole number below 2^32", |value| {
            value.as_u64().and_then(|number| number.try_into().ok())
        })
    }

    /// A number of bytes, plain or as `"16MiB"`.
    pub fn bytes(&mut self, names: &[&'static str]) -> Result<Option<u64>, ConfigError> {
        let rule = "must be a number of bytes, plain or as \"16MiB\"";
        self.read(names, rule, |value| match value {
            Value::String(text) => parse_size(text).ok(),
            number => number.as_u64(),
        })
    }

    pub fn layout(&mut self, names: &[&'static str]) -> Result<Option<LayoutName>, ConfigError> {
        let rule = "must be a text of at most 64 bytes without a zero byte";
        self.read(names, rule, |value| LayoutName::new(value.as_str()?))
    }

    pub fn domain(&mut self, names: &[&'static str]) -> Result<Option<Domain>, ConfigError> {
        let rule = "must be volatile, device (or msync), memory_controller (or adr), or cpu_cache (or eadr)";
        self.read(names, rule, |value| domain_of(value.as_str()?))
    }

    pub fn recovery(
        &mut self,
        names: &[&'static str],
    ) -> Result<Option<RecoveryMode>, ConfigError> {
        let rule = "must be full, checkpoint or none";
        self.read(names, rule, |value| RecoveryMode::of(value.as_str()?))
    }

    fn read<T>(
        &mut self,
        names: &[&'static str],
        rule: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some((name, value)) = self.take(names)? else {
            return Ok(None);
        };
        match read(&value) {
            Some(read) => Ok(Some(read)),
            None => Err(ConfigError::value(name, &value, rule)),
        }
    }

    /// Nothing may be left. Errors: the first key that nobody knows, with the known one that is most like it.
    pub fn finish(self) -> Result<(), ConfigError> {
        let Some(key) = self.map.keys().next() else {
            return Ok(());
        };
        let best = self
            .known
            .iter()
            .map(|known| (strsim::jaro_winkler(known, key), *known))
            .filter(|(likeness, _)| *likeness >= SUGGESTED_FROM)
            .max_by(|one, other| one.0.total_cmp(&other.0));
        let known: Vec<&str> = self.known.clone();
        Err(ConfigError::UnknownKey {
            scope: self.scope.to_owned(),
            key: key.clone(),
            suggestion: best.map(|(_, known)| known),
            known: known.join(", "),
        })
    }
}

/// The domain that a word stands for.
fn domain_of(word: &str) -> Option<Domain> {
    match word {
        "volatile" => Some(Domain::Volatile),
        "device" | "msync" => Some(Domain::Device),
        "memory_controller" | "adr" => Some(Domain::MemoryController),
        "cpu_cache" | "eadr" => Some(Domain::CpuCache),
        _ => None,
    }
}
