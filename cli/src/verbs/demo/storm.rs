//! SIGKILL: a child stores the files, dies at random moments, and after each death every acknowledged file is
//! compared byte for byte.
//!
//! A killed process loses what it had not stored yet, and nothing else: the page cache lives on. So this shows
//! recovery on a real file and real processes; power cuts are the laboratory's.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use everline::engine::{
    CreateOptions, FileConfig, Identity, OpenOptions, Opened, create_file, open_file,
};
use everline::media::Durability;
use everline::media::file::FileOptions;
use everline_region::Regions;

use super::input::{Input, Item, pack};
use super::random::Random;
use super::workload::{Found, Way, allowed, survey};
use crate::exit::{Code, Failure};
use crate::progress;

/// Kills that are planned, and the most where chance is against us.
const KILLS: u64 = 10;
const KILLS_MAX: u64 = 60;
/// Kills wanted inside transactions of either way before the child may finish.
const INSIDE_WANTED: u64 = 2;
/// How long the child holds an undo transaction open between its stores and its commit.
pub const HOLD: Duration = Duration::from_micros(1500);
const SIGKILL: i32 = 9;

/// What was seen.
#[derive(Debug, Default)]
pub struct Storm {
    /// Deaths by SIGKILL.
    pub kills: u64,
    /// Those that rolled an open undo transaction back.
    pub inside_undo: u64,
    /// Those between the begin and the acknowledgement of a staged transaction.
    pub inside_staged: u64,
    /// Acknowledged files that were missing or different, and files that were torn.
    pub lost: u64,
    /// Files compared, over all recoveries.
    pub compared: u64,
    /// Problems that the check of a recovered pool told.
    pub problems: u64,
    /// Committed transactions that recoveries stored again.
    pub redone: u64,
    /// Open transactions that recoveries rolled back.
    pub undone: u64,
    /// Microseconds of each recovery.
    pub recovery_us: Vec<u64>,
    /// Bytes of the pool.
    pub pool_bytes: u64,
    /// Where the pool was.
    pub directory: PathBuf,
    /// What its commits reached.
    pub durability: Option<Durability>,
    /// The whole of it.
    pub elapsed: Duration,
}

/// When the child is to die.
struct Plan {
    /// The file whose transaction is the mark.
    index: usize,
    /// How long after the mark.
    delay: Duration,
}

/// What a child said before it ended.
#[derive(Default)]
struct Told {
    done: bool,
    killed: bool,
    /// The file whose transaction it had begun and not acknowledged.
    begun: Option<usize>,
    /// Times from the begin to the acknowledgement of staged transactions.
    staged_us: Vec<u64>,
}

struct Scene<'i> {
    items: &'i [Item],
    pool: PathBuf,
    pack: PathBuf,
    file: FileOptions,
    acked: Vec<bool>,
    random: Random,
    /// What a staged transaction takes here.
    staged_us: u64,
    storm: Storm,
}

/// Stores `input` under kills.
pub fn run(input: &Input, seed: u64, file: &FileOptions) -> Result<Storm, Failure> {
    let begun = Instant::now();
    let directory = tempfile::Builder::new()
        .prefix("everline-demo-")
        .tempdir()
        .map_err(|error| Failure::io("cannot make a temporary directory", &error))?;
    let mut scene = Scene {
        items: &input.items,
        pool: directory.path().join("demo.pmem"),
        pack: directory.path().join("files"),
        file: file.clone(),
        acked: vec![false; input.items.len()],
        random: Random::new(seed),
        staged_us: 200,
        storm: Storm::default(),
    };
    pack(&input.items, &scene.pack).map_err(|error| Failure::io(scene.pack.display(), &error))?;
    scene.create(input.bytes())?;
    let bar = progress::bar("files under SIGKILL", scene.acked.len() as u64);
    loop {
        let plan = scene.plan();
        let told = scene.child(plan)?;
        scene.verify(&told)?;
        bar.set_position(scene.acked.iter().filter(|acked| **acked).count() as u64);
        if told.done {
            break;
        }
    }
    bar.finish_and_clear();
    scene.storm.directory = std::env::temp_dir();
    scene.storm.elapsed = begun.elapsed();
    Ok(scene.storm)
}

impl Scene<'_> {
    fn create(&mut self, bytes: u64) -> Result<(), Failure> {
        let size = (bytes * 4).max(32 << 20).next_multiple_of(1 << 20);
        let options = CreateOptions {
            len: Some(size),
            identity: Identity::random()
                .map_err(|error| Failure::io("cannot draw a random identity", &error))?,
            ..CreateOptions::default()
        };
        let config = FileConfig {
            file: self.file.clone(),
            ..FileConfig::default()
        };
        let (engine, opened) = create_file(&self.pool, &options, &config)?;
        self.storm.pool_bytes = size;
        self.storm.durability = Some(opened.report.durability);
        engine.close()?;
        Ok(())
    }

    /// The next death, spread over the files that are left; none once there were enough.
    fn plan(&mut self) -> Option<Plan> {
        let storm = &self.storm;
        let enough = storm.kills >= KILLS
            && storm.inside_undo >= INSIDE_WANTED
            && storm.inside_staged >= INSIDE_WANTED
            && storm.redone > 0;
        if enough || storm.kills >= KILLS_MAX {
            return None;
        }
        let left: Vec<usize> = (0..self.acked.len())
            .filter(|index| !self.acked[*index])
            .collect();
        let share = left.len() as u64 / (KILLS.saturating_sub(storm.kills) + 2);
        let from = self.random.below(share.max(1)) as usize;
        let turn = storm.kills;
        let way = match turn % 5 {
            0 | 2 => Some(Way::Undo),
            1 | 3 => Some(Way::Staged),
            _ => None,
        };
        let fits = |index: &&usize| way.is_none_or(|way| Way::of(**index) == way);
        let index = *left.iter().skip(from).find(fits).or(left.first())?;
        let longest = match way {
            Some(Way::Undo) => HOLD.as_micros() as u64 / 2,
            Some(Way::Staged) => self.staged_us,
            None => 4 * (self.staged_us + HOLD.as_micros() as u64),
        };
        Some(Plan {
            index,
            delay: Duration::from_micros(self.random.below(longest.max(1))),
        })
    }

    /// Runs a child until it is done or dead.
    fn child(&mut self, plan: Option<Plan>) -> Result<Told, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::io("cannot find this program again", &error))?;
        let mut command = Command::new(program);
        command
            .args(["demo-child", "--hold-us", &HOLD.as_micros().to_string()])
            .args(self.file.assume_persistent.then_some("--assumed"))
            .arg("--pool")
            .arg(&self.pool)
            .arg("--pack")
            .arg(&self.pack)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| Failure::io("cannot start the storing process", &error))?;
        let told = match child.stdout.take() {
            Some(pipe) => self.listen(&mut child, pipe, plan),
            None => Ok(Told::default()),
        };
        if told.is_err() {
            // It is of no use any more; that it may have ended already is no error.
            drop(child.kill());
        }
        let status = child
            .wait()
            .map_err(|error| Failure::io("cannot wait for the storing process", &error))?;
        let mut told =
            told.map_err(|error| Failure::io("cannot hear the storing process", &error))?;
        told.killed = status.signal() == Some(SIGKILL);
        let ended_well = told.done && status.success();
        if !(told.killed || ended_well) {
            let reason =
                format!("the storing process ended with {status}; its own words are above");
            return Err(Failure::new(Code::Io, "child", reason));
        }
        Ok(told)
    }

    fn listen(
        &mut self,
        child: &mut Child,
        pipe: ChildStdout,
        mut plan: Option<Plan>,
    ) -> std::io::Result<Told> {
        let mut told = Told::default();
        let mut since = Instant::now();
        for line in BufReader::new(pipe).lines() {
            let line = line?;
            let (word, number) = line.split_once(' ').unwrap_or((&line, ""));
            let index = number.parse().unwrap_or(0);
            match word {
                "begin" | "place" => {
                    told.begun = Some(index);
                    since = Instant::now();
                    // An undo transaction is met where it is open for a while, a staged one from its begin on.
                    let mark = (word == "place") == (Way::of(index) == Way::Undo);
                    if let Some(plan) = plan.take_if(|plan| mark && plan.index <= index) {
                        pause(plan.delay);
                        child.kill()?;
                    }
                }
                "ack" => {
                    if told.begun.take() == Some(index) && Way::of(index) == Way::Staged {
                        told.staged_us.push(since.elapsed().as_micros() as u64);
                    }
                    if let Some(acked) = self.acked.get_mut(index) {
                        *acked = true;
                    }
                }
                "done" => told.done = true,
                _ => {}
            }
        }
        told.staged_us.sort_unstable();
        if let Some(median) = told.staged_us.get(told.staged_us.len() / 2) {
            self.staged_us = (*median).clamp(20, 50_000);
        }
        Ok(told)
    }

    /// Recovers the pool and compares what is in it.
    fn verify(&mut self, told: &Told) -> Result<(), Failure> {
        let (engine, opened) = open_file(&self.pool, &OpenOptions::default(), &self.file)?;
        if told.killed {
            self.count(told, &opened);
        }
        let seen = survey(&Regions::open(engine)?, self.items)?;
        for (index, found) in seen.files.iter().enumerate() {
            let acked = self.acked[index];
            let begun = told.begun == Some(index);
            self.storm.compared += u64::from(acked);
            self.storm.lost += u64::from(!allowed(*found, acked, begun));
            // Committed and killed before it could say so: from now on it must stay.
            self.acked[index] |= *found == Found::Whole;
        }
        self.storm.lost += u64::from(!seen.ledger_agrees);
        self.storm.problems += seen.problems;
        Ok(())
    }

    fn count(&mut self, told: &Told, opened: &Opened) {
        let recovery = &opened.report.recovery;
        let storm = &mut self.storm;
        storm.kills += 1;
        storm.redone += recovery.redone;
        storm.undone += recovery.undone;
        storm.recovery_us.push(opened.recovery.as_micros() as u64);
        match told.begun.map(Way::of) {
            Some(Way::Undo) => storm.inside_undo += u64::from(recovery.undone > 0),
            Some(Way::Staged) => storm.inside_staged += 1,
            None => {}
        }
    }
}

/// Waits to the microsecond: a sleep alone would be late by more than a transaction.
fn pause(delay: Duration) {
    let until = Instant::now() + delay;
    if let Some(long) = delay.checked_sub(Duration::from_micros(200)) {
        std::thread::sleep(long);
    }
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}
