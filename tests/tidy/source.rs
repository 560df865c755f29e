//! Reads Rust sources as the rules need them: code without comments and literals, and words of code.

use std::fs;
use std::path::{Path, PathBuf};

/// One file, under its path from the repository root.
pub struct Source {
    pub path: String,
    pub raw: String,
    /// `raw` with comments and the insides of literals blanked; lines and columns stay where they were.
    pub code: String,
}

impl Source {
    pub fn new(path: &str, raw: &str) -> Self {
        Self {
            path: path.to_string(),
            raw: raw.to_string(),
            code: blank_prose(raw),
        }
    }

    /// The folder or file name right below `src/`: `tx` for `src/tx/commit.rs` and for `src/tx.rs`.
    pub fn module_below_src(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/")?;
        Some(
            rest.split('/')
                .next()
                .unwrap_or(rest)
                .trim_end_matches(".rs"),
        )
    }

    pub fn words(&self) -> Vec<Word<'_>> {
        words(&self.code)
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(root().join(path))
        .map_err(|error| format!("{path}: cannot be read: {error}"))
}

/// All Rust files below the given folders, sorted; a folder that does not exist has none.
pub fn sources(folders: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut found);
    }
    found.sort();
    found
        .into_iter()
        .map(|file| {
            let path = file
                .strip_prefix(root())
                .expect("below the root")
                .to_str()
                .expect("UTF-8 path");
            Source::new(
                path,
                &fs::read_to_string(&file).expect("a source is readable UTF-8"),
            )
        })
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("a folder entry").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// An identifier, or one other character that is not white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    pub text: &'a str,
    pub line: usize,
}

fn words(code: &str) -> Vec<Word<'_>> {
    let mut found = Vec::new();
    for (index, text) in code.lines().enumerate() {
        let mut start = None;
        for (at, c) in text.char_indices() {
            if c.is_alphanumeric() || c == '_' {
                start.get_or_insert(at);
                continue;
            }
            if let Some(from) = start.take() {
                found.push(Word {
                    text: &text[from..at],
                    line: index + 1,
                });
            }
            if !c.is_whitespace() {
                found.push(Word {
                    text: &text[at..at + c.len_utf8()],
                    line: index + 1,
                });
            }
        }
        if let Some(from) = start {
            found.push(Word {
                text: &text[from..],
                line: index + 1,
            });
        }
    }
    found
}

/// Replaces comments and the insides of string and character literals by blanks.
fn blank_prose(raw: &str) -> String {
    let chars: Vec<char> = raw.chars().collect();
    let mut out: Vec<char> = Vec::with_capacity(chars.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match prose_end(&chars, at) {
            Some(end) => end,
            None => {
                out.push(chars[at]);
                at += 1;
                continue;
            }
        };
        out.extend(
            chars[at..end]
                .iter()
                .map(|&c| if c == '\n' { '\n' } else { ' ' }),
        );
        at = end;
    }
    out.into_iter().collect()
}

/// Where the comment or literal that starts at `at` ends, or `None` where code is.
fn prose_end(chars: &[char], at: usize) -> Option<usize> {
    let next = |offset: usize| chars.get(at + offset).copied().unwrap_or(' ');
    match chars[at] {
        '/' if next(1) == '/' => Some(find(chars, at, |c, _| c == '\n')),
        '/' if next(1) == '*' => Some(block_comment_end(chars, at)),
        '"' => Some(string_end(chars, at + 1)),
        'r' if !in_word(chars, at) || (at > 0 && chars[at - 1] == 'b') => raw_string_end(chars, at),
        '\'' => char_end(chars, at),
        _ => None,
    }
}

fn in_word(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

fn find(chars: &[char], from: usize, stop: impl Fn(char, usize) -> bool) -> usize {
    (from..chars.len())
        .find(|&i| stop(chars[i], i))
        .unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], at: usize) -> usize {
    let (mut depth, mut i) = (0usize, at);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], from: usize) -> usize {
    let mut i = from;
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

fn raw_string_end(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
    let open = at + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let close = |i: usize| {
        chars[i + 1..]
            .iter()
            .take(hashes)
            .filter(|&&c| c == '#')
            .count()
            == hashes
    };
    Some((find(chars, open + 1, |c, i| c == '"' && close(i)) + 1 + hashes).min(chars.len()))
}

/// A character literal ends here; a lifetime is code.
fn char_end(chars: &[char], at: usize) -> Option<usize> {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => Some((find(chars, at + 3, |c, _| c == '\'') + 1).min(chars.len())),
        (Some(_), Some('\'')) => Some(at + 3),
        _ => None,
    }
}

#[test]
fn comments_and_literals_are_not_code() {
    let source = Source::new(
        "src/x.rs",
        "let a = \"unsafe \\\" {\"; // unsafe\n/* unsafe /* x */ unsafe */ let b: &'a u8 = r#\"unsafe \" \"#; let c = ['\"', '\\'', 'x'];\nunsafe {}\n",
    );
    let unsafes: Vec<_> = source
        .words()
        .into_iter()
        .filter(|word| word.text == "unsafe")
        .collect();
    assert_eq!(
        unsafes,
        [Word {
            text: "unsafe",
            line: 3
        }]
    );
    assert_eq!(source.raw.lines().count(), source.code.lines().count());
}
