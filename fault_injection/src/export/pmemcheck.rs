//! The store log of pmemcheck, which pmreorder replays on a file.
//!
//! ```text
//! START|REGISTER_FILE;path;base;size;0x0|STORE;address;value;size;place|FLUSH;address;size|FENCE|NAME.BEGIN|NAME.END|STOP
//! ```
//!
//! Numbers are hexadecimal, a value is that of a little-endian machine, a size is in bytes. Steps are divided by `|`,
//! their parts by `;`, with no white space. What follows the size of a store is its stack trace: here its place.

use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write;

use everline::units::FLUSH_LINE;

use crate::cost::stored;
use crate::event::{Event, Kind};
use crate::record::Recording;

/// Where the log says that the file was mapped.
const BASE: u64 = 0x10_0000_0000;
const WORD: u64 = 8;

/// A path that the log cannot name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfitPath {
    /// The path.
    pub path: String,
}

impl fmt::Display for UnfitPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the path {:?} cannot stand in a store log: it holds `|`, `;`, a line break, START or STOP",
            self.path
        )
    }
}

impl std::error::Error for UnfitPath {}

impl Recording {
    /// The recording as pmemcheck would have logged it, for pmreorder to replay on the file at `path`, which must hold
    /// [`before`](Recording::before) then. Begins at the mark, where
    /// [`start_at_last_mark`](Recording::start_at_last_mark) asked for that.
    ///
    /// An acknowledged operation becomes the markers `operation_N.BEGIN` and `.END`, unless it crosses another. What that
    /// log cannot say: whose flush a fence completes (any thread's does), that a fence failed (it is left out), a
    /// change of length (the file has the greatest), and a killed process. Bulk stores become stores of a word.
    ///
    /// Errors: the path holds what the log uses itself. Cost: some 40 bytes of text for each word stored.
    pub fn pmemcheck_log(&self, path: &str) -> Result<String, UnfitPath> {
        let reserved = ["|", ";", "\n", "\r", "START", "STOP"];
        if reserved.iter().any(|part| path.contains(part)) {
            return Err(UnfitPath { path: path.into() });
        }
        let mut log = StoreLog {
            recording: self,
            text: "START".into(),
        };
        let size = self.greatest_len();
        log.step(format_args!("REGISTER_FILE;{path};{BASE:#x};{size:#x};0x0"));
        let nested = self.nested_operations();
        for (index, event) in self.log.events.iter().enumerate().skip(self.first) {
            if nested.contains(&index) {
                let side = if event.kind == Kind::Ack {
                    "END"
                } else {
                    "BEGIN"
                };
                log.step(format_args!("operation_{}.{side}", event.value));
            }
            log.event(event);
        }
        log.step(format_args!("STOP\n"));
        Ok(log.text)
    }

    /// The bytes of the medium before the first event that [`pmemcheck_log`](Recording::pmemcheck_log) tells, as a
    /// program saw them, in the greatest length that the medium has had.
    pub fn before(&self) -> Vec<u8> {
        let mut bytes = (*self.base).clone();
        let len = usize::try_from(self.greatest_len()).expect("fits memory");
        bytes.resize(len, self.nature.fresh);
        for event in &self.log.events[..self.first] {
            match (event.kind, stored(event)) {
                (Kind::SetLen, _) => {
                    let end = usize::try_from(event.value).expect("fits memory");
                    bytes[end.min(len)..].fill(self.nature.fresh);
                }
                (_, Some((at, stored))) => {
                    bytes[at as usize..][..stored as usize].copy_from_slice(&self.bytes_of(event));
                }
                _ => {}
            }
        }
        bytes
    }

    fn greatest_len(&self) -> u64 {
        let resizes = self.log.events.iter().filter(|e| e.kind == Kind::SetLen);
        let lens = resizes.map(|event| event.value);
        lens.fold(self.base.len() as u64, u64::max)
    }

    /// The bytes that an event stores.
    fn bytes_of(&self, event: &Event) -> Vec<u8> {
        match event.kind {
            Kind::Store => event.value.to_le_bytes()[..event.size as usize].to_vec(),
            Kind::Rmw => event.value.to_le_bytes().to_vec(),
            Kind::Fill => vec![event.value as u8; event.len as usize],
            Kind::Write | Kind::WriteNt => self.log.data(event).to_vec(),
            _ => Vec::new(),
        }
    }

    /// The events that begin and end operations which do not cross another one.
    fn nested_operations(&self) -> BTreeSet<usize> {
        let mut begun: Vec<(u64, usize)> = Vec::new();
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for (index, event) in self.log.events.iter().enumerate().skip(self.first) {
            match event.kind {
                Kind::Invoke => begun.push((event.value, index)),
                Kind::Ack => {
                    let Some(found) = begun.iter().rposition(|(id, _)| *id == event.value) else {
                        continue;
                    };
                    let (_, from) = begun.remove(found);
                    let crosses = |(start, end): &(usize, usize)| {
                        *start < from && from < *end && *end < index
                    };
                    if !spans.iter().any(crosses) {
                        spans.push((from, index));
                    }
                }
                _ => {}
            }
        }
        spans.iter().flat_map(|(from, to)| [*from, *to]).collect()
    }
}

struct StoreLog<'a> {
    recording: &'a Recording,
    text: String,
}

impl StoreLog<'_> {
    fn step(&mut self, step: fmt::Arguments<'_>) {
        self.text.push('|');
        let _infallible = self.text.write_fmt(step);
    }

    fn event(&mut self, event: &Event) {
        let at = BASE + event.at;
        if event.kind == Kind::Rmw && self.recording.nature.rmw_fences {
            self.step(format_args!("FENCE"));
        }
        if let Some((offset, len)) = stored(event) {
            self.stores(event, offset);
            if event.kind == Kind::WriteNt {
                self.step(format_args!("FLUSH;{at:#x};{len:#x}"));
            }
        }
        match event.kind {
            Kind::Flush => {
                let size = u64::from(event.len) * FLUSH_LINE;
                self.step(format_args!("FLUSH;{at:#x};{size:#x}"));
            }
            Kind::Reaffirm => {
                let first = event.at & !(FLUSH_LINE - 1);
                let end = (event.at + u64::from(event.len)).next_multiple_of(FLUSH_LINE);
                self.step(format_args!("FLUSH;{:#x};{:#x}", BASE + first, end - first));
            }
            Kind::Fence => self.step(format_args!("FENCE")),
            _ => {}
        }
    }

    /// One store for each word that the event touches.
    fn stores(&mut self, event: &Event, mut at: u64) {
        let bytes = self.recording.bytes_of(event);
        let place = event.place.to_string().replace(['|', ';'], "?");
        let place = place.replace("START", "Start").replace("STOP", "Stop");
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let take = (WORD - at % WORD).min(rest.len() as u64) as usize;
            let value = crate::model::word_of(&rest[..take]);
            let address = BASE + at;
            self.step(format_args!(
                "STORE;{address:#x};{value:#x};{take:#x};{place}"
            ));
            at += take as u64;
            rest = &rest[take..];
        }
    }
}
