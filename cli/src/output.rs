//! An answer: lines for a person, one object for a program.

use std::io::{self, Write};

use serde_json::Value;

use crate::exit::Code;

/// What a verb has to say.
#[derive(Debug)]
pub struct Answer {
    /// How the command ends.
    pub code: Code,
    /// For `--json`: one object.
    pub json: Value,
    /// For a person; for `region get` the region's bytes.
    pub text: Vec<u8>,
}

impl Answer {
    /// All went well.
    pub fn ok(json: Value, text: impl Into<Vec<u8>>) -> Self {
        Answer {
            code: Code::Ok,
            json,
            text: text.into(),
        }
    }
}

/// Lines of names and values, values below one another.
#[derive(Debug, Default)]
pub struct Lines(String);

impl Lines {
    /// A name and its value.
    pub fn put(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        self.0 += &format!("{name:<20} {value}\n");
        self
    }

    /// A line of its own.
    pub fn say(&mut self, line: impl std::fmt::Display) -> &mut Self {
        self.0 += &format!("{line}\n");
        self
    }

    /// All of it.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

/// Writes a line to stdout. Errors: stdout is closed or full.
pub fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Writes bytes to stdout. Errors: stdout is closed or full.
pub fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Bytes as text: `16777216 bytes (16 MiB)`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = None;
    for name in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = Some(name);
    }
    match unit {
        None => format!("{bytes} bytes"),
        Some(unit) if value.fract() == 0.0 => format!("{bytes} bytes ({value:.0} {unit})"),
        Some(unit) => format!("{bytes} bytes ({value:.1} {unit})"),
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_bytes_and_in_the_largest_unit_that_fits() {
        assert_eq!(size(0), "0 bytes");
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(64 << 20), "67108864 bytes (64 MiB)");
        assert_eq!(size(1536), "1536 bytes (1.5 KiB)");
    }
}
