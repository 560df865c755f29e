//! Sizes as people type them: `64MiB`, `1G`, `1GB`, `4096`.
//!
//! | suffix | factor |
//! |---|---|
//! | none, `B` | 1 |
//! | `K` `M` `G` `T`, `KiB` `MiB` `GiB` `TiB` | powers of 1,024 |
//! | `KB` `MB` `GB` `TB` | powers of 1,000 |
//!
//! Letters of either case; a space before the suffix is allowed.

/// A text that is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseSizeError {
    /// There are no digits in front.
    #[error("`{text}` does not begin with a number; write 64MiB, 1G or plain bytes")]
    NoNumber {
        /// What was given.
        text: String,
    },
    /// What follows the digits means nothing.
    #[error("unknown unit `{unit}` in `{text}`; write 64MiB, 1G or plain bytes")]
    UnknownUnit {
        /// What was given.
        text: String,
        /// The part behind the digits.
        unit: String,
    },
    /// More than 64 bits can count.
    #[error("`{text}` is more than 2^64-1 bytes")]
    TooLarge {
        /// What was given.
        text: String,
    },
}

/// Bytes that `text` stands for.
///
/// ```
/// assert_eq!(everline_region::parse_size("16MiB"), Ok(16 << 20));
/// ```
pub fn parse_size(text: &str) -> Result<u64, ParseSizeError> {
    let text = text.trim();
    let given = || text.to_owned();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    if number.is_empty() {
        return Err(ParseSizeError::NoNumber { text: given() });
    }
    let too_large = || ParseSizeError::TooLarge { text: given() };
    let number: u64 = number.parse().map_err(|_| too_large())?;
    let suffix = suffix.trim();
    let factor = factor(suffix).ok_or_else(|| ParseSizeError::UnknownUnit {
        text: given(),
        unit: suffix.to_owned(),
    })?;
    number.checked_mul(factor).ok_or_else(too_large)
}

fn factor(suffix: &str) -> Option<u64> {
    let suffix = suffix.to_ascii_lowercase();
    if suffix.is_empty() || suffix == "b" {
        return Some(1);
    }
    let exponent = "kmgt".find(suffix.get(..1)?)? as u32 + 1;
    match &suffix[1..] {
        "" | "ib" => Some(1 << (10 * exponent)),
        "b" => Some(1000u64.pow(exponent)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_spelling_is_understood() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("4096B", 4096),
            ("64MiB", 64 << 20),
            ("64 MiB", 64 << 20),
            ("64mib", 64 << 20),
            ("1K", 1024),
            ("1kb", 1000),
            ("1G", 1 << 30),
            ("1GiB", 1 << 30),
            ("1GB", 1_000_000_000),
            ("2T", 2 << 40),
            (" 7 ", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "begin with a number"),
            ("MiB", "begin with a number"),
            ("-1", "begin with a number"),
            ("1.5G", "unknown unit"),
            ("1X", "unknown unit"),
            ("1GiBB", "unknown unit"),
            ("1é", "unknown unit"),
            ("18446744073709551616", "more than"),
            ("99999999999T", "more than"),
        ] {
            let error = parse_size(text).expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
