//! The laboratory's lints on every kind of operation, but for what is known and has its reason.

use crate::crash_world::alphabet::transactions;
use crate::crash_world::known_lints::is_known;
use crate::crash_world::{Op, medium, record, tiny};
use crate::probe::Probe;

pub fn told(probe: &mut Probe) {
    if !probe.is_lab() {
        return;
    }
    let all = transactions();
    let twice: Vec<Op> = [all.clone(), all.clone()].concat();
    for ops in all.iter().map(|op| vec![*op]).chain([twice]) {
        let (recording, _states) = record(medium(), &tiny(), &ops);
        probe.executions += 1;
        for lint in recording.lints() {
            if is_known(&lint).is_none() {
                probe.report("a lint", &lint.to_string());
            }
            if probe.done() {
                return;
            }
        }
    }
}
