//! Power cuts: the same workload on a simulated medium, cut at every crash point, in every way that recovery can
//! tell apart (sampled where there are too many), and again inside the recovery after it.
//!
//! Undo and staged transactions are recorded and explored apart, one thread each.

use everline::engine::{CreateOptions, Engine, OpenOptions};
use everline::units::ByteLen;
use everline_crash::{CrashMedia, Explorer, Point};
use everline_region::Regions;

use super::input::Item;
use super::random::Random;
use super::workload::{Seen, Way, allowed, prepare, store, survey};
use crate::exit::Failure;
use crate::progress;

/// Bytes of the simulated pool.
const POOL_BYTES: u64 = 96 << 10;
/// Files of one recording, and how much of each is stored.
const FILES: usize = 6;
const PIECE_BYTES: (u64, u64) = (40, 400);
/// Recordings after which an exploration gives up reaching what is wanted.
const RECORDINGS_MAX: u64 = 400;

/// What an exploration of one way found.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Workloads recorded.
    pub recordings: u64,
    /// Crash points of the recordings.
    pub points: u64,
    /// Crash points inside recoveries, on top.
    pub nested_points: u64,
    /// Distinct crashed images on which open ran and every question was asked.
    pub states: u64,
    /// Processes killed before the power went.
    pub kills: u64,
    /// Answers that no crash may give.
    pub violations: u64,
    /// The first of them, in full.
    pub first: Option<String>,
}

/// How far one way is explored.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Crash points that are wanted.
    pub points: u64,
    /// Crash states that are wanted.
    pub states: u64,
    /// Executions at one crash point before sampling takes over.
    pub budget_per_point: u64,
    /// Killed processes with power cuts after them, for each recording.
    pub kill_steps: usize,
}

/// Explores both ways: undo, then staged.
pub fn run(items: &[Item], seed: u64, effort: Effort) -> Result<[Tally; 2], Failure> {
    let bar = progress::bar("power cuts (crash points)", 2 * effort.points);
    let explore = |way| explore(way, items, seed, effort, &bar);
    let (undo, staged) = std::thread::scope(|scope| {
        let staged = scope.spawn(|| explore(Way::Staged));
        (explore(Way::Undo), staged.join())
    });
    bar.finish_and_clear();
    let staged = staged.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    Ok([undo?, staged?])
}

fn explore(
    way: Way,
    items: &[Item],
    seed: u64,
    effort: Effort,
    bar: &indicatif::ProgressBar,
) -> Result<Tally, Failure> {
    let mut random = Random::new(seed);
    let mut tally = Tally::default();
    while (tally.points < effort.points || tally.states < effort.states)
        && tally.recordings < RECORDINGS_MAX
        && tally.violations == 0
    {
        let pieces = pieces(items, &mut random);
        let media = record(way, &pieces)?;
        let report = Explorer::new()
            .seed(random.next())
            .budget_per_point(effort.budget_per_point)
            .kill_steps(effort.kill_steps)
            .explore(
                &media.recording().start_at_last_mark(),
                |media| recover(media, &pieces),
                judge,
            );
        tally.recordings += 1;
        tally.points += report.crash_points;
        tally.nested_points += report.nested_points;
        tally.states += report.executions;
        tally.kills += report.kill_steps;
        tally.violations += report.violations_met;
        tally.first = report.violations.first().map(ToString::to_string);
        bar.inc(report.crash_points);
    }
    Ok(tally)
}

/// A few hundred bytes each of a few files.
fn pieces(items: &[Item], random: &mut Random) -> Vec<Item> {
    (0..FILES)
        .map(|number| {
            let item = &items[random.below(items.len() as u64) as usize];
            let wanted = PIECE_BYTES.0 + random.below(PIECE_BYTES.1 - PIECE_BYTES.0);
            let from = random.below((item.bytes.len() as u64).saturating_sub(wanted)) as usize;
            let bytes: Vec<u8> = item
                .bytes
                .iter()
                .skip(from)
                .take(wanted as usize)
                .copied()
                .collect();
            let name = std::path::Path::new(&item.name).file_name();
            let name = name.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            let short: String = name.chars().take(16).collect();
            Item {
                name: format!("{number}-{short}"),
                bytes,
            }
        })
        .collect()
}

/// Runs the workload on a new simulated pool.
fn record(way: Way, pieces: &[Item]) -> Result<CrashMedia, Failure> {
    let media = CrashMedia::new(ByteLen::new(POOL_BYTES));
    let engine = Engine::create(media.clone(), &CreateOptions::default())?;
    let regions = Regions::open(engine)?;
    prepare(&regions)?;
    media.mark();
    for (index, piece) in pieces.iter().enumerate() {
        media.invoke(index as u64);
        store(&regions, way, piece, |_moment| {})?;
        media.ack(index as u64);
    }
    Ok(media)
}

/// A recovered pool, or why there is none.
type Recovered = Result<Seen, String>;

/// Opens a crashed medium as any program would, compares every file and checks everything.
fn recover(media: &CrashMedia, pieces: &[Item]) -> Recovered {
    let opened = Engine::open(media.clone(), &OpenOptions::default());
    let (engine, _report) = opened.map_err(|error| error.to_string())?;
    Regions::open(engine)
        .and_then(|regions| survey(&regions, pieces))
        .map_err(|error| error.to_string())
}

/// Every acknowledged file is there, the one in flight all or nothing, nothing else, and the check is clean.
fn judge(point: &Point<'_>, recovered: &Recovered) -> Result<(), String> {
    let seen = recovered
        .as_ref()
        .map_err(|reason| format!("the pool is lost: {reason}"))?;
    for (index, found) in seen.files.iter().enumerate() {
        let id = index as u64;
        let (acked, begun) = (point.acked.contains(&id), point.in_flight.contains(&id));
        if !allowed(*found, acked, begun) {
            return Err(format!(
                "file {index} is {found:?} (acknowledged: {acked}, in flight: {begun})"
            ));
        }
    }
    if !seen.ledger_agrees {
        return Err("the ledger does not count the files that are there".to_string());
    }
    if seen.problems > 0 {
        return Err(format!("the check tells {} problems", seen.problems));
    }
    Ok(())
}
