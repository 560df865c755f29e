//! How deep a suite goes: at a desk, before a merge, or to the end.

/// What `EVERLINE_CRASH` asks of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Seconds: a slice in which everything occurs. The variable is not set.
    Desk,
    /// Minutes: `merge`.
    Merge,
    /// As long as it takes: `full`.
    Full,
}

impl Depth {
    /// As the environment says.
    ///
    /// # Panics
    ///
    /// If it says anything else: a suite that was meant to be deep must not be shallow in silence.
    pub fn from_env() -> Self {
        match std::env::var("EVERLINE_CRASH") {
            Err(_) => Depth::Desk,
            Ok(depth) => Self::of(&depth).unwrap_or_else(|| {
                panic!("EVERLINE_CRASH is {depth:?}: set merge or full, or nothing")
            }),
        }
    }

    fn of(word: &str) -> Option<Self> {
        match word {
            "" => Some(Depth::Desk),
            "merge" => Some(Depth::Merge),
            "full" => Some(Depth::Full),
            _ => None,
        }
    }

    /// One of three values, for this depth.
    pub fn pick<T>(self, desk: T, merge: T, full: T) -> T {
        match self {
            Depth::Desk => desk,
            Depth::Merge => merge,
            Depth::Full => full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_depth_is_none() {
        assert_eq!(Depth::of("merge"), Some(Depth::Merge));
        assert_eq!(Depth::of("Full"), None);
        assert!(Depth::Desk < Depth::Merge && Depth::Merge < Depth::Full);
        assert_eq!(Depth::Merge.pick(1, 2, 3), 2);
    }
}
