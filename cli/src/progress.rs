//! Progress on stderr, where that is a terminal; nothing otherwise.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `total` steps. It draws nothing where stderr is not a terminal.
pub fn bar(what: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(what);
    // A template that does not parse would be a mistake of this line: the default style serves as well.
    if let Ok(style) = ProgressStyle::with_template("{msg:<28} {wide_bar} {pos}/{len}") {
        bar.set_style(style);
    }
    bar
}
