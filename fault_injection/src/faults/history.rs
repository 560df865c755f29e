//! What each line and page of a medium durably held, one content after another.

use std::collections::BTreeMap;

use everline::units::FLUSH_LINE;

use crate::event::{Kind, Place};
use crate::model::CrashModel;
use crate::record::Recording;
use crate::search::stores;

pub(super) const PAGE: u64 = 4096;
/// Older contents kept of each.
const KEPT: usize = 4;

type Contents = BTreeMap<u64, Vec<Vec<u8>>>;

/// The durable image at some moment, and what came before it.
pub(super) struct History {
    pub image: Vec<u8>,
    lines: Contents,
    pages: Contents,
    /// Who stored last to each line.
    places: BTreeMap<u64, Place>,
}

impl History {
    /// After `event` events; nothing pending has reached the medium.
    pub(super) fn at(recording: &Recording, event: usize) -> Self {
        let mut model = recording.model(CrashModel::WordSubset);
        let durable = |model: &crate::model::Model| {
            model.image_bytes(|_, choices| choices[choices.len() - 1])
        };
        let mut history = History {
            image: durable(&model),
            lines: Contents::new(),
            pages: Contents::new(),
            places: BTreeMap::new(),
        };
        for event in &recording.log.events[..event] {
            let raises = model.raises(event);
            model.apply(&recording.log, event);
            if stores(event.kind) && event.kind != Kind::SetLen {
                let len = match event.kind {
                    Kind::Store => u64::from(event.size),
                    Kind::Rmw => 8,
                    _ => u64::from(event.len),
                };
                let first = event.at & !(FLUSH_LINE - 1);
                for line in (first..event.at + len).step_by(FLUSH_LINE as usize) {
                    history.places.insert(line, event.place);
                }
            }
            if raises {
                let next = durable(&model);
                note(&mut history.lines, &history.image, &next, FLUSH_LINE);
                note(&mut history.pages, &history.image, &next, PAGE);
                history.image = next;
            }
        }
        let last = durable(&model);
        note(&mut history.lines, &history.image, &last, FLUSH_LINE);
        note(&mut history.pages, &history.image, &last, PAGE);
        history.image = last;
        history
    }

    /// Lines that something was stored to and that lie inside the medium.
    pub(super) fn lines(&self) -> impl Iterator<Item = u64> + '_ {
        let end = self.image.len() as u64 & !(FLUSH_LINE - 1);
        self.places.keys().copied().filter(move |line| *line < end)
    }

    pub(super) fn pages(&self) -> impl Iterator<Item = u64> + '_ {
        self.pages.keys().copied()
    }

    pub(super) fn line_versions(&self, line: u64) -> u32 {
        self.lines.get(&line).map_or(0, Vec::len) as u32
    }

    pub(super) fn page_versions(&self, page: u64) -> u32 {
        self.pages.get(&page).map_or(0, Vec::len) as u32
    }

    pub(super) fn place(&self, at: u64) -> Option<Place> {
        self.places.get(&(at & !(FLUSH_LINE - 1))).copied()
    }

    /// What a line held `back` contents ago; what it holds where there were fewer.
    pub(super) fn line(&self, line: u64, back: u32) -> &[u8] {
        older(&self.lines, &self.image, line, FLUSH_LINE, back)
    }

    pub(super) fn page(&self, page: u64, back: u32) -> &[u8] {
        older(&self.pages, &self.image, page, PAGE, back)
    }
}

fn older<'h>(known: &'h Contents, image: &'h [u8], at: u64, len: u64, back: u32) -> &'h [u8] {
    let versions = known.get(&at).map_or(&[][..], Vec::as_slice);
    let index = versions.len().checked_sub(back as usize);
    match index.and_then(|index| versions.get(index)) {
        Some(older) => older,
        None => {
            let end = (at + len).min(image.len() as u64);
            &image[at as usize..end as usize]
        }
    }
}

fn note(known: &mut Contents, before: &[u8], after: &[u8], len: u64) {
    let pieces = before.chunks(len as usize).zip(after.chunks(len as usize));
    for (number, (before, after)) in pieces.enumerate() {
        if before != after {
            let versions = known.entry(number as u64 * len).or_default();
            versions.push(before.to_vec());
            if versions.len() > KEPT {
                versions.remove(0);
            }
        }
    }
}
