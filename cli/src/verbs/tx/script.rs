//! The lines of a transaction's script.
//!
//! ```text
//! # transfers ten
//! get account:1
//! put account:1 "90 \u20ac"
//! savepoint before
//! del account:2
//! rollback before
//! space stock
//! put bolt 7
//! commit
//! ```
//!
//! A word ends at a blank. One in quotation marks is a JSON string and may hold any text; with `--hex` keys and values are
//! hexadecimal digits.

use std::ffi::OsStr;

use crate::exit::Failure;
use crate::verbs::kv::bytes_of;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Store a value.
    Put(Vec<u8>, Vec<u8>),
    /// Show a value.
    Get(Vec<u8>),
    /// Remove a key.
    Del(Vec<u8>),
    /// Mark this moment.
    Savepoint(String),
    /// Go back to a moment that was marked.
    Rollback(String),
    /// What follows is about this keyspace.
    Space(String),
    /// Keep all of it.
    Commit,
    /// Keep nothing.
    Abort,
}

/// Reads the line with this number; `None` where it is empty or a remark.
pub fn read(line: &str, number: u64, hex: bool) -> Result<Option<Step>, Failure> {
    let wrong =
        |what: String| Failure::usage(format!("line {number}: {what}; nothing was changed"));
    let words = words(line).map_err(wrong)?;
    let Some((verb, rest)) = words.split_first() else {
        return Ok(None);
    };
    let bytes = |word: &String| {
        let bytes = bytes_of(OsStr::new(word), hex);
        bytes.map_err(|failure| wrong(failure.message))
    };
    let step = match (verb.as_str(), rest) {
        ("put", [key, value]) => Step::Put(bytes(key)?, bytes(value)?),
        ("get", [key]) => Step::Get(bytes(key)?),
        ("del" | "delete", [key]) => Step::Del(bytes(key)?),
        ("savepoint", [name]) => Step::Savepoint(name.clone()),
        ("rollback", [name]) => Step::Rollback(name.clone()),
        ("space", [name]) => Step::Space(name.clone()),
        ("commit", []) => Step::Commit,
        ("abort", []) => Step::Abort,
        ("put", _) => return Err(wrong("put takes a key and a value".to_string())),
        ("get" | "del" | "delete", _) => return Err(wrong(format!("{verb} takes a key"))),
        ("savepoint" | "rollback" | "space", _) => {
            return Err(wrong(format!("{verb} takes a name")));
        }
        ("commit" | "abort", _) => return Err(wrong(format!("{verb} takes nothing"))),
        _ => {
            return Err(wrong(format!(
                "\"{}\" is none of put, get, del, savepoint, rollback, space, commit, abort",
                verb.escape_debug()
            )));
        }
    };
    Ok(Some(step))
}

/// The words of a line; a `#` at the beginning of one makes the rest a remark.
fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut rest) = (Vec::new(), line.trim_start());
    while !rest.is_empty() && !rest.starts_with('#') {
        let end = match rest.starts_with('"') {
            true => {
                let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
                let word = values.next().and_then(Result::ok);
                let word =
                    word.ok_or("a word in quotation marks does not end, or is no JSON string")?;
                words.push(word);
                values.byte_offset()
            }
            false => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                words.push(rest[..end].to_string());
                end
            }
        };
        let behind = &rest[end..];
        if !behind.is_empty() && !behind.starts_with(char::is_whitespace) {
            return Err("a blank is missing behind a word in quotation marks".to_string());
        }
        rest = behind.trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(line: &str, hex: bool) -> Option<Step> {
        read(line, 1, hex).unwrap_or_else(|failure| panic!("{}", failure.message))
    }

    #[test]
    fn words_are_plain_quoted_or_digits() {
        let put = |key: &[u8], value: &[u8]| Some(Step::Put(key.to_vec(), value.to_vec()));
        assert_eq!(step("put a b", false), put(b"a", b"b"));
        assert_eq!(step("  put \"a b\" \"\" # remark", false), put(b"a b", b""));
        assert_eq!(step(r#"put "\n\"" x"#, false), put(b"\n\"", b"x"));
        assert_eq!(step("put fffe 00", true), put(&[0xFF, 0xFE], &[0]));
        assert_eq!(step("# remark", false), None);
        assert_eq!(step("", false), None);
        for line in [
            "put a",
            "get",
            "fetch a",
            "put \"a b",
            "put \"a\"b c",
            "commit now",
        ] {
            let failure = read(line, 7, false).expect_err(line);
            assert!(
                failure.message.starts_with("line 7: "),
                "{}",
                failure.message
            );
        }
        assert!(read("put xyz 00", 1, true).is_err());
    }
}
