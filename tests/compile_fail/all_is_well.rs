//~ compiles
//! The control: the same steps as in the other files, in the right order.
#![deny(unused_must_use)]

use everline::engine::{CreateOptions, Engine};
use everline::media::{Media, Ram};
use everline::persist::{View, fence};
use everline::tx::TxError;
use everline::units::{ByteLen, ByteOffset};

pub fn typed(ram: &Ram) -> Result<(), Box<dyn std::error::Error>> {
    let view = View::new(ram);
    let body = view.write(ByteOffset::new(256), b"hello")?.flush();
    let mark = view.write_nt(ByteOffset::new(512), &[1; 64])?;
    let (body, _mark) = fence((body, mark))?;
    let slot = view.publish(ByteOffset::new(64), &body)?.flush();
    fence(slot)?;
    let sent = std::thread::scope(|scope| scope.spawn(|| body.range()).join());
    assert_eq!(sent.expect("no panic"), body.range());
    Ok(())
}

pub fn transaction() -> Result<(), TxError<<Ram as Media>::SyncError>> {
    let ram = Ram::new(ByteLen::new(1 << 20));
    let engine = Engine::create(ram, &CreateOptions::default()).expect("a common shape");
    std::thread::scope(|scope| scope.spawn(|| engine.begin()?.abort()).join()).expect("no panic")?;
    let tx = engine.begin()?;
    tx.commit()?;
    engine.close()?;
    Ok(())
}
