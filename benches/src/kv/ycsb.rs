//! The shapes A to F: which operation comes next, on which key.

use super::{Key, key, mixed};

/// A shape of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Half reads, half updates.
    A,
    /// 95 % reads, 5 % updates.
    B,
    /// Reads.
    C,
    /// 95 % reads of what came lately, 5 % inserts.
    D,
    /// 95 % scans of up to 100 entries, 5 % inserts.
    E,
    /// Half reads, half reads followed by an update.
    F,
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Of a key that is there.
    Read(Key),
    /// Of a key that is there.
    Update(Key),
    /// Of the next key.
    Insert(Key),
    /// So many entries from a key on.
    Scan(Key, usize),
    /// A read and an update of the same key.
    ReadUpdate(Key),
}

/// Skew of the popular keys, as the benchmark has it.
const THETA: f64 = 0.99;
const SCAN_MAX: u64 = 100;

/// Numbers below a bound, of which small ones come far more often (Gray et al., "Quickly generating billion-record
/// synthetic databases").
#[derive(Clone, Debug)]
pub struct Zipfian {
    items: u64,
    zeta: f64,
    eta: f64,
}

impl Zipfian {
    /// Numbers below `items`; sums over all of them once.
    pub fn new(items: u64) -> Self {
        let zeta = |count: u64| (1..=count).map(|rank| (rank as f64).powf(-THETA)).sum();
        let (all, two): (f64, f64) = (zeta(items), zeta(2));
        let eta = (1.0 - (2.0 / items as f64).powf(1.0 - THETA)) / (1.0 - two / all);
        Zipfian {
            items,
            zeta: all,
            eta,
        }
    }

    /// The number for `uniform`, which is in [0, 1).
    pub fn number(&self, uniform: f64) -> u64 {
        let scaled = uniform * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + 0.5f64.powf(THETA) {
            return 1;
        }
        let spread = (self.eta * uniform - self.eta + 1.0).powf(1.0 / (1.0 - THETA));
        ((self.items as f64 * spread) as u64).min(self.items - 1)
    }
}

/// A row of operations that is the same for every store.
#[derive(Clone, Debug)]
pub struct Load {
    zipfian: Zipfian,
    random: u64,
    /// New keys of different loads are different.
    space: u64,
    /// Keys that are there.
    keys: u64,
}

impl Load {
    /// Operations on keys 0 to `keys`, and on new ones that no load of another `space` makes.
    pub fn new(keys: u64, space: u64, seed: u64) -> Self {
        Load {
            zipfian: Zipfian::new(keys),
            random: seed,
            space,
            keys,
        }
    }

    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed(self.random)
    }

    /// Below `end`, each as likely.
    pub fn uniform(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    fn key(&self, number: u64) -> Key {
        let new = number >= self.zipfian.items;
        key(if new {
            self.space << 40 | number
        } else {
            number
        })
    }

    /// A popular number, as it comes: 0 is the most popular.
    fn rank(&mut self) -> u64 {
        let uniform = (self.draw() >> 11) as f64 / (1u64 << 53) as f64;
        self.zipfian.number(uniform)
    }

    /// A key that is there; the popular ones are scattered over the order of keys.
    fn popular(&mut self) -> Key {
        let rank = self.rank();
        self.key(mixed(rank) % self.zipfian.items)
    }

    /// A key that is there; those that came last are popular.
    fn latest(&mut self) -> Key {
        let rank = self.rank();
        self.key(self.keys - 1 - rank)
    }

    /// Any key that is there.
    pub fn any(&mut self) -> Key {
        let number = self.uniform(self.keys);
        self.key(number)
    }

    /// A key that is not there, and is from now on.
    pub fn new_key(&mut self) -> Key {
        self.keys += 1;
        self.key(self.keys - 1)
    }

    /// The next operation of a shape.
    pub fn next(&mut self, shape: Shape) -> Operation {
        let percent = self.uniform(100);
        match shape {
            Shape::A if percent < 50 => Operation::Read(self.popular()),
            Shape::A => Operation::Update(self.popular()),
            Shape::B if percent < 95 => Operation::Read(self.popular()),
            Shape::B => Operation::Update(self.popular()),
            Shape::C => Operation::Read(self.popular()),
            Shape::D if percent < 95 => Operation::Read(self.latest()),
            Shape::E if percent < 95 => {
                let count = 1 + self.uniform(SCAN_MAX) as usize;
                Operation::Scan(self.popular(), count)
            }
            Shape::D | Shape::E => Operation::Insert(self.new_key()),
            Shape::F if percent < 50 => Operation::Read(self.popular()),
            Shape::F => Operation::ReadUpdate(self.popular()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn popular_numbers_come_as_often_as_their_ranks_say() {
        let mut load = Load::new(10_000, 0, 1);
        let mut seen = vec![0u32; 10_000];
        (0..200_000).for_each(|_| seen[load.rank() as usize] += 1);
        // 1 / zeta(10,000) is 0.1 of all for the first, and half of that, to the power of theta, for the second.
        let share = |rank: usize| f64::from(seen[rank]) / 200_000.0;
        assert!((0.08..0.12).contains(&share(0)), "{}", share(0));
        assert!((1.7..2.3).contains(&(share(0) / share(1))));
        let tail: u32 = seen[5_000..].iter().sum();
        assert!(
            (0.04..0.10).contains(&(f64::from(tail) / 200_000.0)),
            "{tail}"
        );
    }

    #[test]
    fn shapes_have_their_shares() {
        for (shape, reads) in [
            (Shape::A, 50),
            (Shape::B, 95),
            (Shape::C, 100),
            (Shape::D, 95),
            (Shape::E, 0),
            (Shape::F, 50),
        ] {
            let mut load = Load::new(1_000, 0, 7);
            let found = (0..20_000).filter(|_| matches!(load.next(shape), Operation::Read(_)));
            let percent = found.count() as f64 / 200.0;
            assert!(
                (percent - f64::from(reads)).abs() < 1.5,
                "{shape:?}: {percent}"
            );
        }
    }

    #[test]
    fn latest_keys_are_those_that_came_last_and_every_key_is_there() {
        let mut load = Load::new(1_000, 0, 3);
        let mut inserted = 1_000;
        for _ in 0..5_000 {
            match load.next(Shape::D) {
                Operation::Insert(new) => {
                    assert_eq!(new, key(inserted));
                    inserted += 1;
                }
                Operation::Read(read) => {
                    let number = u64::from_be_bytes(read[8..].try_into().expect("eight bytes"));
                    assert!((inserted - 1_000..inserted).contains(&number));
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(inserted > 1_150);
    }
}
