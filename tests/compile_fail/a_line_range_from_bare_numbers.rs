//~ E0451
use everline::units::LineRange;

pub fn round_it_myself() -> LineRange {
    LineRange { first: 1, count: 1 }
}
