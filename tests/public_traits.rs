//! Which public types may be sent to another thread or shared with one: the table, asserted when it is compiled.
//!
//! | type | Send | Sync | why |
//! |---|---|---|---|
//! | `Engine`, `Manager`, `Pool`, `Log`, `Heap` | as the medium | as the medium | every access is atomic or behind a lock |
//! | `Ram`, `Mapped`, `Counted`, `FileMedia`, `CrashMedia` | yes | yes | the same |
//! | `Tx`, `InPlace` | no | no | a fence settles its own thread's flushes, and a lane is held by one |
//! | `Reservation` | yes | yes | it holds no flush that a fence of another thread would have to settle |
//! | `Dirty`, `Durable` | yes | yes | nothing has begun, or nothing is left to do |
//! | `Flushed`, `Pending` | no | no | a fence settles its own thread's flushes |
//! | `TreeReader` | as the medium | as the medium | it holds a reference to the pool |
//! | `TreeEdit` | yes | no | one writer |
//! | everything that is a plain number, name, report or error | yes | yes | |

use static_assertions::{assert_impl_all, assert_not_impl_any};

use everline::alloc::{AllocError, FreeError, Heap, HeapStats, LiveObject, Request};
use everline::arch::FlushKind;
use everline::engine::{
    CheckReport, CreateOptions, Engine, Identity, OpenOptions, OpenReport, PoolStats, Problem,
};
use everline::layout::{
    ClassTable, Corrupt, Geometry, GeometryError, LayoutName, MapEntry, Op, OpWord, RecordHeader,
    RootSlot, Shared, SlabHeader, SlabShape, SlotHeader, Superblock,
};
use everline::log::{AppendError, CheckpointReport, Log, LogStatus, RecoverError, RecoveryReport};
use everline::media::{Cost, Counted, Domain, Durability, Errno, Mapped, Media, Ram, SpaceError};
use everline::persist::{Dirty, Durable, Flushed, Pending, View, ViewError};
use everline::pool::{CreateError, Expectation, Health, OpenError, Pool, Shape};
use everline::sync::{Guard, Lock};
use everline::tree::{
    BigValue, Chunk, Found, Tree, TreeCheck, TreeEdit, TreeError, TreeOptions, TreeReader, Versions,
};
use everline::tx::{InPlace, Manager, Receipt, Reservation, Tx, TxError};
use everline::units::{ByteLen, ByteOffset, ByteRange, LineCount, LineRange, Padded};
use everline_crash::CrashMedia;

macro_rules! plain {
    ($($type:ty),* $(,)?) => {
        $(assert_impl_all!($type: Send, Sync, Unpin, core::fmt::Debug);)*
    };
}

macro_rules! stays_on_its_thread {
    ($($type:ty),* $(,)?) => {
        $(assert_not_impl_any!($type: Send, Sync, Clone);)*
    };
}

macro_rules! errors {
    ($($type:ty),* $(,)?) => {
        $(assert_impl_all!($type: std::error::Error, Send, Sync, Clone, PartialEq);)*
    };
}

plain!(
    BigValue,
    Chunk,
    Found,
    Tree,
    TreeCheck,
    TreeOptions,
    TreeReader<'static, Ram>,
    Versions,
    ByteOffset,
    ByteLen,
    ByteRange,
    LineCount,
    LineRange,
    Padded<u64>,
    FlushKind,
    Geometry,
    LayoutName,
    RootSlot,
    Superblock,
    SlotHeader,
    Shared,
    RecordHeader,
    SlabHeader,
    SlabShape,
    ClassTable,
    MapEntry,
    Op,
    OpWord,
    Cost,
    Domain,
    Durability,
    Shape,
    Expectation,
    Health,
    CheckpointReport,
    LogStatus,
    RecoveryReport,
    HeapStats,
    LiveObject,
    Request,
    Receipt,
    CreateOptions,
    OpenOptions,
    OpenReport,
    Identity,
    PoolStats,
    CheckReport,
    Problem,
);

plain!(
    Engine<Ram>,
    Engine<Counted<Ram>>,
    Engine<Mapped>,
    Engine<CrashMedia>,
    Manager<Ram>,
    Pool<Ram>,
    Log,
    Heap,
    Ram,
    Mapped,
    Counted<Ram>,
    Reservation<'static, Ram>,
    View<'static, Ram>,
    Dirty<'static, Ram>,
    Durable<'static, Ram>,
    Lock<u64>,
);

stays_on_its_thread!(
    Tx<'static, Ram>,
    InPlace<'static, 'static, Ram>,
    Flushed<'static, Ram>,
    Pending<'static, Ram>,
    Guard<'static, u64>,
);

errors!(
    AllocError,
    FreeError,
    Corrupt,
    GeometryError,
    SpaceError,
    Errno,
    ViewError,
    CreateError<Errno>,
    OpenError<Errno>,
    RecoverError<Errno>,
    TxError<Errno>,
    TxError<core::convert::Infallible>,
    TreeError<Errno>,
);
assert_impl_all!(TreeEdit: Send, Unpin, core::fmt::Debug);
plain!(AppendError<Errno>);

// A durable range may be remembered; a dirty one is paid for once.
assert_impl_all!(Durable<'static, Ram>: Copy);
assert_not_impl_any!(Dirty<'static, Ram>: Clone);
assert_not_impl_any!(Reservation<'static, Ram>: Clone);

#[cfg(unix)]
mod files {
    use super::*;
    use everline::engine::{FileConfig, FileEngine, FileEngineError, Opened, PrivateEngine};
    use everline::media::file::{FileError, FileMedia, FileOptions, PrivateMedia};

    plain!(
        FileEngine,
        PrivateEngine,
        FileMedia,
        PrivateMedia,
        FileOptions,
        FileConfig,
        Opened,
    );
    errors!(FileError, FileEngineError);
    stays_on_its_thread!(Tx<'static, FileMedia>, Flushed<'static, FileMedia>);
}

/// A medium of which nobody promised anything.
struct Shy(std::cell::Cell<u8>);

// What a medium does not promise, nothing built on it does.
assert_not_impl_any!(Pool<Shy>: Sync);
assert_not_impl_any!(Engine<Shy>: Sync);
assert_not_impl_any!(Dirty<'static, Shy>: Send, Sync);

#[test]
fn every_error_tells_the_caller_something() {
    assert_eq!(Shy(7.into()).0.get(), 7);
    let errors: [Box<dyn std::error::Error + Send + Sync>; 6] = [
        Box::new(AllocError::ZeroSize),
        Box::new(FreeError::TooMany),
        Box::new(TxError::<Errno>::Poisoned),
        Box::new(OpenError::<Errno>::OtherEndian),
        Box::new(SpaceError::NoSpace),
        Box::new(ViewError::Tears { granule: 4 }),
    ];
    for error in errors {
        assert!(error.to_string().len() > 15, "{error}");
    }
    assert_eq!(Ram::new(ByteLen::new(64)).len(), ByteLen::new(64));
}
