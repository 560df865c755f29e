//! Planted bugs as edits of shipped code: small files that say which text becomes which.
//!
//! ```text
//! title: what is wrong
//! oracle: A
//!
//! file: src/log/append.rs
//! shipped:
//! the text as it stands; it must occur exactly once
//! planted:
//! what takes its place; planted!() is whether this bug is on
//! end
//! ```
//!
//! A file's name begins with the bug's number: m for the project's list, x for those that are not on it.

use std::fs;
use std::path::Path;

/// One planted bug.
#[derive(Clone, Debug)]
pub struct Bug {
    /// As in `m07`.
    pub name: String,
    /// What switches it on in the copy.
    pub number: u32,
    pub title: String,
    /// Which oracle is to catch it.
    pub oracle: String,
    pub edits: Vec<Edit>,
}

/// One place in one file.
#[derive(Clone, Debug)]
pub struct Edit {
    pub file: String,
    shipped: String,
    planted: String,
}

/// Bugs of our own are numbered from here.
const OWN: u32 = 100;

/// Every bug in `folder`, by name. Errors: a file that is not written as above.
pub fn load(folder: &Path) -> Result<Vec<Bug>, String> {
    let unreadable = |error| format!("{}: {error}", folder.display());
    let mut bugs = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "edit")
        {
            let text = fs::read_to_string(&path).map_err(unreadable)?;
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            bugs.push(parse(&stem, &text).map_err(|why| format!("{}: {why}", path.display()))?);
        }
    }
    bugs.sort_by(|a: &Bug, b: &Bug| a.name.cmp(&b.name));
    Ok(bugs)
}

fn parse(stem: &str, text: &str) -> Result<Bug, String> {
    let name = stem.split('-').next().unwrap_or_default();
    let digits = name.get(1..).and_then(|digits| digits.parse::<u32>().ok());
    let number = match (name.as_bytes().first(), digits) {
        (Some(b'm'), Some(number)) => number,
        (Some(b'x'), Some(number)) => OWN + number,
        _ => return Err("its name begins with neither m nor x and a number".into()),
    };
    let field = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(key));
        lines
            .next()
            .map(str::to_owned)
            .ok_or(format!("no line {key}"))
    };
    let mut edits = Vec::new();
    for part in text.split("\nfile: ").skip(1) {
        edits.push(edit(part).ok_or(format!("edit {} is malformed", edits.len() + 1))?);
    }
    match edits.is_empty() {
        true => Err("it edits nothing".into()),
        false => Ok(Bug {
            name: name.to_owned(),
            number,
            title: field("title: ")?,
            oracle: field("oracle: ")?,
            edits,
        }),
    }
}

fn edit(part: &str) -> Option<Edit> {
    let (file, rest) = part.split_once("\nshipped:\n")?;
    let (shipped, rest) = rest.split_once("\nplanted:\n")?;
    let (planted, _) = rest.split_once("\nend\n")?;
    Some(Edit {
        file: file.to_owned(),
        shipped: shipped.to_owned(),
        planted: planted.to_owned(),
    })
}

/// `text` of `file` with all edits of all `bugs`.
///
/// Errors: an edit whose text does not occur exactly once, or meets that of another.
pub fn apply(file: &str, text: &str, bugs: &[Bug]) -> Result<String, String> {
    let mut places = Vec::new();
    for bug in bugs {
        for edit in bug.edits.iter().filter(|edit| edit.file == file) {
            let found: Vec<usize> = text
                .match_indices(&edit.shipped)
                .map(|(at, _)| at)
                .collect();
            let [at] = found[..] else {
                return Err(format!(
                    "{} ({}) no longer applies: {file} holds its text {} times, not once; mend fault_injection/planted",
                    bug.name,
                    bug.title,
                    found.len()
                ));
            };
            let on = format!("crate::planted::on({})", bug.number);
            places.push((at, edit, &bug.name, edit.planted.replace("planted!()", &on)));
        }
    }
    places.sort_by_key(|place| place.0);
    let mut edited = String::with_capacity(text.len() * 2);
    let mut done = 0;
    for (at, edit, name, planted) in places {
        if at < done {
            return Err(format!("{name} meets another edit of {file}"));
        }
        edited += &text[done..at];
        edited += &planted;
        done = at + edit.shipped.len();
    }
    edited += &text[done..];
    Ok(edited)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUG: &str = "title: none\noracle: A\n\nfile: a.rs\nshipped:\n  one\nplanted:\n  if planted!() { two }\nend\n";

    #[test]
    fn an_edit_that_no_longer_applies_is_an_error_that_names_it() {
        let bug = parse("m07-none", BUG).expect("well formed");
        let bugs = [bug];
        let edited = apply("a.rs", "zero\n  one\n", &bugs);
        assert_eq!(
            edited.as_deref(),
            Ok("zero\n  if crate::planted::on(7) { two }\n")
        );
        for text in ["zero", "  one\n  one\n"] {
            let error = apply("a.rs", text, &bugs).expect_err("does not apply");
            assert!(
                error.contains("m07") && error.contains("no longer applies"),
                "{error}"
            );
        }
    }

    #[test]
    fn two_edits_of_one_place_are_an_error() {
        let bugs = ["m07-none", "x01-none"].map(|stem| parse(stem, BUG).expect("well formed"));
        let error = apply("a.rs", "  one\n", &bugs).expect_err("they meet");
        assert!(error.contains("meets"), "{error}");
    }

    #[test]
    fn a_malformed_edit_is_an_error() {
        for (stem, text) in [
            ("7", BUG),
            ("m07", "title: x\noracle: A\n"),
            ("m07", &BUG[..40]),
        ] {
            assert!(parse(stem, text).is_err(), "{stem}");
        }
    }
}
