//! Ranges of keys.

use std::ops::{Bound, RangeBounds};

/// Both ends of a range of keys.
pub(crate) type Ends<'k> = (Bound<&'k [u8]>, Bound<&'k [u8]>);

/// A range of keys that owns its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub lower: Bound<Vec<u8>>,
    pub upper: Bound<Vec<u8>>,
}

impl Bounds {
    pub fn of<K: AsRef<[u8]>>(range: &impl RangeBounds<K>) -> Self {
        let own = |bound: Bound<&K>| bound.map(|key| key.as_ref().to_vec());
        Bounds {
            lower: own(range.start_bound()),
            upper: own(range.end_bound()),
        }
    }

    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut end = prefix.to_vec();
        while end.last() == Some(&0xFF) {
            end.pop();
        }
        let upper = match end.last_mut() {
            Some(last) => {
                *last += 1;
                Bound::Excluded(end)
            }
            None => Bound::Unbounded,
        };
        Bounds {
            lower: Bound::Included(prefix.to_vec()),
            upper,
        }
    }

    /// Both ends, as maps want them. `None` for a range without keys, of which some maps would panic.
    pub fn ends(&self) -> Option<Ends<'_>> {
        let lower = self.lower.as_ref().map(Vec::as_slice);
        let upper = self.upper.as_ref().map(Vec::as_slice);
        let empty = match (lower, upper) {
            (Bound::Included(low), Bound::Included(high)) => low > high,
            (Bound::Included(low), Bound::Excluded(high))
            | (Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => low >= high,
            _ => false,
        };
        (!empty).then_some((lower, upper))
    }

    /// Whether `key` lies before the upper end.
    pub fn is_below_upper(&self, key: &[u8]) -> bool {
        match &self.upper {
            Bound::Included(end) => key <= end.as_slice(),
            Bound::Excluded(end) => key < end.as_slice(),
            Bound::Unbounded => true,
        }
    }

    /// Whether `key` lies behind the lower end.
    pub fn is_above_lower(&self, key: &[u8]) -> bool {
        match &self.lower {
            Bound::Included(end) => key >= end.as_slice(),
            Bound::Excluded(end) => key > end.as_slice(),
            Bound::Unbounded => true,
        }
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        self.is_above_lower(key) && self.is_below_upper(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        let bounds = Bounds::prefix(b"a\xFF");
        assert!(bounds.contains(b"a\xFF") && bounds.contains(b"a\xFF\xFF\xFF"));
        assert!(!bounds.contains(b"a\xFE\xFF") && !bounds.contains(b"b"));
        let all = Bounds::prefix(b"");
        assert!(all.contains(b"") && all.contains(b"\xFF\xFF"));
        assert!(Bounds::prefix(b"\xFF").contains(b"\xFF\xFF\xFF"));
        assert!(!Bounds::prefix(b"\xFF").contains(b"\xFE"));
    }

    #[test]
    fn a_range_that_runs_backwards_is_empty() {
        assert!(Bounds::of(&(b"b".to_vec()..b"a".to_vec())).ends().is_none());
        assert!(Bounds::of(&(b"a".to_vec()..b"a".to_vec())).ends().is_none());
        assert!(
            Bounds::of(&(b"a".to_vec()..=b"a".to_vec()))
                .ends()
                .is_some()
        );
    }
}
