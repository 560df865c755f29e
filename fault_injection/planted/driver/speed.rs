//! Executions a second on one core: distinct images on which the shipped open ran and every oracle was asked.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use everline::engine::CreateOptions;
use everline::units::ByteLen;
use everline_crash::{CrashMedia, Explorer, Report};

use crate::crash_world::alphabet::Random;
use crate::crash_world::{Op, judge, record, recover};
use crate::regions;

const LEN: u64 = 1 << 20;

/// Prints one line for each shape.
pub fn measured(seconds: &str) -> ExitCode {
    let Ok(seconds) = seconds.parse::<f64>() else {
        eprintln!("everline-planted: speed wants a number of seconds");
        return ExitCode::from(2);
    };
    std::panic::set_hook(Box::new(|_| {}));
    let shapes: [(&str, &dyn Fn(u64) -> Report); 2] =
        [("tx_alloc_1MiB", &transactions), ("region_1MiB", &changes)];
    for (name, explore) in shapes {
        let begun = Instant::now();
        let (mut executions, mut spent) = (0, Duration::ZERO);
        for seed in 0.. {
            let before = Instant::now();
            let report = explore(seed);
            spent += before.elapsed();
            executions += report.executions;
            if !report.is_clean() {
                println!("found\tspeed\t{name}: {report}");
                return ExitCode::FAILURE;
            }
            if begun.elapsed().as_secs_f64() > seconds {
                break;
            }
        }
        println!("speed\t{name}\t{executions}\t{:.3}", spent.as_secs_f64());
    }
    ExitCode::SUCCESS
}

/// A pool of 1 MiB with its default shape; transactions that allocate, replace and free.
fn transactions(seed: u64) -> Report {
    let mut random = Random(seed);
    let ops: Vec<Op> = (0..12)
        .map(|step| {
            let (slot, fill) = (random.below(4) as usize, step as u8 | 1);
            match random.below(6) {
                0 => Op::Staged(step),
                1 => Op::Undo(step),
                2 => Op::Free(slot),
                3 => Op::PutFresh {
                    slot,
                    bytes: 1 + random.below(500),
                    fill,
                },
                _ => Op::Put {
                    slot,
                    bytes: 1 + random.below(200),
                    fill,
                },
            }
        })
        .collect();
    let media = CrashMedia::new(ByteLen::new(LEN)).without_rmw_fences();
    let (recording, states) = record(media, &CreateOptions::default(), &ops);
    Explorer::new()
        .seed(seed)
        .explore(&recording, recover, |point, seen| {
            judge(&states, point, seen)
        })
}

/// Regions on 1 MiB: made, written, replaced, renamed and gone.
fn changes(seed: u64) -> Report {
    let number = |text: &str| format!("{text} {seed}");
    let changes: [&dyn Fn(&regions::On); 5] = [
        &|r| {
            r.put(&number("a"), &[seed as u8; 300]).expect("space");
        },
        &|r| {
            r.put(&number("a"), &[!seed as u8; 200]).expect("space");
        },
        &|r| {
            r.rename(r.by_name(&number("a")).expect("there"), &number("b"))
                .expect("free");
        },
        &|r| {
            r.put(&number("c"), &[7; 40]).expect("space");
        },
        &|r| r.destroy(r.by_name("kept").expect("there")).expect("there"),
    ];
    let (recording, states) = regions::recorded(LEN, &changes);
    Explorer::new()
        .seed(seed)
        .explore(&recording, regions::see, |point, seen| {
            regions::judge(&states, point, seen)
        })
}
