//! Progress on stderr, where that is a terminal; nothing otherwise.

use std::ops::ControlFlow;

use everline_region::transfer::{Phase, Progress};
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

/// A bar for each phase of a copy.
#[derive(Default)]
pub struct Copying {
    phase: Option<(Phase, ProgressBar)>,
}

impl Copying {
    /// Shows how far the copy is; it goes on.
    pub fn show(&mut self, progress: Progress) -> ControlFlow<()> {
        let bar = match &mut self.phase {
            Some((phase, shown)) if *phase == progress.phase => shown,
            phase => {
                let what = match progress.phase {
                    Phase::Copying => "copying",
                    Phase::Verifying => "verifying",
                };
                let shown = bar(what, progress.total);
                &mut phase.insert((progress.phase, shown)).1
            }
        };
        bar.set_position(progress.done);
        ControlFlow::Continue(())
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        if let Some((_, bar)) = &self.phase {
            bar.finish_and_clear();
        }
    }
}
