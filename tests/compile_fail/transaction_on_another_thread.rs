//~ E0277
use everline::media::Ram;
use everline::tx::Tx;

pub fn send(tx: Tx<'static, Ram>) {
    std::thread::spawn(move || tx.commit());
}
