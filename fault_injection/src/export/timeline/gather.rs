//! What is to be drawn: rows, lanes, marks and the links between them.

use everline::units::FLUSH_LINE;

use super::{LINES, ROWS};
use crate::cost::{lines, stored};
use crate::event::{Event, Kind};
use crate::record::Recording;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Thread(u16),
    Line(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// As far as the store got.
    Store(Fate),
    Flush,
    Fence,
    FailedFence,
    Invoke,
    Ack,
    Kill,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Dirty,
    Flushed,
    Durable,
}

pub(super) struct Mark {
    pub row: usize,
    pub lane: usize,
    pub shape: Shape,
}

/// From one mark to another.
pub(super) struct Link {
    pub from: usize,
    pub to: usize,
}

pub(super) struct Row {
    /// The number of the event in the recording.
    pub event: usize,
    pub what: String,
    pub place: String,
}

pub(super) struct Picture {
    pub rows: Vec<Row>,
    pub lanes: Vec<Lane>,
    pub marks: Vec<Mark>,
    pub links: Vec<Link>,
    /// Events since the beginning or mark, drawn or not.
    pub events: usize,
    /// Lines that had no room for a lane.
    pub lines_left_out: usize,
    left_out: Vec<u64>,
    /// Of each thread: its flushes that no fence has completed, as their marks and what they cover.
    waiting: Vec<(u16, usize, Vec<usize>)>,
}

impl Picture {
    pub(super) fn of(recording: &Recording) -> Self {
        let events = &recording.log.events[recording.first..];
        let mut picture = Picture {
            rows: Vec::new(),
            lanes: Vec::new(),
            marks: Vec::new(),
            links: Vec::new(),
            events: events.len(),
            lines_left_out: 0,
            left_out: Vec::new(),
            waiting: Vec::new(),
        };
        let shown = &events[..events.len().min(ROWS)];
        picture.lay_lanes(shown);
        for (row, event) in shown.iter().enumerate() {
            picture.rows.push(Row {
                event: recording.first + row,
                what: told(event),
                place: format!("{}:{}", event.place.file(), event.place.line()),
            });
            picture.take(row, event, recording.nature.rmw_fences);
        }
        picture
    }

    /// Threads first, then lines by their offsets.
    fn lay_lanes(&mut self, shown: &[Event]) {
        let mut touched: Vec<u64> = Vec::new();
        for event in shown {
            let thread = Lane::Thread(event.thread);
            if !self.lanes.contains(&thread) {
                self.lanes.push(thread);
            }
            for line in lines_of(event) {
                if touched.contains(&line) || self.left_out.contains(&line) {
                    continue;
                }
                match touched.len() < LINES {
                    true => touched.push(line),
                    // A bulk store of megabytes has many lines, and how many is all that is told of them.
                    false if self.left_out.len() < ROWS => self.left_out.push(line),
                    false => self.lines_left_out += 1,
                }
            }
        }
        touched.sort_unstable();
        self.lanes.extend(touched.into_iter().map(Lane::Line));
        self.lines_left_out += self.left_out.len();
    }

    fn lane(&self, lane: Lane) -> Option<usize> {
        self.lanes.iter().position(|known| *known == lane)
    }

    fn mark(&mut self, row: usize, lane: Lane, shape: Shape) -> Option<usize> {
        let lane = self.lane(lane)?;
        self.marks.push(Mark { row, lane, shape });
        Some(self.marks.len() - 1)
    }

    fn take(&mut self, row: usize, event: &Event, rmw_fences: bool) {
        let thread = Lane::Thread(event.thread);
        match event.kind {
            Kind::Flush | Kind::Reaffirm => {
                for line in lines_of(event) {
                    self.flush(row, event.thread, line);
                }
            }
            Kind::Fence => self.fence(row, event.thread, Shape::Fence),
            Kind::Rmw if rmw_fences => self.fence(row, event.thread, Shape::Fence),
            Kind::FenceFailed => self.fence(row, event.thread, Shape::FailedFence),
            Kind::Kill => {
                self.waiting.clear();
                self.mark(row, thread, Shape::Kill);
            }
            Kind::Invoke => {
                self.mark(row, thread, Shape::Invoke);
            }
            Kind::Ack => {
                self.mark(row, thread, Shape::Ack);
            }
            _ => {}
        }
        if let Some((at, len)) = stored(event) {
            for line in lines(at, len) {
                let mark = self.mark(row, Lane::Line(line), Shape::Store(Fate::Dirty));
                if let Some(mark) = mark.filter(|_| event.kind == Kind::WriteNt) {
                    // Past the cache it needs no flush: it waits for the fence itself.
                    self.marks[mark].shape = Shape::Store(Fate::Flushed);
                    self.waiting.push((event.thread, mark, vec![mark]));
                }
            }
        }
    }

    fn flush(&mut self, row: usize, thread: u16, line: u64) {
        let Some(flush) = self.mark(row, Lane::Line(line), Shape::Flush) else {
            return;
        };
        let lane = self.marks[flush].lane;
        let covered: Vec<usize> = (0..flush)
            .filter(|mark| {
                let mark = &self.marks[*mark];
                mark.lane == lane && mark.shape == Shape::Store(Fate::Dirty)
            })
            .collect();
        for mark in &covered {
            self.marks[*mark].shape = Shape::Store(Fate::Flushed);
            self.links.push(Link {
                from: *mark,
                to: flush,
            });
        }
        self.waiting.push((thread, flush, covered));
    }

    fn fence(&mut self, row: usize, thread: u16, shape: Shape) {
        let Some(fence) = self.mark(row, Lane::Thread(thread), shape) else {
            return;
        };
        let waiting = std::mem::take(&mut self.waiting);
        for (owner, mark, covered) in waiting {
            if owner != thread {
                self.waiting.push((owner, mark, covered));
                continue;
            }
            self.links.push(Link {
                from: mark,
                to: fence,
            });
            let fate = match shape {
                Shape::FailedFence => Fate::Dirty,
                _ => Fate::Durable,
            };
            for store in covered {
                self.marks[store].shape = Shape::Store(fate);
            }
        }
    }
}

/// The lines that an event stores to or flushes.
fn lines_of(event: &Event) -> impl Iterator<Item = u64> {
    let flushed = match event.kind {
        Kind::Flush => Some((event.at, u64::from(event.len) * FLUSH_LINE)),
        Kind::Reaffirm => Some((event.at, u64::from(event.len))),
        _ => None,
    };
    let range = stored(event).or(flushed);
    range.into_iter().flat_map(|(at, len)| lines(at, len))
}

/// An event in words.
fn told(event: &Event) -> String {
    let Event { at, len, value, .. } = *event;
    match event.kind {
        Kind::Store => format!("store {} at {at:#x}: {value:#x}", event.size),
        Kind::Write => format!("write {len} at {at:#x}"),
        Kind::WriteNt => format!("write {len} at {at:#x} past the cache"),
        Kind::Fill => format!("fill {len} at {at:#x}: {value:#x}"),
        Kind::Rmw if len == 1 => format!("modify {at:#x}: {value:#x}"),
        Kind::Rmw => format!("compare {at:#x}: {value:#x}"),
        Kind::Flush if len == 1 => format!("flush {at:#x}"),
        Kind::Flush => format!("flush {len} lines at {at:#x}"),
        Kind::Fence => "fence".into(),
        Kind::FenceFailed => "fence, which fails".into(),
        Kind::Reaffirm => format!("reaffirm {len} at {at:#x}"),
        Kind::SetLen => format!("length {value:#x}"),
        Kind::Invoke => format!("invoke {value}"),
        Kind::Ack => format!("ack {value}"),
        Kind::Mark => "mark".into(),
        Kind::Kill => "the process is killed".into(),
    }
}
