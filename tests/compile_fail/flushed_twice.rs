//~ E0382
use everline::media::Ram;
use everline::persist::Dirty;

pub fn twice(dirty: Dirty<'_, Ram>) {
    let _first = dirty.flush();
    let _second = dirty.flush();
}
