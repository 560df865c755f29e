//! What the gauntlet found, as a table and as JSON.

use std::time::{Duration, Instant};

use crate::planted::{Driver, Verdict};
use crate::structures::{self, BUGS, Bug};
use crate::{controls, equivalence, litmus, speed};

/// Everything that was run.
#[derive(Debug, Default)]
pub struct Report {
    litmus: (usize, usize),
    programs: u64,
    planted: Vec<Verdict>,
    controls_clean: usize,
    false_positives: usize,
    executions: u64,
    /// Executions a second, by name; 0 where it was not measured.
    speed: [f64; 3],
    pub seconds: f64,
    pub failures: Vec<String>,
}

const SPEEDS: [&str; 3] = ["structure", "tx_alloc_1MiB", "region_1MiB"];

impl Report {
    /// Whether there is anything to judge by: a gauntlet in which something did not run is not passed.
    pub fn ran(&self) -> bool {
        self.litmus.1 > 0
            && self.programs > 0
            && !self.planted.is_empty()
            && self.controls_clean > 0
            && self.executions > 0
    }

    pub fn litmus(&mut self) {
        for shape in litmus::SHAPES {
            self.litmus.1 += 1;
            match shape.check() {
                Ok(()) => self.litmus.0 += 1,
                Err(error) => self.failures.push(format!("litmus: {error}")),
            }
        }
    }

    pub fn equivalence(&mut self, programs: u64) {
        match equivalence::compare(programs) {
            Ok(compared) => self.programs = compared.programs,
            Err(error) => self.failures.push(format!("equivalence: {error}")),
        }
    }

    /// The controls, and every reference structure without a bug.
    pub fn controls(&mut self) {
        for control in controls::run() {
            self.executions += control.executions;
            self.controls_clean += usize::from(control.reports.is_empty());
            for told in control.reports {
                self.false_positive(&format!("{}: {told}", control.name));
            }
        }
        for report in structures::run(Bug::Clean) {
            self.executions += report.executions;
            if !report.is_clean() {
                self.false_positive(&report.to_string());
            }
        }
    }

    fn false_positive(&mut self, told: &str) {
        self.false_positives += 1;
        self.failures.push(format!("a false positive: {told}"));
    }

    /// Bugs in the real layers, and on reference structures those that have no home there.
    pub fn planted(&mut self, driver: Option<&Driver>) {
        if let Some(driver) = driver {
            let mut verdicts = driver.run_all("lab");
            let clean = verdicts.remove(0);
            self.executions += clean.executions;
            if clean.caught || clean.executions == 0 {
                self.false_positive(&format!("the layers without a bug: {}", clean.told));
            }
            self.planted.append(&mut verdicts);
        }
        for (bug, title, oracle) in BUGS {
            let name = format!("{bug:?}").to_lowercase();
            if self.planted.iter().all(|verdict| verdict.name != name) {
                self.planted.push(on_reference(bug, name, title, oracle));
            }
        }
        self.planted.sort_by(|a, b| a.name.cmp(&b.name));
        for verdict in &self.planted {
            self.executions += verdict.executions;
            if !verdict.caught {
                let Verdict {
                    name, title, told, ..
                } = verdict;
                self.failures
                    .push(format!("{name} ({title}) escaped: {told}"));
            }
        }
    }

    pub fn speed(&mut self, driver: Option<&Driver>, time: Duration) {
        match speed::structure(time) {
            Ok((executions, spent)) => {
                self.executions += executions;
                self.speed[0] = executions as f64 / spent.as_secs_f64();
            }
            Err(error) => self.false_positive(&error),
        }
        let Some(driver) = driver else { return };
        let seconds = time.as_secs_f64().to_string();
        match driver.output(&["speed", &seconds], 20 * time + Duration::from_secs(30)) {
            Ok(text) => text.lines().for_each(|line| self.take_speed(line)),
            Err(error) => self.failures.push(format!("speed: {error}")),
        }
        if self.speed.contains(&0.0) {
            self.failures.push("a speed was not measured".into());
        }
    }

    fn take_speed(&mut self, line: &str) {
        let fields: Vec<&str> = line.split('\t').collect();
        let ["speed", name, executions, seconds] = fields[..] else {
            return self.failures.push(format!("speed: {line}"));
        };
        let place = SPEEDS.iter().position(|known| *known == name);
        let numbers = (executions.parse::<u64>(), seconds.parse::<f64>());
        if let (Some(place), (Ok(executions), Ok(seconds))) = (place, numbers) {
            self.executions += executions;
            self.speed[place] = executions as f64 / seconds;
        }
    }

    fn caught(&self) -> usize {
        self.planted.iter().filter(|verdict| verdict.caught).count()
    }

    fn slowest(&self) -> f64 {
        let seconds = self.planted.iter().map(|verdict| verdict.seconds);
        seconds.fold(0.0, f64::max)
    }

    /// One line.
    pub fn json(&self) -> String {
        let [structure, transactions, regions] = self.speed;
        format!(
            "{{\"litmus\":[{},{}],\"equivalence_programs\":{},\"planted\":[{},{}],\"slowest_planted_s\":{:.3},\
             \"controls_clean\":{},\"false_positives\":{},\"executions\":{},\"executions_per_s\":\
             {{\"structure\":{structure:.0},\"tx_alloc_1MiB\":{transactions:.0},\"region_1MiB\":{regions:.0}}}}}{}",
            self.litmus.0,
            self.litmus.1,
            self.programs,
            self.caught(),
            self.planted.len(),
            self.slowest(),
            self.controls_clean,
            self.false_positives,
            self.executions,
            self.told_apart(),
        )
    }

    /// Failures go to standard error, so that standard output stays one line of JSON.
    fn told_apart(&self) -> &'static str {
        for failure in &self.failures {
            eprintln!("gauntlet: {failure}");
        }
        ""
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let mut line = |parts: std::fmt::Arguments<'_>| {
            text += &parts.to_string();
            text.push('\n');
        };
        line(format_args!(
            "bug   oracle  caught  seconds  executions  first report"
        ));
        for verdict in &self.planted {
            let Verdict {
                name,
                oracle,
                seconds,
                executions,
                told,
                ..
            } = verdict;
            let caught = if verdict.caught { "yes" } else { "NO" };
            let told: String = told.chars().take(100).collect();
            line(format_args!(
                "{name:<5} {oracle:<7} {caught:<7} {seconds:>7.3}  {executions:>10}  {told}"
            ));
        }
        line(format_args!(""));
        line(format_args!(
            "litmus        {} of {} shapes, four models each",
            self.litmus.0, self.litmus.1
        ));
        line(format_args!(
            "equivalence   {} programs: lazy = eager = brute force",
            self.programs
        ));
        line(format_args!(
            "planted       {} of {} caught, the slowest in {:.1} s",
            self.caught(),
            self.planted.len(),
            self.slowest()
        ));
        line(format_args!(
            "controls      {} clean, {} false positives",
            self.controls_clean, self.false_positives
        ));
        line(format_args!("executions    {}", self.executions));
        for (name, speed) in SPEEDS.iter().zip(self.speed) {
            line(format_args!(
                "{name:<14}{speed:.0} executions a second and core"
            ));
        }
        line(format_args!("time          {:.1} s", self.seconds));
        for failure in &self.failures {
            line(format_args!("FAILED        {failure}"));
        }
        text
    }
}

fn on_reference(bug: Bug, name: String, title: &str, oracle: &str) -> Verdict {
    let begun = Instant::now();
    let reports = structures::run(bug);
    let violation = reports.iter().find_map(|report| report.violations.first());
    let told = violation.map_or("nothing was reported", |violation| &violation.reason);
    Verdict {
        name,
        title: title.to_owned(),
        oracle: oracle.to_owned(),
        caught: violation.is_some() && (bug != Bug::M15 || is_noted()),
        seconds: begun.elapsed().as_secs_f64(),
        executions: reports.iter().map(|report| report.executions).sum(),
        told: format!("reference structure: {told}"),
    }
}

/// M15 is a matter of portability, not a fault, where stores to a line keep their order.
fn is_noted() -> bool {
    let report = structures::in_line_ordered();
    report.is_clean() && report.portability.is_some()
}
