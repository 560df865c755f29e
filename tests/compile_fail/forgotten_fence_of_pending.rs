//~ unused_must_use
#![deny(unused_must_use)]

use everline::media::Ram;
use everline::persist::Pending;

pub fn forget(ram: &Ram) {
    Pending::new(ram);
}
