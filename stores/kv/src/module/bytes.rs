//! Any bytes as JSON, and back: text where they are text, hexadecimal digits where they are not.
//!
//! ```text
//! b"name"     "name"
//! [0xFF, 0]   {"hex": "ff00"}
//! ```
//!
//! Either form is read for any bytes; the text form is written for every UTF-8, so that a round trip is exact and
//! ordinary text stays readable.

use serde_json::{Value, json};

/// Bytes as JSON.
pub fn to_json(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => to_hex_json(bytes),
    }
}

/// Bytes as JSON in hexadecimal digits, text or not.
pub fn to_hex_json(bytes: &[u8]) -> Value {
    json!({"hex": to_hex(bytes)})
}

/// The bytes that `value` stands for; `None` where it is neither a text nor `{"hex": "…"}`.
pub fn from_json(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Object(map) if map.len() == 1 => from_hex(map.get("hex")?.as_str()?),
        _ => None,
    }
}

/// Two lower-case hexadecimal digits for each byte.
pub fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;

    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // A String takes every write.
        let _written = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes of hexadecimal digits, in either case; `None` for anything else or half a byte.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() % 2 != 0 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    digits
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back_from_either_form() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [
            &b""[..],
            b"text",
            "\u{fc}\n\"".as_bytes(),
            &[0xFF, 0xFE],
            &all,
        ] {
            assert_eq!(from_json(&to_json(bytes)).as_deref(), Some(bytes));
            assert_eq!(from_json(&to_hex_json(bytes)).as_deref(), Some(bytes));
        }
        assert_eq!(to_json(b"text"), json!("text"));
        assert_eq!(to_json(&[0xFF, 0]), json!({"hex": "ff00"}));
        assert_eq!(from_hex("FFfe"), Some(vec![0xFF, 0xFE]));
        for wrong in [
            json!(1),
            json!({"hex": "f"}),
            json!({"hex": "zz"}),
            json!({}),
            json!(null),
        ] {
            assert_eq!(from_json(&wrong), None, "{wrong}");
        }
    }
}
