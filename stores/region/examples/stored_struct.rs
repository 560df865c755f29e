//! A plain struct that lives in a region: loaded, changed, stored back in one atomic step.
//!
//! ```text
//! cargo run --example stored_struct -- POOL CHANGES
//! ```
//!
//! The struct's bytes are the region's bytes. `write_atomic` puts all of the new ones there or none, so that its fields
//! always belong together, here an account's balance and the number and sum of its bookings.

use std::error::Error;
use std::io::{Write, stdout};

use everline_region::{RegionError, RegionId, RegionOptions, Target, TargetConfig};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What is stored. `repr(C)` keeps the fields where they are written here: without it the next compiler may lay them
/// out otherwise, and what an older program has stored would mean something else.
#[repr(C)]
#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
struct Account {
    /// Bookings so far.
    bookings: u64,
    /// Sum of the numbers of all bookings.
    balance: u64,
    /// The last bookings by number, newest at `bookings % 512`.
    history: [u64; HISTORY],
}

const HISTORY: usize = 512;

impl Account {
    fn book(&mut self) {
        self.bookings += 1;
        self.balance += self.bookings;
        self.history[self.bookings as usize % HISTORY] = self.bookings;
    }
}

/// The account's region, made with an empty account where there is none.
fn find(target: &Target) -> Result<RegionId, Box<dyn Error>> {
    match target.by_name("account") {
        Err(RegionError::NotFound { .. }) => {
            let empty = Account {
                bookings: 0,
                balance: 0,
                history: [0; HISTORY],
            };
            let options = RegionOptions {
                name: Some("account"),
                ..RegionOptions::default()
            };
            Ok(target.create_with(empty.as_bytes(), &options)?)
        }
        found => Ok(found?),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(path), Some(changes)) = (words.next(), words.next()) else {
        return Err("usage: stored_struct POOL CHANGES".into());
    };
    let target = Target::open(TargetConfig::pmem(path).with_size(1 << 20))?;
    let id = find(&target)?;
    let mut account = target.load::<Account>(id, 0)?;
    println!("found {} bookings", account.bookings);
    for _ in 0..changes.parse::<u64>()? {
        account.book();
        target.write_atomic(id, 0, account.as_bytes())?;
        println!("booked {}", account.bookings);
        stdout().flush()?;
    }
    target.close()?;
    println!("done");
    Ok(())
}
