//! The door by which loom's models reach timestamps and cuts without a pool (ADR 0006). Not there without `--cfg loom`.

use super::lane::{Cursor, Lane};
use super::place::Ring;
use super::slot::Slot;
use super::{CheckpointState, Log};
use crate::mem::{Array, List};
use crate::sync::{AtomicU64, Lock};
use crate::units::{ByteOffset, Padded};

/// The shipped log, seen by its timestamps alone.
#[derive(Debug)]
pub struct Timestamps(Log);

impl Timestamps {
    /// A log of `lanes` lanes in which nothing has happened.
    pub fn new(lanes: u32) -> Self {
        let ring = |lane| Ring {
            lane,
            at: ByteOffset::ZERO,
            units: 16,
        };
        let lanes = Array::from_fn(lanes as usize, |lane| {
            Padded(Lane::new(ring(lane as u32), 0, 0))
        });
        let slot = Slot {
            index: 0,
            generation: 1,
            epoch: 1,
            cut: 0,
        };
        Timestamps(Log {
            next_timestamp: Padded(AtomicU64::new(1)),
            lanes: lanes.expect("a list that grows"),
            gate: Lock::new(()),
            checkpoint: Lock::new(CheckpointState {
                slot,
                extensions: List::new(),
            }),
        })
    }

    /// What a commit does once its log space is secured.
    pub fn draw(&self, lane: u32) -> u64 {
        self.0.draw_timestamp(lane)
    }

    /// What a commit does once its homes are stored.
    pub fn settle(&self, lane: u32) {
        self.0.settle(&Cursor::new(lane, 0));
    }

    /// What a checkpoint may declare durable.
    pub fn cut(&self) -> u64 {
        self.0.cut()
    }
}
