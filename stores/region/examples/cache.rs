//! A cache that is still warm after a restart: look up, on a miss compute and keep, within a budget.
//!
//! ```text
//! cargo run --example cache -- POOL KEY...
//! ```
//!
//! An entry is a region under its key, made whole or not at all, so that a half-written answer is never found. When the
//! pool is full the oldest entries go.

use std::error::Error;
use std::io::{Write, stdout};

use everline_region::{RegionError, RegionId, RegionOptions, Target, TargetConfig};

/// Bytes of an answer.
const ANSWER_BYTES: usize = 20_000;

/// The kept answers.
struct Cache {
    target: Target,
    /// The age of the youngest: ages are numbers that grow, kept as attributes.
    clock: u64,
}

/// Something that takes long: here a sequence that follows from the key.
fn compute(key: &str) -> Vec<u8> {
    let mut state = key.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    });
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..ANSWER_BYTES).map(|_| next()).collect()
}

impl Cache {
    fn open(path: &str) -> Result<Self, Box<dyn Error>> {
        let target = Target::open(TargetConfig::pmem(path).with_size(2 << 20))?;
        let mut cache = Cache { target, clock: 0 };
        cache.clock = cache.ages()?.1;
        Ok(cache)
    }

    /// The oldest entry, and the age of the youngest.
    fn ages(&self) -> Result<(Option<RegionId>, u64), Box<dyn Error>> {
        let mut oldest: Option<(u64, RegionId)> = None;
        let mut youngest = 0;
        self.target.for_each(|entry| {
            let age = entry.attributes().try_into().map_or(0, u64::from_be_bytes);
            youngest = youngest.max(age);
            if oldest.is_none_or(|(known, _)| age < known) {
                oldest = Some((age, entry.id()));
            }
        })?;
        Ok((oldest.map(|(_, id)| id), youngest))
    }

    /// The answer for `key`, and whether it was kept already.
    fn look_up(&mut self, key: &str) -> Result<(Vec<u8>, bool), Box<dyn Error>> {
        match self.target.by_name(key) {
            Ok(id) => Ok((self.target.read_all(id)?, true)),
            Err(RegionError::NotFound { .. }) => {
                let answer = compute(key);
                self.keep(key, &answer)?;
                Ok((answer, false))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps an answer, and makes room for it where there is none.
    fn keep(&mut self, key: &str, answer: &[u8]) -> Result<(), Box<dyn Error>> {
        self.clock += 1;
        let age = self.clock.to_be_bytes();
        let options = RegionOptions {
            name: Some(key),
            attributes: Some(&age),
            ..RegionOptions::default()
        };
        loop {
            match self.target.create_with(answer, &options) {
                Ok(_) => return Ok(()),
                Err(error @ RegionError::NoSpace { .. }) => match self.ages()? {
                    (Some(oldest), _) => self.target.destroy(oldest)?,
                    (None, _) => return Err(error.into()),
                },
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let path = words.next().ok_or("usage: cache POOL KEY...")?;
    let mut cache = Cache::open(&path)?;
    for key in words {
        let (answer, hit) = cache.look_up(&key)?;
        let sum = answer.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        println!("{} {key} {sum}", if hit { "hit" } else { "miss" });
        stdout().flush()?;
    }
    cache.target.close()?;
    println!("done");
    Ok(())
}
