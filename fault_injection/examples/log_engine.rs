//! A log engine written for `std::fs`, and the power cut that loses its file: the directory is never synced.

use std::io::{self, Write};

use everline_crash::files::{CrashDisk, DiskOptions};
use everline_crash::{Explorer, Point, fs};

/// Appends a record of one byte and says that it is safe.
fn append(record: u8) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut log = options.append(true).create(true).open("log")?;
    log.write_all(&[record])?;
    log.sync_data()
}

fn work(disk: &CrashDisk) {
    for record in 1..=2 {
        append(record).expect("room");
        disk.ack(u64::from(record));
    }
}

fn recover(_: &CrashDisk) -> usize {
    fs::read("log").unwrap_or_default().len()
}

fn allowed(point: &Point<'_>, records: &usize) -> Result<(), String> {
    match *records >= point.acked.len() {
        true => Ok(()),
        false => Err(format!("{:?} were acknowledged", point.acked)),
    }
}

fn main() {
    let report = Explorer::new().check_files(DiskOptions::new(), work, recover, allowed);
    println!("{report}");
}
