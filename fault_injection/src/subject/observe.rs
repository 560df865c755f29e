//! What is asked of a recovered engine.

use super::{Medium, Subject};
use crate::media::CrashMedia;
use crate::search::quietly;

/// The extents of a heap: place and length in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Where the heap lies.
    pub heap: (u64, u64),
    /// Blocks that the engine's contents own.
    pub live: Vec<(u64, u64)>,
    /// Blocks that can be handed out.
    pub free: Vec<(u64, u64)>,
}

impl Account {
    /// Live and free blocks are disjoint, and together they are the heap. Errors: where they are not.
    pub fn check(&self) -> Result<(), String> {
        let mut blocks: Vec<(u64, u64, &str)> = Vec::new();
        blocks.extend(self.live.iter().map(|(at, len)| (*at, *len, "live")));
        blocks.extend(self.free.iter().map(|(at, len)| (*at, *len, "free")));
        blocks.sort_unstable();
        let (mut here, end) = (self.heap.0, self.heap.0 + self.heap.1);
        for (at, len, what) in blocks {
            if at < here {
                return Err(format!(
                    "the {what} block of {len} bytes at {at:#x} overlaps another"
                ));
            }
            if at > here {
                return Err(format!("{} bytes at {here:#x} are lost", at - here));
            }
            here = at + len;
        }
        match here == end {
            true => Ok(()),
            false if here > end => Err(format!("a block ends at {here:#x}, behind the heap")),
            false => Err(format!("{} bytes at {here:#x} are lost", end - here)),
        }
    }
}

/// What a recovery found, and what came of asking on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed<V> {
    /// What recovery told.
    pub view: Result<V, String>,
    /// What a second recovery of the same medium told.
    pub again: Option<Result<V, String>>,
    /// What a recovery told after one more operation; none where none was tried.
    pub worked: Option<Result<V, String>>,
    /// Whether live and free blocks are the heap; none where the engine has no account.
    pub account: Option<Result<(), String>>,
    /// How many more blocks fitted; none where the engine does not tell.
    pub room: Option<u64>,
}

/// Opens `media`, and asks on without a trace (U1).
pub(crate) fn observe<S: Subject>(media: &CrashMedia) -> Observed<S::View> {
    let mut observed = Observed {
        view: Err(String::new()),
        again: None,
        worked: None,
        account: None,
        room: None,
    };
    let medium = || S::Medium::of(media.clone());
    let mut engine = match S::recover(medium()) {
        Ok((engine, view)) => {
            observed.view = Ok(view);
            engine
        }
        Err(refused) => {
            observed.view = Err(refused);
            return observed;
        }
    };
    media.aside(|| {
        let asked = quietly(|| {
            observed.account = engine.account().map(|account| account.check());
        });
        if let Err(panic) = asked {
            observed.account = Some(Err(format!("a panic: {panic}")));
        }
        drop(engine);
        let mut engine = None;
        observed.again = Some(flat(|| {
            let (again, view) = S::recover(medium())?;
            engine = Some(again);
            Ok(view)
        }));
        let (Some(mut again), Some(probe)) = (engine, S::probe()) else {
            return;
        };
        let mut engine = None;
        observed.worked = Some(flat(|| {
            again.apply(&probe)?;
            drop(again);
            let (worked, view) = S::recover(medium())?;
            engine = Some(worked);
            Ok(view)
        }));
        // A panic in here shows as a count that no engine without a crash has.
        observed.room = engine.and_then(|mut engine| quietly(|| engine.fill()).unwrap_or(Some(0)));
    });
    observed
}

/// A panic is an error.
fn flat<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    quietly(work).unwrap_or_else(|panic| Err(format!("a panic: {panic}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_finds_what_is_lost_and_what_overlaps() {
        let account = |live: &[(u64, u64)], free: &[(u64, u64)]| {
            Account {
                heap: (64, 192),
                live: live.to_vec(),
                free: free.to_vec(),
            }
            .check()
        };
        assert_eq!(account(&[(128, 64)], &[(192, 64), (64, 64)]), Ok(()));
        assert!(account(&[(128, 64)], &[(192, 64)]).is_err_and(|why| why.contains("lost")));
        assert!(account(&[(64, 64)], &[(128, 64)]).is_err_and(|why| why.contains("lost")));
        let overlap = account(&[(64, 128)], &[(128, 128)]);
        assert!(overlap.is_err_and(|why| why.contains("overlaps")));
        assert!(account(&[(64, 256)], &[]).is_err_and(|why| why.contains("behind")));
    }
}
