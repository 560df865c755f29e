//! What the laboratory's lints say of the engine and is right all the same.

use everline_crash::{Lint, LintKind};

/// Kind, file, and why it is so.
pub const KNOWN: [(LintKind, &str, &str); 5] = [
    (
        LintKind::UnflushedAtAck,
        "src/tx/commit.rs",
        "the committed record holds the bytes; their homes are flushed at the next checkpoint",
    ),
    (
        LintKind::UnflushedAtAck,
        "src/tx/undo/snapshot.rs",
        "stores in place are in the committed record too",
    ),
    (
        LintKind::UnflushedAtAck,
        "src/log/replay.rs",
        "what an abort put back is in the log until the next checkpoint",
    ),
    (
        LintKind::RedundantFlush,
        "src/log/checkpoint.rs",
        "records that share a line have it flushed once each",
    ),
    (
        LintKind::CleanFlush,
        "src/tx/commit.rs",
        "a covered range is flushed whole, lines that were not stored to included",
    ),
];

/// The entry of [`KNOWN`] that `lint` is.
pub fn is_known(lint: &Lint) -> Option<usize> {
    KNOWN
        .iter()
        .position(|(kind, file, _)| lint.kind == *kind && lint.place.file().ends_with(file))
}
