//! What the demo says at its end.

use everline::media::{Cost, Domain};
use serde_json::{Value, json};

use super::cost::{Ledger, Times};
use super::input::Input;
use super::laboratory::Tally;
use super::storm::{HOLD, Storm};
use super::{POINTS, STATES};
use crate::open::safety;
use crate::output::{Lines, size};

/// Everything that was seen.
pub struct Report {
    /// What was stored.
    pub input: Input,
    /// Under SIGKILL.
    pub storm: Storm,
    /// Under power cuts: undo, staged.
    pub laboratory: [Tally; 2],
    /// What a transaction of 8 bytes asks of the medium.
    pub ledger: Ledger,
    /// How long it takes.
    pub times: Times,
    /// Where all randomness came from.
    pub seed: u64,
}

/// How this program was compiled: times of a debug build say nothing.
const BUILD: &str = if cfg!(debug_assertions) {
    "debug build: the times say nothing"
} else {
    "release build"
};

impl Report {
    fn crash_points(&self) -> u64 {
        self.laboratory.iter().map(|tally| tally.points).sum()
    }

    fn crash_states(&self) -> u64 {
        self.laboratory.iter().map(|tally| tally.states).sum()
    }

    fn violations(&self) -> u64 {
        let found: u64 = self.laboratory.iter().map(|tally| tally.violations).sum();
        found + self.storm.problems
    }

    fn kills_inside(&self) -> u64 {
        self.storm.inside_undo + self.storm.inside_staged
    }

    fn recovery_us_max(&self) -> u64 {
        self.storm.recovery_us.iter().copied().max().unwrap_or(0)
    }

    /// What must hold, with whether it does.
    fn promises(&self) -> [(&'static str, bool); 9] {
        [
            ("no acknowledged file lost, none torn", self.storm.lost == 0),
            ("no violation", self.violations() == 0),
            ("at least 2,000 crash points", self.crash_points() >= POINTS),
            (
                "at least 10,000 crash states",
                self.crash_states() >= STATES,
            ),
            ("at least 5 kills", self.storm.kills >= 5),
            (
                "at least 3 kills inside transactions",
                self.kills_inside() >= 3,
            ),
            (
                "recoveries redid and undid transactions",
                self.storm.redone > 0 && self.storm.undone > 0,
            ),
            (
                "a staged transaction waits once",
                self.ledger.staged.waits == 1,
            ),
            (
                "an undo transaction waits twice",
                self.ledger.undo.waits == 2,
            ),
        ]
    }

    /// Whether every promise was kept.
    pub fn ok(&self) -> bool {
        self.promises().iter().all(|(_, kept)| *kept)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let storm = &self.storm;
        let domain = storm
            .durability
            .map_or("unknown", |durability| durability.domain.name());
        let broken: Vec<&str> = self
            .promises()
            .iter()
            .filter(|(_, kept)| !kept)
            .map(|(what, _)| *what)
            .collect();
        json!({
            "ok": self.ok(),
            "files": self.input.files,
            "bytes": self.input.bytes(),
            "kills": storm.kills,
            "kills_inside_tx": self.kills_inside(),
            "lost": storm.lost,
            "redone": storm.redone,
            "undone": storm.undone,
            "recovery_us_max": self.recovery_us_max(),
            "crash_points": self.crash_points(),
            "crash_states": self.crash_states(),
            "violations": self.violations(),
            "waits": {"staged_8B": self.ledger.staged.waits, "undo_8B": self.ledger.undo.waits},
            "cost": {"staged_8B": cost_json(&self.ledger.staged), "undo_8B": cost_json(&self.ledger.undo)},
            "domain": domain,
            "seed": self.seed,
            "input": self.input.directory.display().to_string(),
            "regions": self.input.items.len(),
            "left_out": self.input.left_out,
            "kills_inside_undo_tx": storm.inside_undo,
            "kills_inside_staged_tx": storm.inside_staged,
            "files_compared": storm.compared,
            "check_problems": storm.problems,
            "recovery_us": storm.recovery_us,
            "laboratory": {"undo": tally(&self.laboratory[0]), "staged": tally(&self.laboratory[1])},
            "time": {
                "medium": "memory treated as persistent",
                "build": BUILD,
                "flush": self.times.flush,
                "raw_line_ns": self.times.raw_line_ns,
                "undo_8B_ns": self.times.undo_ns,
                "staged_8B_ns": self.times.staged_ns,
                "undo_8B_to_raw_line": self.times.undo_ratio,
                "staged_8B_to_raw_line": self.times.staged_ratio,
            },
            "broken_promises": broken,
        })
    }

    /// For a person.
    pub fn text(&self) -> String {
        let mut lines = Lines::default();
        self.tell_storm(&mut lines);
        self.tell_laboratory(&mut lines);
        self.tell_cost(&mut lines);
        for (what, kept) in self.promises() {
            lines.say(format_args!(
                "{} {what}",
                if kept { "kept   " } else { "BROKEN " }
            ));
        }
        lines.take()
    }

    fn tell_storm(&self, lines: &mut Lines) {
        let storm = &self.storm;
        lines
            .say("1. Real files, a real process, SIGKILL")
            .put("input", self.input.directory.display())
            .put(
                "files",
                format_args!(
                    "{} (left out: {} empty, too large or too many), stored as {} regions, half by undo, half staged",
                    self.input.files,
                    self.input.left_out,
                    self.input.items.len()
                ),
            )
            .put("bytes", size(self.input.bytes()))
            .put("pool", format_args!("{} in {}", size(storm.pool_bytes), storm.directory.display()));
        if let Some(durability) = storm.durability {
            lines
                .put("durability domain", durability)
                .put("so it is", safety(durability.domain));
            if durability.domain == Domain::Volatile {
                lines.say("                     a kill loses nothing there all the same; a power cut would lose all");
            }
        }
        lines
            .put(
                "kills",
                format_args!(
                    "{} (seed {}), {} inside undo and {} inside staged transactions; an undo transaction is held \
                     open for {} us to be met",
                    storm.kills,
                    self.seed,
                    storm.inside_undo,
                    storm.inside_staged,
                    HOLD.as_micros()
                ),
            )
            .put("recoveries", format_args!("{} transactions redone, {} undone", storm.redone, storm.undone))
            .put(
                "each took (us)",
                storm.recovery_us.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            )
            .put("compared", format_args!("{} files after kills, byte for byte", storm.compared))
            .put("lost or torn", storm.lost)
            .put("took", format_args!("{:.1} s", storm.elapsed.as_secs_f64()));
    }

    fn tell_laboratory(&self, lines: &mut Lines) {
        lines
            .say("")
            .say("2. The same work on a simulated medium, power cuts");
        for (name, tally) in ["undo-log", "staged"].into_iter().zip(&self.laboratory) {
            lines.put(
                name,
                format_args!(
                    "{} crash points ({} more inside recoveries), {} crash states explored, {} killed processes, \
                     {} violations",
                    tally.points, tally.nested_points, tally.states, tally.kills, tally.violations
                ),
            );
            if let Some(first) = &tally.first {
                lines.say(first);
            }
        }
        lines.put(
            "together",
            format_args!(
                "{} crash points, {} crash states, {} violations",
                self.crash_points(),
                self.crash_states(),
                self.violations()
            ),
        );
    }

    fn tell_cost(&self, lines: &mut Lines) {
        let times = &self.times;
        lines
            .say("")
            .say(format_args!(
                "3. What a transaction of 8 bytes costs ({BUILD})"
            ))
            .put("undo asks for", told(&self.ledger.undo))
            .put("staged asks for", told(&self.ledger.staged))
            .put(
                "raw line write",
                format_args!(
                    "{:.0} ns: 64 bytes past the cache and a fence",
                    times.raw_line_ns
                ),
            )
            .put(
                "undo",
                format_args!(
                    "{:.0} ns, {:.1} x the raw line",
                    times.undo_ns, times.undo_ratio
                ),
            )
            .put(
                "staged",
                format_args!(
                    "{:.0} ns, {:.1} x the raw line",
                    times.staged_ns, times.staged_ratio
                ),
            )
            .put(
                "measured on",
                format_args!("memory treated as persistent ({}), one thread", times.flush),
            )
            .say("");
    }
}

fn tally(tally: &Tally) -> Value {
    json!({
        "recordings": tally.recordings,
        "crash_points": tally.points,
        "nested_points": tally.nested_points,
        "crash_states": tally.states,
        "process_kills": tally.kills,
        "violations": tally.violations,
        "first_violation": tally.first,
    })
}

fn cost_json(cost: &Cost) -> Value {
    let Cost {
        waits,
        fences,
        lines,
        nt_lines,
        bytes,
    } = cost;
    json!({"waits": waits, "fences": fences, "flush_lines": lines, "nt_lines": nt_lines, "bytes": bytes})
}

fn told(cost: &Cost) -> String {
    let plural = |count: u64, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    format!(
        "{} in {}, {} flushed, {} past the cache, {} stored",
        plural(cost.waits, "wait"),
        plural(cost.fences, "fence"),
        plural(cost.lines, "line"),
        plural(cost.nt_lines, "line"),
        plural(cost.bytes, "byte"),
    )
}
