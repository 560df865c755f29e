//~ unused_must_use
#![deny(unused_must_use)]

use everline::engine::Engine;
use everline::media::{Media, Ram};
use everline::tx::TxError;

pub fn forget(engine: &Engine<Ram>) -> Result<(), TxError<<Ram as Media>::SyncError>> {
    engine.begin()?;
    Ok(())
}
