//~ E0308
use everline::media::Ram;
use everline::persist::{Flushed, View};
use everline::units::ByteOffset;

pub fn skip<'m>(view: View<'m, Ram>, target: &Flushed<'m, Ram>) {
    let _outcome = view.publish(ByteOffset::new(64), target);
}
