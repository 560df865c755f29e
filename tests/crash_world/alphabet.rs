//! What workloads are made of.

use super::Op;

/// One operation of each kind.
pub fn transactions() -> Vec<Op> {
    vec![
        Op::Staged(10),
        Op::Undo(20),
        Op::UndoBig(30),
        Op::Mixed(40),
        Op::AbortUndo(50),
        Op::AbortBig(60),
        Op::AbortStaged(70),
        Op::Put {
            slot: 0,
            bytes: 40,
            fill: 0x11,
        },
        Op::PutFresh {
            slot: 0,
            bytes: 600,
            fill: 0x22,
        },
        Op::PutFresh {
            slot: 1,
            bytes: 5000,
            fill: 0x33,
        },
        Op::Free(0),
        Op::Group(80),
        Op::Extended(90),
        Op::OtherLane(100),
        Op::Checkpoint,
        Op::Reopen,
        Op::Kill,
    ]
}

/// Objects of two classes with their bytes in the record, of two and of a run of slabs with their bytes at home.
///
/// Records stay small: what a large one that is not believed leaves in its ring multiplies states that have nothing to
/// do with the allocator.
pub fn allocations() -> Vec<Op> {
    let mut ops = Vec::new();
    for slot in 0..2 {
        let fill = |base: u8| base + slot as u8;
        for (bytes, base) in [(20, 0x21), (120, 0x32)] {
            let fill = fill(base);
            ops.push(Op::Put { slot, bytes, fill });
        }
        for (bytes, base) in [(20, 0x43), (300, 0x54), (5_000, 0x65)] {
            let fill = fill(base);
            ops.push(Op::PutFresh { slot, bytes, fill });
        }
        ops.push(Op::Free(slot));
    }
    ops.push(Op::AbortStaged(9));
    ops.push(Op::Kill);
    ops
}

/// A small generator of its own, so that a seed means the same for ever.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    pub fn op(&mut self, step: u64) -> Op {
        let v = step * 1_000 + 1;
        let slot = self.below(4) as usize;
        let fill = step as u8 | 1;
        match self.below(24) {
            0..=3 => Op::Staged(v),
            4..=6 => Op::Undo(v),
            7 => Op::UndoBig(v),
            8 => Op::Mixed(v),
            9 => Op::AbortUndo(v),
            10 => Op::AbortBig(v),
            11 => Op::AbortStaged(v),
            12..=13 => Op::Put {
                slot,
                bytes: self.below(200) + 1,
                fill,
            },
            14..=15 => Op::PutFresh {
                slot,
                bytes: self.below(3_000) + 1,
                fill,
            },
            16..=17 => Op::Free(slot),
            18 => Op::Group(v),
            19 => Op::Extended(v),
            20..=21 => Op::OtherLane(v),
            22 => Op::Checkpoint,
            _ if self.below(2) == 0 => Op::Reopen,
            _ => Op::Kill,
        }
    }
}
