//~ E0597
use everline::engine::{CreateOptions, Engine};
use everline::media::Ram;
use everline::units::ByteLen;

pub fn outlive() {
    let tx;
    {
        let ram = Ram::new(ByteLen::new(1 << 20));
        let engine = Engine::create(ram, &CreateOptions::default()).expect("a common shape");
        tx = engine.begin();
    }
    drop(tx);
}
