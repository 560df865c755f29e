//! Pools for tests.
#![allow(dead_code, reason = "every test binary uses its own part")]

use everline::engine::{CreateOptions, Engine, Identity};
use everline::media::{Media, Ram};
use everline::units::ByteLen;
use everline_region::{RegionOptions, Regions};

pub const UNNAMED: RegionOptions<'static> = RegionOptions {
    name: None,
    align: None,
};

pub fn named(name: &str) -> RegionOptions<'_> {
    RegionOptions {
        name: Some(name),
        align: None,
    }
}

/// Options of a pool whose identity is `number`.
pub fn pool_options(number: u8) -> CreateOptions {
    CreateOptions {
        identity: Identity {
            pool_id: [number; 16],
            key: [number ^ 0x5A; 16],
            created_s: 0,
        },
        ..CreateOptions::default()
    }
}

pub fn on<M: Media>(media: M) -> Regions<M> {
    let engine = Engine::create(media, &pool_options(1)).expect("a pool");
    Regions::open(engine).expect("no regions yet")
}

pub fn ram(len: u64) -> Regions<Ram> {
    on(Ram::new(ByteLen::new(len)))
}

/// Neither the heap nor the directory has anything to complain about.
#[track_caller]
pub fn assert_clean<M: Media>(regions: &Regions<M>) {
    let mut problems = Vec::new();
    regions
        .engine()
        .check(|problem| problems.push(problem.to_string()));
    regions.check(|problem| problems.push(problem.to_string()));
    assert!(problems.is_empty(), "{problems:#?}");
}
