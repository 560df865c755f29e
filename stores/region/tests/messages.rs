//! What every refusal says: which path, identifier or range, and what to do. A new kind of error does not compile here
//! until its text is written down.
#![cfg(unix)]

use everline::alloc::AllocError;
use everline::layout::Corrupt;
use everline::media::file::FileError;
use everline::media::{Domain, Durability, Errno, SpaceError};
use everline::pool::{CreateError, GrowError, OpenError};
use everline::tx::TxError;
use everline::units::ByteOffset;
use everline_region::transfer::ImageError;
use everline_region::{
    ConfigError, CopyError, ParseSizeError, RegionError, RegionId, Regions, RequestsError,
    Retirement, TargetError, TransferError, parse_size,
};

type Error = RegionError<Errno>;

fn id() -> RegionId {
    RegionId::from_bytes([0xAB; 16])
}

const ID: &str = "abababababababababababababababab";

const PLACE: Durability = Durability {
    domain: Domain::Volatile,
    reason: "a reason",
    flush: "a flush",
};

/// The text of each kind of refusal of an operation. The match has no wildcard: it is the list of them.
fn region_text(error: &Error) -> String {
    match error {
        RegionError::InvalidRegion { .. } => format!("no region of this pool has the identifier {ID}: the region was destroyed or replaced, or the identifier is another pool's; look it up by name"),
        RegionError::NotFound { .. } => "no region is named \"n\": list the regions to see which there are".into(),
        RegionError::AlreadyExists { .. } => "a region is named \"n\" already: destroy it, replace it, or choose another name".into(),
        RegionError::InvalidSize => "a region must have at least one byte".into(),
        RegionError::NameTooLong { .. } => "a region's name has at most 255 bytes, not 300: choose a shorter one".into(),
        RegionError::BadName { .. } => "\"n\" cannot name a region: it is empty; choose another name".into(),
        RegionError::BadAlign { .. } => "an alignment of 100 bytes is not a power of two up to 4096".into(),
        RegionError::OutOfBounds { .. } => format!("2 bytes at 99 leave the region {ID}, which has 100; nothing was touched"),
        RegionError::InUse { .. } => format!("3 views lead into the region {ID}: drop them before it is destroyed, resized or moved"),
        RegionError::InvalidArgument { .. } => "what is wrong; nothing was touched".into(),
        RegionError::AttributesTooLong { .. } => "a region's attributes have at most 1024 bytes, not 1025: keep them in a region".into(),
        RegionError::NotChecked { .. } => format!("the region {ID} has no checksums: make it with `checked` to have it verified"),
        RegionError::Damaged { .. } => format!("the 4096 bytes at 8192 of the region {ID} are not what was written there: write them anew from a copy"),
        RegionError::NoSpace { .. } => "no space for 77 bytes in the pool: free something or make a larger pool".into(),
        RegionError::TooMany => "the pool has as many regions as a pool can have: destroy one first".into(),
        RegionError::ReadOnly => "the pool is open read-only: open it for writing".into(),
        RegionError::Retired { why: Retirement::Closed } => "the pool was closed: open it again".into(),
        RegionError::Retired { why: Retirement::Destroyed } => "the pool was destroyed: make a new one".into(),
        RegionError::Retired { why: Retirement::Moved } => "the pool was moved: open it where it is now".into(),
        RegionError::Retired {
            why: Retirement::Moving,
        } => "the pool is being moved: wait until that is over".into(),
        RegionError::Lost => "bytes of the pool could not be read, and zeros stand in for them: close the pool, look at its file and its device, and open it again".into(),
        RegionError::Panicked => "the operation panicked on its worker, and its buffers are lost: look at what it was to change before it is issued again".into(),
        RegionError::Poisoned => "the pool is poisoned by a failed sync: close it and open it again to recover".into(),
        RegionError::Corrupt(_) => "corrupt pool: what is wrong at offset 0x40; restore from a copy, or salvage what is readable".into(),
        RegionError::Tx(_) => "the medium failed (Input/output error (os error 5)): whether the transaction is durable is unknown until the pool is opened again".into(),
    }
}

fn region_errors() -> Vec<Error> {
    let name = || "n".to_owned();
    vec![
        RegionError::InvalidRegion { id: id() },
        RegionError::NotFound { name: name() },
        RegionError::AlreadyExists { name: name() },
        RegionError::InvalidSize,
        RegionError::NameTooLong { len: 300, max: 255 },
        RegionError::BadName {
            name: name(),
            reason: "it is empty",
        },
        RegionError::BadAlign { align: 100 },
        RegionError::OutOfBounds {
            id: id(),
            at: 99,
            len: 2,
            region_len: 100,
        },
        RegionError::InUse { id: id(), views: 3 },
        RegionError::InvalidArgument {
            what: "what is wrong",
        },
        RegionError::AttributesTooLong {
            len: 1025,
            max: 1024,
        },
        RegionError::NotChecked { id: id() },
        RegionError::Damaged {
            id: id(),
            at: 8192,
            len: 4096,
        },
        RegionError::NoSpace {
            cause: AllocError::NoSpace { bytes: 77 },
        },
        RegionError::TooMany,
        RegionError::ReadOnly,
        RegionError::Retired {
            why: Retirement::Closed,
        },
        RegionError::Retired {
            why: Retirement::Destroyed,
        },
        RegionError::Retired {
            why: Retirement::Moved,
        },
        RegionError::Retired {
            why: Retirement::Moving,
        },
        RegionError::Lost,
        RegionError::Panicked,
        RegionError::Poisoned,
        RegionError::Corrupt(Corrupt::new(ByteOffset::new(0x40), "what is wrong")),
        RegionError::Tx(TxError::Sync(Errno(5))),
    ]
}

#[test]
fn i9_every_refusal_of_an_operation_says_what_where_and_what_to_do() {
    for error in region_errors() {
        assert_eq!(error.to_string(), region_text(&error));
    }
    for (cause, words) in [
        (
            AllocError::TooLarge { bytes: 9, most: 8 },
            "make a larger pool",
        ),
        (
            AllocError::Device(SpaceError::NoSpace),
            "no space left on the device",
        ),
    ] {
        let text = Error::NoSpace { cause }.to_string();
        assert!(text.contains(words), "{text}");
    }
}

fn config_text(error: &ConfigError) -> &'static str {
    match error {
        ConfigError::NotJson { .. } => "the configuration is not JSON: EOF at line 1 column 2",
        ConfigError::UnknownType { .. } => {
            "Unknown target type: bla; the types are pmem (or pmdk), file (or abt-io) and memory"
        }
        ConfigError::UnknownKey {
            suggestion: Some(_),
            ..
        } => {
            "unknown key \"sise\" in the target's configuration: did you mean \"size\"?; known are path, size"
        }
        ConfigError::UnknownKey {
            suggestion: None, ..
        } => "unknown key \"zzz\" in the target's configuration; known are path, size",
        ConfigError::Value { .. } => "\"lanes\" is -1: it must be a whole number",
        ConfigError::Missing { .. } => "\"size\" is missing: a new pool must know its size",
        ConfigError::Twice { .. } => {
            "\"size\" and \"create_if_missing_with_size\" are one field with two values: give one of them"
        }
        ConfigError::Conflict { .. } => {
            "\"read_only\" and \"erase\" exclude each other: a read-only open changes nothing"
        }
        ConfigError::At { .. } => {
            "target 1 of provider 42: \"size\" is missing: a new pool must know its size"
        }
    }
}

#[test]
fn i9_every_refusal_of_a_configuration_names_the_field() {
    let missing = || ConfigError::Missing {
        field: "size",
        why: "a new pool must know its size",
    };
    let unknown = |key: &str, suggestion| ConfigError::UnknownKey {
        scope: "the target's configuration".into(),
        key: key.into(),
        suggestion,
        known: "path, size".into(),
    };
    for error in [
        ConfigError::NotJson {
            reason: "EOF at line 1 column 2".into(),
        },
        ConfigError::UnknownType {
            found: "bla".into(),
        },
        unknown("sise", Some("size")),
        unknown("zzz", None),
        ConfigError::Value {
            field: "lanes".into(),
            value: "-1".into(),
            rule: "must be a whole number",
        },
        missing(),
        ConfigError::Twice {
            field: "size".into(),
            alias: "create_if_missing_with_size".into(),
        },
        ConfigError::Conflict {
            field: "read_only",
            other: "erase",
            why: "a read-only open changes nothing",
        },
        ConfigError::At {
            place: "target 1 of provider 42".into(),
            error: Box::new(missing()),
        },
    ] {
        assert_eq!(error.to_string(), config_text(&error));
    }
}

fn target_text(error: &TargetError) -> &'static str {
    match error {
        TargetError::Config(_) => {
            "Unknown target type: bla; the types are pmem (or pmdk), file (or abt-io) and memory"
        }
        TargetError::Missing { .. } => {
            "/p/pool: no pool there; correct the path, or make one with \"size\" (or \"create_if_missing_with_size\") in an open that may change something"
        }
        TargetError::File(_) => "/p/pool: busy, open elsewhere; close the other user first",
        TargetError::Open { .. } => {
            "/p/pool: 9 bytes are too short for a pool: is this the right file?"
        }
        TargetError::Create { .. } => "/p/pool: the medium has 1 bytes, the pool needs 2",
        TargetError::Grow { .. } => {
            "/p/pool: the pool can grow to 8 bytes, not to 9: its capacity was fixed when it was created"
        }
        TargetError::DomainUnmet { .. } => {
            "/p/pool: device durability is required and only volatile by a flush (a reason) is there; use another place or another type, or require less"
        }
        TargetError::Regions { .. } => "/p/pool: the pool is open read-only: open it for writing",
        TargetError::Unsound { .. } => {
            "/p/pool: recovery \"full\" found 2 problem(s) and serves nothing; the first: corrupt pool: a slab is damaged at offset 0x40; restore from a copy, or salvage what is readable; `everline repair` says what can be done, recovery \"checkpoint\" serves what is whole"
        }
        TargetError::Image(_) => "another copy of this pool is under way: wait until that is over",
        TargetError::NoIdentity { .. } => {
            "/p/pool: no random identity for a new pool (gone); is /dev/urandom readable?"
        }
        TargetError::NoHandler { .. } => {
            "cannot catch SIGBUS (Operation not permitted (os error 1)); open without \"catch_sigbus\""
        }
        TargetError::InProvider { .. } => {
            "target 1 of provider 42 (pmem): /p/pool: no pool there; correct the path, or make one with \"size\" (or \"create_if_missing_with_size\") in an open that may change something"
        }
    }
}

#[test]
fn i9_every_refusal_of_a_target_names_the_place() {
    let place = || "/p/pool".to_owned();
    let missing = || TargetError::Missing {
        path: place().into(),
    };
    for error in [
        TargetError::Config(ConfigError::UnknownType {
            found: "bla".into(),
        }),
        missing(),
        TargetError::File(FileError::Busy {
            path: place().into(),
        }),
        TargetError::Open {
            place: place(),
            error: OpenError::TooShort { len: 9 },
        },
        TargetError::Create {
            place: place(),
            error: CreateError::MediumTooShort {
                found: 1,
                needed: 2,
            },
        },
        TargetError::Grow {
            place: place(),
            error: GrowError::BeyondCapacity {
                capacity_max: 8,
                asked: 9,
            },
        },
        TargetError::DomainUnmet {
            place: place(),
            required: Domain::Device,
            found: PLACE,
        },
        TargetError::Regions {
            place: place(),
            error: RegionError::ReadOnly,
        },
        TargetError::Unsound {
            place: place(),
            problems: 2,
            first: Corrupt::new(ByteOffset::new(0x40), "a slab is damaged").to_string(),
            at: Some(ByteOffset::new(0x40)),
        },
        TargetError::Image(ImageError::Running),
        TargetError::NoIdentity {
            place: place(),
            reason: "gone".into(),
        },
        TargetError::NoHandler { errno: Errno(1) },
        TargetError::InProvider {
            provider_id: 42,
            index: 1,
            kind: "pmem",
            error: Box::new(missing()),
        },
    ] {
        assert_eq!(error.to_string(), target_text(&error));
    }
    let unmet = FileError::DomainUnmet {
        path: place().into(),
        required: Domain::Device,
        found: PLACE,
    };
    assert!(
        matches!(unmet.into(), TargetError::DomainUnmet { .. }),
        "one kind for every way to find out"
    );
}

fn image_text(error: &ImageError) -> &'static str {
    match error {
        ImageError::File(_) => "/p/pool: busy, open elsewhere; close the other user first",
        ImageError::Cancelled { .. } => "/p/pool: cancelled; nothing was left there",
        ImageError::Running => "another copy of this pool is under way: wait until that is over",
        ImageError::Damaged { .. } => {
            "/p/pool: the bytes at offset 0x40 are not those that were written; check the device of the destination, the source is as it was"
        }
        ImageError::Unreadable => {
            "bytes of the source could not be read; check its device and restore a snapshot"
        }
        ImageError::Retired { .. } => {
            "the source does not serve: the pool was closed: open it again"
        }
        ImageError::Source { .. } => "the source could not be closed: a reason",
        ImageError::Unsound { .. } => {
            "/p/pool: no sound pool: a reason; use another snapshot, or salvage what can be read of this one"
        }
        ImageError::Migrated { .. } => "/p/pool: the pool was moved to /q/pool: open it there",
        ImageError::Note { .. } => {
            "/p/pool: a reason; find out which of the pools it is about is the right one, then remove the note"
        }
        ImageError::ReadOnly => {
            "the pool is open read-only: open it for writing, or keep the source"
        }
    }
}

#[test]
fn i9_every_refusal_of_a_copy_of_a_pool_names_the_path() {
    let path = || std::path::PathBuf::from("/p/pool");
    let reason = || "a reason".to_owned();
    for error in [
        ImageError::File(FileError::Busy { path: path() }),
        ImageError::Cancelled { path: path() },
        ImageError::Running,
        ImageError::Damaged {
            path: path(),
            at: ByteOffset::new(0x40),
        },
        ImageError::Unreadable,
        ImageError::Retired {
            why: Retirement::Closed,
        },
        ImageError::Source { reason: reason() },
        ImageError::Unsound {
            path: path(),
            reason: reason(),
        },
        ImageError::Migrated {
            path: path(),
            to: "/q/pool".into(),
        },
        ImageError::Note {
            path: path(),
            reason: reason(),
        },
        ImageError::ReadOnly,
    ] {
        assert_eq!(error.to_string(), image_text(&error));
    }
}

fn transfer_text(error: &TransferError<Errno>) -> &'static str {
    match error {
        TransferError::Region(_) => "the pool is open read-only: open it for writing",
        TransferError::Stream { .. } => {
            "after 5 of 9 bytes the other side failed: the cable was pulled"
        }
    }
}

fn copy_text(error: &CopyError<Errno, Errno>) -> String {
    match error {
        CopyError::Source(error) | CopyError::Target(error) => error.to_string(),
    }
}

fn size_text(error: &ParseSizeError) -> &'static str {
    match error {
        ParseSizeError::NoNumber { .. } => {
            "`MiB` does not begin with a number; write 64MiB, 1G or plain bytes"
        }
        ParseSizeError::UnknownUnit { .. } => {
            "unknown unit `melons` in `16 melons`; write 64MiB, 1G or plain bytes"
        }
        ParseSizeError::TooLarge { .. } => "`99999999999T` is more than 2^64-1 bytes",
    }
}

fn requests_text(error: &RequestsError) -> &'static str {
    match error {
        RequestsError::Config(_) => "\"workers\" is 0: it must be 1 to 1024",
        RequestsError::NoThread { .. } => {
            "cannot start worker 3 of 4 (no more threads); configure fewer \"workers\""
        }
    }
}

#[test]
fn i9_transfers_copies_sizes_and_requests_say_what_to_do() {
    for error in [
        TransferError::Region(RegionError::ReadOnly),
        TransferError::Stream {
            done: 5,
            total: 9,
            kind: std::io::ErrorKind::Other,
            reason: "the cable was pulled".into(),
        },
    ] {
        assert_eq!(error.to_string(), transfer_text(&error));
    }
    for error in [
        CopyError::Source(RegionError::<Errno>::ReadOnly),
        CopyError::Target(RegionError::<Errno>::TooMany),
    ] {
        let text = error.to_string();
        assert!(text.contains(&copy_text(&error)), "{text}");
    }
    for text in ["MiB", "16 melons", "99999999999T"] {
        let error = parse_size(text).expect_err(text);
        assert_eq!(error.to_string(), size_text(&error));
    }
    let config = everline_region::RequestConfig {
        workers: 0,
        ..Default::default()
    };
    let wrong = RequestsError::Config(config.check().expect_err("no workers"));
    let reason = std::io::Error::other("no more threads");
    for error in [
        wrong,
        RequestsError::NoThread {
            number: 3,
            workers: 4,
            reason,
        },
    ] {
        assert_eq!(error.to_string(), requests_text(&error));
    }
    let error = "x".parse::<RegionId>().expect_err("too short");
    assert_eq!(
        error.to_string(),
        "a region identifier is written as 32 hexadecimal digits"
    );
    let error = "full"
        .parse::<everline_region::Thresholds>()
        .expect_err("no threshold");
    assert_eq!(
        error.to_string(),
        "\"full\" is no threshold: write 90%, or use=90%,fragmentation=50%,log=80% with percentages up to 100%"
    );
}

/// The texts are those of real refusals too, with the caller's own numbers in them.
#[test]
fn i9_real_refusals_name_what_was_given() {
    use everline::engine::{CreateOptions, Engine};
    use everline::media::Ram;
    use everline::units::ByteLen;

    let engine = Engine::create(Ram::new(ByteLen::new(1 << 20)), &CreateOptions::default());
    let regions = Regions::open(engine.expect("a pool")).expect("no regions yet");
    let here = regions.put("here", b"12345").expect("space");
    let text = regions
        .write(here, 4, b"67")
        .expect_err("outside")
        .to_string();
    assert_eq!(
        text,
        format!("2 bytes at 4 leave the region {here}, which has 5; nothing was touched")
    );
    let text = regions.read_all(id()).expect_err("unknown").to_string();
    assert!(text.contains(ID), "{text}");
    let text = regions
        .create(8 << 20, &Default::default())
        .expect_err("too large")
        .to_string();
    assert!(text.contains("8388608"), "{text}");
    let text = regions.by_name("there").expect_err("unknown").to_string();
    assert!(text.contains("\"there\""), "{text}");
}
