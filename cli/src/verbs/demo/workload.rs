//! What the demo does to a pool, the same under SIGKILL on a file and under power cuts in the laboratory.
//!
//! One transaction a file: it adds the region, with its name and its bytes, and brings a ledger up to date (how many
//! files, how many bytes, a sum over names and lengths). The two ways differ in how the ledger changes:
//!
//! | way | ledger | waits |
//! |---|---|---|
//! | undo | snapshot, then stored in place before the commit | before-image, bytes, commit |
//! | staged | travels in the commit record | bytes, commit |
//!
//! Whatever the crash: a file is there whole, by name, and in the ledger; or it is in neither.

use everline::alloc::Request;
use everline::layout::RootSlot;
use everline::media::Media;
use everline::units::{ByteLen, ByteOffset, ByteRange};
use everline_region::{RegionError, Regions};

use super::input::Item;
use super::random::mix;

/// How a transaction changes the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Before-image first, then stores in place.
    Undo,
    /// In the commit record.
    Staged,
}

impl Way {
    /// Files take turns.
    pub fn of(index: usize) -> Self {
        if index % 2 == 0 {
            Way::Undo
        } else {
            Way::Staged
        }
    }
}

/// Where in its transaction [`store`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Begun; nothing stored yet.
    Begun,
    /// The undo way's ledger is stored in place, the transaction is open.
    InPlace,
}

/// Count, bytes and sum of the files that are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger([u64; 3]);

impl Ledger {
    /// With `item` in it.
    pub fn with(self, item: &Item) -> Self {
        let [files, bytes, sum] = self.0;
        let name = item
            .name
            .bytes()
            .fold(item.bytes.len() as u64, |sum, byte| {
                mix(sum ^ u64::from(byte))
            });
        Ledger([files + 1, bytes + item.bytes.len() as u64, sum ^ name])
    }

    fn from_bytes(bytes: [u8; 24]) -> Self {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        Ledger([word(0), word(8), word(16)])
    }

    fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        for (place, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// The root slot that leads to the ledger.
const LEDGER: RootSlot = match RootSlot::user(0) {
    Some(slot) => slot,
    None => unreachable!(),
};

type Answer<R, M> = Result<R, RegionError<<M as Media>::SyncError>>;

/// Makes the ledger, if there is none.
pub fn prepare<M: Media>(regions: &Regions<M>) -> Answer<(), M> {
    if regions.engine().root(LEDGER) != ByteOffset::ZERO {
        return Ok(());
    }
    let mut tx = regions.engine().begin()?;
    let block = tx.alloc(Request::new(24))?;
    tx.write(block.start(), &Ledger::default().to_bytes())?;
    tx.set_root(LEDGER, block.start())?;
    tx.commit()?;
    Ok(())
}

/// Stores `item` in one transaction; it is durable when this returns.
pub fn store<M: Media>(
    regions: &Regions<M>,
    way: Way,
    item: &Item,
    mut at: impl FnMut(Moment),
) -> Answer<(), M> {
    let home = regions.engine().root(LEDGER);
    let mut batch = regions.batch()?;
    at(Moment::Begun);
    batch.put(&item.name, &item.bytes)?;
    let tx = batch.tx();
    let mut ledger = [0; 24];
    tx.read(home, &mut ledger)?;
    let ledger = Ledger::from_bytes(ledger).with(item).to_bytes();
    match way {
        Way::Staged => tx.write(home, &ledger)?,
        Way::Undo => {
            let range = ByteRange::new(home, ByteLen::of(&ledger)).unwrap_or_default();
            tx.snapshot(&[range])?.store(home, &ledger)?;
            at(Moment::InPlace);
        }
    }
    batch.commit()?;
    Ok(())
}

/// What a pool holds of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No region of that name.
    Absent,
    /// The file, every byte.
    Whole,
    /// A region of that name that is not the file: what no crash may leave.
    Torn,
}

/// What is there of `item`.
pub fn look<M: Media>(regions: &Regions<M>, item: &Item) -> Answer<Found, M> {
    let id = match regions.by_name(&item.name) {
        Ok(id) => id,
        Err(RegionError::NotFound { .. }) => return Ok(Found::Absent),
        Err(error) => return Err(error),
    };
    let whole = regions.read_all(id)? == item.bytes;
    Ok(if whole { Found::Whole } else { Found::Torn })
}

/// The ledger as it is now; none before [`prepare`].
pub fn ledger<M: Media>(regions: &Regions<M>) -> Answer<Option<Ledger>, M> {
    let home = regions.engine().root(LEDGER);
    if home == ByteOffset::ZERO {
        return Ok(None);
    }
    let mut bytes = [0; 24];
    regions.engine().read(home, &mut bytes)?;
    Ok(Some(Ledger::from_bytes(bytes)))
}

/// Everything that is asked of a recovered pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Each file.
    pub files: Vec<Found>,
    /// Whether the ledger counts exactly the files that are whole.
    pub ledger_agrees: bool,
    /// Problems that the checks of pool and regions told.
    pub problems: u64,
}

/// Looks at every file, at the ledger, and checks everything.
pub fn survey<M: Media>(regions: &Regions<M>, items: &[Item]) -> Answer<Seen, M> {
    let mut files = Vec::with_capacity(items.len());
    let mut expected = Ledger::default();
    for item in items {
        let found = look(regions, item)?;
        if found == Found::Whole {
            expected = expected.with(item);
        }
        files.push(found);
    }
    let mut problems = regions.engine().check(|_problem| {}).problems;
    regions.check(|_problem| problems += 1);
    Ok(Seen {
        files,
        ledger_agrees: ledger(regions)?.unwrap_or_default() == expected,
        problems,
    })
}

/// Whether a crash may leave this of a file that was, or was not, acknowledged, and may have been begun.
pub fn allowed(found: Found, acknowledged: bool, begun: bool) -> bool {
    match found {
        Found::Whole => acknowledged || begun,
        Found::Absent => !acknowledged,
        Found::Torn => false,
    }
}
