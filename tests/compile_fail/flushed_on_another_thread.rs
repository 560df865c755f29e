//~ E0277
use everline::media::Ram;
use everline::persist::{Flushed, fence};

pub fn send(flushed: Flushed<'static, Ram>) {
    std::thread::spawn(move || fence(flushed));
}
