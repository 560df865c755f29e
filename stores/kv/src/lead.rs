//! SYNC commits: one by itself where nobody else wants to commit, else a leader with all who wait.
//!
//! ```text
//! lock free ─▶ apply ─▶ one transaction of the core ─▶ done
//! lock taken ─▶ queue ─▶ the leader takes the queue ─▶ validate each ─▶ apply all ─▶ one wait for all ─▶ wake each
//! ```
//!
//! A transaction that touches what an earlier member of the group writes waits for the next round, so that its conflicts are
//! decided against commits and not against attempts. If a group cannot be applied, each member is tried by itself.

use std::collections::HashSet;
use std::sync::Arc;

use everline::media::Media;

use crate::KvError;
use crate::change::{Change, Done, OwnedChange};
use crate::core::{Core, OneKey, Outcome, Touched, Writer};
use crate::space_state::SpaceState;
use crate::table::{TxShared, TxState};
use crate::waiting::Waiter;

/// Members that share a wait.
const GROUP_MAX: usize = 128;
/// Bytes of keys and values from which on a group takes no further member.
const GROUP_BYTES_MAX: usize = 1 << 20;
/// Turns for which whoever waits looks before it sleeps: as long as a commit into memory takes.
const TURNS: u32 = 64;

/// A commit that waits for a leader.
#[derive(Debug)]
pub(crate) enum Job {
    Single {
        space: Arc<SpaceState>,
        hash: u64,
        key: Vec<u8>,
        change: OwnedChange,
    },
    Transaction(Arc<TxShared>),
}

/// What a commit reached.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Committed {
    pub done: Done,
    pub sequence: u64,
    pub lsn: u64,
}

/// Commits that change something, with their numbers among those that are published together.
pub(crate) struct Group<'g>(pub &'g [(u64, &'g Job)]);

impl Touched for Group<'_> {
    fn each(&self, mut visit: impl FnMut(u64, &SpaceState, u64, &[u8])) {
        for &(number, job) in self.0 {
            match job {
                Job::Single {
                    space, hash, key, ..
                } => visit(number, space, *hash, key),
                Job::Transaction(shared) => {
                    let inner = shared.inner.lock();
                    for write in inner.writes.iter() {
                        visit(number, inner.space(write.space), write.hash, write.key);
                    }
                }
            }
        }
    }
}

impl Job {
    /// Bytes of keys and values.
    fn bytes(&self) -> usize {
        match self {
            Job::Single { key, change, .. } => key.len() + change.as_change().value_len(),
            Job::Transaction(shared) => shared.inner.lock().writes.bytes(),
        }
    }

    /// Whether it depends on anything in `touched`: what it reads or writes must not have changed since its snapshot.
    fn depends_on(&self, touched: &HashSet<u64>, hash: impl Fn(u32, &[u8]) -> u64) -> bool {
        let Job::Transaction(shared) = self else {
            return false; // decided where it is applied, behind the earlier ones
        };
        if touched.is_empty() {
            return false;
        }
        let inner = shared.inner.lock();
        let reads = shared.is_serializable().then_some(&inner.reads);
        inner
            .writes
            .iter()
            .any(|write| touched.contains(&write.hash))
            || reads.is_some_and(|reads| {
                reads.has_ranges()
                    || reads
                        .keys()
                        .any(|(space, key)| touched.contains(&hash(space, key)))
            })
    }
}

impl<M: Media> Core<M> {
    /// One change by itself, durable when it returns.
    #[inline]
    pub fn commit_single(
        &self,
        space: &Arc<SpaceState>,
        key: &[u8],
        change: Change<'_>,
    ) -> Outcome<Committed, M> {
        let hash = self.hash.of(space.id, key);
        if self.waiting.is_empty()
            && let Some(mut writer) = self.try_writer()
        {
            return self.commit_single_now(&mut writer, space, hash, key, change);
        }
        self.wait_or_lead(Job::Single {
            space: Arc::clone(space),
            hash,
            key: key.to_vec(),
            change: change.to_owned(),
        })
    }

    #[inline]
    fn commit_single_now(
        &self,
        writer: &mut Writer,
        space: &SpaceState,
        hash: u64,
        key: &[u8],
        change: Change<'_>,
    ) -> Outcome<Committed, M> {
        space.alive()?;
        let mut tx = self.begin_tx()?;
        let base = self.applied();
        let Writer { edit, scratch, .. } = writer;
        let done = match change.apply(edit, &mut tx, space, key, scratch) {
            Ok(done) => done,
            Err(error) => {
                drop(tx);
                edit.clear();
                return Err(error);
            }
        };
        if !done.changed {
            drop(tx);
            edit.clear();
            return Ok(Committed {
                done,
                sequence: base,
                lsn: 0,
            });
        }
        let touched = OneKey { space, hash, key };
        let lsn = self.commit_edit(edit, tx, || self.publish(base, 1, &touched))?;
        Ok(Committed {
            done,
            sequence: base + 1,
            lsn,
        })
    }

    /// A transaction, durable when this returns; its snapshot is closed in any case.
    pub fn commit_shared(&self, shared: &Arc<TxShared>) -> Outcome<Committed, M> {
        let job = Job::Transaction(Arc::clone(shared));
        if self.waiting.is_empty()
            && let Some(mut writer) = self.try_writer()
        {
            self.admit(&job)?;
            let committed = self.commit_group(&mut writer, &[&job])?;
            return Ok(committed.into_iter().next().unwrap_or_default());
        }
        self.wait_or_lead(job)
    }

    #[cold]
    fn wait_or_lead(&self, job: Job) -> Outcome<Committed, M> {
        let waiter = self.waiting.push(job);
        let mut turn = 0;
        loop {
            if let Some(answer) = waiter.take() {
                return answer;
            }
            if let Some(mut writer) = self.try_writer() {
                self.lead(&mut writer);
            } else if turn < TURNS {
                turn += 1;
                std::hint::spin_loop();
            } else {
                std::thread::park();
            }
        }
    }

    /// Commits for all who wait now.
    fn lead(&self, writer: &mut Writer) {
        let mut members = self.waiting.take(GROUP_MAX);
        let _led = Led::<M>(members.clone());
        while !members.is_empty() {
            members = self.lead_round(writer, members);
            self.limit_log(); // who is answered may be slow to do it
        }
    }

    /// One wait for as many of `members` as can go together; answers the others.
    fn lead_round(&self, writer: &mut Writer, members: Vec<Member<M>>) -> Vec<Member<M>> {
        let (mut group, mut later) = (Vec::new(), Vec::new());
        let (mut touched, mut bytes) = (HashSet::new(), 0);
        for member in members {
            let job = &member.request;
            let full = bytes > GROUP_BYTES_MAX;
            if full || job.depends_on(&touched, |space, key| self.hash.of(space, key)) {
                later.push(member);
                continue;
            }
            if let Err(error) = self.admit(job) {
                member.answer(Err(error));
                continue;
            }
            bytes += job.bytes();
            Group(&[(0, job)]).each(|_, _, hash, _| {
                touched.insert(hash);
            });
            group.push(member);
        }
        self.commit_members(writer, &group);
        later
    }

    fn commit_members(&self, writer: &mut Writer, members: &[Member<M>]) {
        let jobs: Vec<&Job> = members.iter().map(|member| &member.request).collect();
        match self.commit_group(writer, &jobs) {
            Ok(committed) => {
                for (member, committed) in members.iter().zip(committed) {
                    member.answer(Ok(committed));
                }
            }
            Err(error) if jobs.len() == 1 || error.is_fatal() => {
                members
                    .iter()
                    .for_each(|member| member.answer(Err(error.clone())));
            }
            // One of them cannot be applied: the others go on without it.
            Err(_) => {
                for member in members {
                    let answer = self.commit_group(writer, &[&member.request]);
                    member.answer(answer.map(|all| all.into_iter().next().unwrap_or_default()));
                }
            }
        }
    }

    /// Decides a member against what was committed since it began.
    fn admit(&self, job: &Job) -> Outcome<(), M> {
        match job {
            Job::Single { space, .. } => space.alive(),
            Job::Transaction(shared) => self.validate(shared, true),
        }
    }

    /// All members in one transaction of the core, or none.
    fn commit_group(&self, writer: &mut Writer, jobs: &[&Job]) -> Outcome<Vec<Committed>, M> {
        let mut tx = self.begin_tx()?;
        let base = self.applied();
        let Writer { edit, scratch, .. } = writer;
        let mut committed = Vec::with_capacity(jobs.len());
        let mut changed = Vec::with_capacity(jobs.len());
        let mut applied = Ok(());
        for job in jobs {
            let done = match job {
                Job::Single {
                    space, key, change, ..
                } => change.as_change().apply(edit, &mut tx, space, key, scratch),
                Job::Transaction(shared) => shared.inner.lock().apply::<M>(edit, &mut tx),
            };
            match done {
                Ok(done) => {
                    // Who changes nothing is no commit: nobody conflicts with it.
                    if done.changed {
                        changed.push((changed.len() as u64, *job));
                    }
                    committed.push(Committed {
                        done,
                        sequence: base + changed.len() as u64,
                        lsn: 0,
                    });
                }
                Err(error) => {
                    applied = Err(error);
                    break;
                }
            }
        }
        if applied.is_err() || changed.is_empty() {
            drop(tx);
            edit.clear();
            return applied.map(|()| committed);
        }
        let count = changed.len() as u64;
        let lsn = self.commit_edit(edit, tx, || self.publish(base, count, &Group(&changed)))?;
        for member in &mut committed {
            if member.done.changed {
                member.lsn = lsn;
            }
        }
        Ok(committed)
    }
}

/// A member of a group, and how it is answered.
type Member<M> = Arc<Waiter<Job, Outcome<Committed, M>>>;

/// What a leader has taken from the queue: should it panic, nobody of them waits for ever (K6).
struct Led<M: Media>(Vec<Member<M>>);

impl<M: Media> Drop for Led<M> {
    fn drop(&mut self) {
        for member in self.0.iter().filter(|member| !member.is_answered()) {
            member.answer(Err(KvError::LeaderPanicked));
        }
    }
}

impl<M: Media> Core<M> {
    /// Whether `shared` may commit: nobody has changed since its snapshot what it writes, nor, serializable, what it has read.
    /// The lock under which commits are published is held. `last`: its snapshot is closed with that, so that its own commit
    /// keeps no old values for it, and nothing is added to it from then on, of which nobody would have judged.
    pub fn validate(&self, shared: &TxShared, last: bool) -> Outcome<(), M> {
        let mut inner = shared.inner.lock();
        if last && inner.state != TxState::Preparing {
            shared.check_active(&inner)?;
            inner.state = TxState::Preparing;
        }
        let snapshot = shared.snapshot;
        let judged = {
            let history = self.history.lock();
            match inner.first_conflict(&history, shared) {
                _ if snapshot < history.floor() => Err(KvError::SnapshotTooOld {
                    snapshot,
                    oldest: history.floor(),
                }),
                Some((space, key)) => Err(KvError::Conflict {
                    transaction: shared.id,
                    space: inner.space(space).name.clone(),
                    key,
                }),
                None => Ok(()),
            }
        };
        let alive = inner.spaces_alive();
        if (last || judged.is_err()) && std::mem::take(&mut inner.has_snapshot) {
            self.close_snapshot(snapshot);
        }
        judged.and(alive)
    }
}
