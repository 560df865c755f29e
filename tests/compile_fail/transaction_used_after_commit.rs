//~ E0382
use everline::engine::Engine;
use everline::media::{Media, Ram};
use everline::tx::TxError;
use everline::units::ByteOffset;

pub fn late(engine: &Engine<Ram>) -> Result<(), TxError<<Ram as Media>::SyncError>> {
    let mut tx = engine.begin()?;
    tx.commit()?;
    tx.write(ByteOffset::new(65_000), b"late")
}
