//~ E0277
use everline::media::Ram;
use everline::persist::Pending;

pub fn send(pending: Pending<'static, Ram>) {
    std::thread::spawn(move || pending.fence());
}
