//! The undo path: before-images are made durable, then bytes change in place.

mod abort;
mod snapshot;

pub use snapshot::InPlace;
