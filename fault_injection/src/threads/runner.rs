//! The threads themselves: made once, so that what an engine keeps for each thread stays the same in every schedule.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::Shared;
use super::baton::{Baton, Turns};
use super::schedule::Chooser;
use crate::event::on_thread;
use crate::media::CrashMedia;
use crate::search::quietly;

/// What one thread does in one schedule.
struct Job<S: Shared> {
    baton: Arc<Baton>,
    engine: Arc<S>,
    media: CrashMedia,
    ops: Vec<(u64, S::Op)>,
}

type Outcome = Result<(), String>;

/// Threads that run schedules one after another.
pub(crate) struct Crew<S: Shared> {
    jobs: Vec<Sender<Job<S>>>,
    done: Receiver<Outcome>,
}

/// One schedule that ran.
pub(crate) struct Ran {
    pub turns: Turns,
    /// The first operation that failed or panicked.
    pub failed: Option<String>,
    /// Where each thread was that waits for another for ever.
    pub stuck: Option<Vec<String>>,
}

/// The threads are looked at that often.
const LOOK: Duration = Duration::from_millis(50);
/// Without a call for so many looks, all wait for one another.
const STUCK: u32 = 40;

impl<S: Shared> Crew<S> {
    pub(crate) fn new(threads: usize) -> Self {
        let (finished, done) = channel();
        let jobs = (0..threads).map(|number| {
            let (sender, jobs) = channel();
            let finished = finished.clone();
            // Never joined: a thread that waits for ever must not hold up the report of that.
            std::thread::spawn(move || work(number, &jobs, &finished));
            sender
        });
        Crew {
            jobs: jobs.collect(),
            done,
        }
    }

    /// Runs one schedule: each program on its thread.
    pub(crate) fn run(
        &self,
        media: &CrashMedia,
        engine: S,
        programs: &[Vec<(u64, S::Op)>],
        chooser: Chooser,
        every_call: bool,
    ) -> Ran {
        let threads = programs.len();
        let baton = Arc::new(Baton::new(media.clone(), threads, chooser, every_call));
        let engine = Arc::new(engine);
        for (sender, ops) in self.jobs.iter().zip(programs) {
            let job = Job {
                baton: baton.clone(),
                engine: engine.clone(),
                media: media.clone(),
                ops: ops.clone(),
            };
            sender.send(job).expect("a thread of the crew lives on");
        }
        let (failed, stuck) = self.await_all(&baton);
        Ran {
            turns: baton.turns(),
            failed,
            stuck,
        }
    }

    fn await_all(&self, baton: &Baton) -> (Option<String>, Option<Vec<String>>) {
        let (mut failed, mut left) = (None, self.jobs.len());
        let (mut calls, mut still) = (0, 0);
        while left > 0 {
            match self.done.recv_timeout(LOOK) {
                Ok(outcome) => {
                    left -= 1;
                    failed = failed.or(outcome.err());
                }
                Err(RecvTimeoutError::Timeout) => {
                    let now = baton.calls();
                    still = if now == calls { still + 1 } else { 0 };
                    calls = now;
                    if still >= STUCK {
                        return (failed, Some(baton.give_up()));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        (failed, None)
    }
}

fn work<S: Shared>(number: usize, jobs: &Receiver<Job<S>>, finished: &Sender<Outcome>) {
    for job in jobs {
        let Job {
            baton,
            engine,
            media,
            ops,
        } = job;
        let run = || {
            for (id, op) in &ops {
                media.invoke(*id);
                let done = engine.apply_shared(op);
                done.map_err(|error| format!("{op:?} failed without a fault: {error}"))?;
                media.ack(*id);
            }
            Ok(())
        };
        let as_thread = || on_thread(number as u16, || baton.take_part(number, run));
        let outcome = quietly(as_thread)
            .unwrap_or_else(|panic| Err(format!("thread {number} panicked: {panic}")));
        // The last handle must be the runner's, so that an engine ends on its thread.
        drop(engine);
        if finished.send(outcome).is_err() {
            return;
        }
    }
}
