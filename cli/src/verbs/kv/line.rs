//! A key and a value as one line of JSON: `{"key": …, "value": …}`, each a text or `{"hex": "…"}`.

use everline_kv::module::bytes;
use serde_json::{Value, json};

use crate::exit::Failure;

/// The line, without its end.
pub fn written(key: &[u8], value: &[u8], hex: bool) -> String {
    let told = match hex {
        true => bytes::to_hex_json,
        false => bytes::to_json,
    };
    json!({"key": told(key), "value": told(value)}).to_string()
}

/// Key and value of a line. Errors: what is wrong with the line that has this number.
pub fn read(line: &[u8], number: u64) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let wrong = |what: &str| {
        Failure::usage(format!(
            "line {number} {what}: a line is {{\"key\": …, \"value\": …}}, each a text or {{\"hex\": \"…\"}}"
        ))
    };
    let value: Value =
        serde_json::from_slice(line).map_err(|error| wrong(&format!("is no JSON ({error})")))?;
    let Value::Object(mut map) = value else {
        return Err(wrong("is no object"));
    };
    let mut field = |name: &str| {
        let value = map
            .remove(name)
            .ok_or_else(|| wrong(&format!("has no \"{name}\"")))?;
        bytes::from_json(&value)
            .ok_or_else(|| wrong(&format!("has a \"{name}\" that stands for no bytes")))
    };
    let entry = (field("key")?, field("value")?);
    match map.keys().next() {
        None => Ok(entry),
        Some(key) => Err(wrong(&format!("has \"{key}\" too"))),
    }
}
