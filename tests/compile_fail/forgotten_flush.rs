//~ unused_must_use
#![deny(unused_must_use)]

use everline::media::Ram;
use everline::persist::{View, ViewError};
use everline::units::ByteOffset;

pub fn forget(view: View<'_, Ram>) -> Result<(), ViewError> {
    view.write(ByteOffset::new(256), b"hello")?;
    Ok(())
}
