//~ E0061
use everline::media::Ram;
use everline::persist::View;
use everline::units::ByteOffset;

pub fn skip(view: View<'_, Ram>) {
    let _outcome = view.publish(ByteOffset::new(64));
}
