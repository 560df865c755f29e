//! A workflow of many stages that goes on where it was interrupted, and never does a finished stage again.
//!
//! ```text
//! cargo run --example workflow -- POOL STAGES
//! ```
//!
//! What a stage makes and the note that it is finished are one batch: both are there after a crash, or neither.

use std::error::Error;
use std::io::{Write, stdout};

use everline_region::{RegionError, Target, TargetConfig};

/// Bytes that a stage makes.
const RESULT_BYTES: usize = 3000;

/// A stage's work: from what the stage before it made.
fn work(stage: u64, before: &[u8]) -> Vec<u8> {
    let carry = before.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    (0..RESULT_BYTES as u64)
        .map(|at| (at.wrapping_mul(stage + 1).wrapping_add(carry) >> 3) as u8)
        .collect()
}

/// How many stages are finished.
fn finished(target: &Target) -> Result<u64, Box<dyn Error>> {
    match target.by_name("finished") {
        Ok(id) => {
            let mut bytes = [0; 8];
            target.read(id, 0, &mut bytes)?;
            Ok(u64::from_le_bytes(bytes))
        }
        Err(RegionError::NotFound { .. }) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

fn result_of(target: &Target, stage: u64) -> Result<Vec<u8>, Box<dyn Error>> {
    let id = target.by_name(&format!("stage {stage}"))?;
    Ok(target.read_all(id)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(path), Some(stages)) = (words.next(), words.next()) else {
        return Err("usage: workflow POOL STAGES".into());
    };
    let target = Target::open(TargetConfig::pmem(path).with_size(16 << 20))?;
    let first = finished(&target)?;
    println!("resumed at {first}");
    for stage in first..stages.parse()? {
        let before = match stage {
            0 => Vec::new(),
            stage => result_of(&target, stage - 1)?,
        };
        println!("works on {stage}");
        let result = work(stage, &before);
        let mut batch = target.batch()?;
        batch.put(&format!("stage {stage}"), &result)?;
        batch.put("finished", &(stage + 1).to_le_bytes())?;
        batch.commit()?;
        println!("finished {stage}");
        stdout().flush()?;
    }
    target.close()?;
    println!("done");
    Ok(())
}
