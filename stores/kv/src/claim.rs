//! One open store in a pool: two would each have a writers' lock of their own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use everline::media::Media;
use everline_region::Regions;
use parking_lot::Mutex;

/// Where the regions are that have an open store.
static CLAIMED: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

/// How often, and how long in between, one waits for a store that has been dropped and whose thread is about to end.
const TURNS: u32 = 500;
const PAUSE: Duration = Duration::from_millis(2);

/// The right to be the open store of a pool, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim(usize);

impl Claim {
    /// `None`: there is an open store.
    pub fn on<M: Media>(regions: &Arc<Regions<M>>) -> Option<Self> {
        let address = Arc::as_ptr(regions) as usize;
        for turn in 0..TURNS {
            if turn > 0 {
                std::thread::sleep(PAUSE);
            }
            if CLAIMED.lock().insert(address) {
                return Some(Claim(address));
            }
        }
        None
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMED.lock().remove(&self.0);
    }
}
