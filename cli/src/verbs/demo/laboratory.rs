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
use super::workload::{Found, Way, allowed, look, store};
use crate::exit::Failure;
use crate::progress;

/// Bytes of the simulated pool.
const POOL_BYTES: u64 = 128 << 10;
/// Files of one recording, and how much of each is stored.
const FILES: usize = 8;
const PIECE_BYTES: (u64, u64) = (40, 400);
/// Recordings after which an exploration gives up reaching what is wanted.
const RECORDINGS_MAX: u64 = 400;
/// Executions at one crash point before sampling takes over; wide before deep.
const BUDGET_PER_POINT: u64 = 64;
/// Killed processes with power cuts after them, for each recording.
const KILL_STEPS: usize = 4;

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

/// Crash points and states that are wanted of one way.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Crash points.
    pub points: u64,
    /// Crash states.
    pub states: u64,
}

/// Explores both ways: undo, then staged.
pub fn run(items: &[Item], seed: u64, wanted: Wanted) -> Result<[Tally; 2], Failure> {
    let bar = progress::bar("power cuts (crash points)", 2 * wanted.points);
    let explore = |way| explore(way, items, seed, wanted, &bar);
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
    wanted: Wanted,
    bar: &indicatif::ProgressBar,
) -> Result<Tally, Failure> {
    let mut random = Random::new(seed);
    let mut tally = Tally::default();
    while (tally.points < wanted.points || tally.states < wanted.states)
        && tally.recordings < RECORDINGS_MAX
        && tally.violations == 0
    {
        let pieces = pieces(items, &mut random);
        let media = record(way, &pieces)?;
        let report = Explorer::new()
            .seed(random.next())
            .budget_per_point(BUDGET_PER_POINT)
            .kill_steps(KILL_STEPS)
            .explore(
                &media.recording().start_at_last_mark(),
                |media| recover(media, &pieces),
                |point, seen| judge(way, point, seen),
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
    media.mark();
    let regions = Regions::open(engine)?;
    for (index, piece) in pieces.iter().enumerate() {
        media.invoke(index as u64);
        store(&regions, way, &piece.name, &piece.bytes, |_moment| {})?;
        media.ack(index as u64);
    }
    Ok(media)
}

/// What a recovered pool holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// It could not be opened or read.
    Failed(String),
    /// Each file, and how many problems the checks told.
    Pool { files: Vec<Found>, problems: u64 },
}

/// Opens a crashed medium as any program would, compares every file and checks everything.
fn recover(media: &CrashMedia, pieces: &[Item]) -> Seen {
    let opened = Engine::open(media.clone(), &OpenOptions::default());
    let engine = match opened {
        Ok((engine, _report)) => engine,
        Err(error) => return Seen::Failed(error.to_string()),
    };
    let looked = Regions::open(engine).and_then(|regions| {
        let files = pieces
            .iter()
            .map(|piece| look(&regions, &piece.name, &piece.bytes))
            .collect::<Result<_, _>>()?;
        let mut problems = regions.engine().check(|_problem| {}).problems;
        regions.check(|_problem| problems += 1);
        Ok(Seen::Pool { files, problems })
    });
    looked.unwrap_or_else(|error| Seen::Failed(error.to_string()))
}

/// Every acknowledged file is there, the one in flight all or nothing, nothing else, and the check is clean.
fn judge(way: Way, point: &Point<'_>, seen: &Seen) -> Result<(), String> {
    let (files, problems) = match seen {
        Seen::Failed(reason) => return Err(format!("the pool is lost: {reason}")),
        Seen::Pool { files, problems } => (files, *problems),
    };
    if problems > 0 {
        return Err(format!("the check tells {problems} problems"));
    }
    for (index, found) in files.iter().enumerate() {
        let id = index as u64;
        let (acked, begun) = (point.acked.contains(&id), point.in_flight.contains(&id));
        if !allowed(way, *found, acked, begun) {
            return Err(format!(
                "file {index} is {found:?} (acknowledged: {acked}, in flight: {begun})"
            ));
        }
    }
    Ok(())
}
