//~ E0277
use everline::media::Ram;
use everline::persist::{Dirty, fence};

pub fn skip<'m>(dirty: Dirty<'m, Ram>) {
    let _outcome = fence::<Ram, _>(dirty);
}
