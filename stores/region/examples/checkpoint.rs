//! A simulation that keeps a checkpoint of itself and goes on from it after any end, `kill -9` and power cuts
//! included.
//!
//! ```text
//! cargo run --example checkpoint -- POOL STEPS
//! ```
//!
//! The checkpoint is one region under one name. Putting a new one in its place is atomic: whoever opens the pool finds
//! the old state or the new one, never a mixture.

use std::error::Error;
use std::io::{Write, stdout};

use everline_region::{RegionError, Target, TargetConfig};

/// Cells of the simulated world.
const CELLS: usize = 8192;
/// Steps between two checkpoints.
const INTERVAL: u64 = 10;

/// A world and how far it has come.
struct World {
    step: u64,
    cells: Vec<u64>,
}

impl World {
    fn new() -> Self {
        World {
            step: 0,
            cells: (0..CELLS as u64).collect(),
        }
    }

    /// Each cell follows from its own past alone, so that a mixture of two moments can be told.
    fn advance(&mut self) {
        for cell in &mut self.cells {
            *cell = cell.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        }
        self.step += 1;
    }

    fn to_bytes(&self) -> Vec<u8> {
        let words = std::iter::once(&self.step).chain(&self.cells);
        words.flat_map(|word| word.to_le_bytes()).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut words = bytes.chunks_exact(8).map(|word| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            u64::from_le_bytes(bytes)
        });
        let step = words.next()?;
        let cells: Vec<u64> = words.collect();
        (cells.len() == CELLS).then_some(World { step, cells })
    }
}

/// The world of the last checkpoint, or a new one.
fn resume(target: &Target) -> Result<World, Box<dyn Error>> {
    match target.by_name("checkpoint") {
        Ok(id) => {
            let world = World::from_bytes(&target.read_all(id)?);
            Ok(world
                .ok_or("the checkpoint has another shape: is this another simulation's pool?")?)
        }
        Err(RegionError::NotFound { .. }) => Ok(World::new()),
        Err(error) => Err(error.into()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(path), Some(steps)) = (words.next(), words.next()) else {
        return Err("usage: checkpoint POOL STEPS".into());
    };
    let target = Target::open(TargetConfig::pmem(path).with_size(4 << 20))?;
    let mut world = resume(&target)?;
    println!("resumed at {}", world.step);
    let end = steps.parse::<u64>()?;
    while world.step < end {
        world.advance();
        if world.step % INTERVAL == 0 {
            target.put("checkpoint", &world.to_bytes())?;
            println!("saved {}", world.step);
            stdout().flush()?;
        }
    }
    target.close()?;
    println!("done at {}", world.step);
    Ok(())
}
