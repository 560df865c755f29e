//! What a word of the medium is called in a report: a file's sector or length, or a directory.

use std::sync::Arc;

use super::disk::{CrashDisk, Shared};
use crate::report::Names;

/// Bytes of a sector, and names of a directory, that a report shows.
const SHOWN_BYTES: usize = 12;
const SHOWN_NAMES: usize = 8;

impl CrashDisk {
    /// Reports call this inode so from now on; a recovery names only what nobody has named.
    pub(super) fn call(&self, inode: u32, names: &[String]) {
        let name = names.join("/");
        let known = &mut self.shared.contents().names;
        match known.get_mut(&inode) {
            Some(old) if self.records => *old = name,
            Some(_) => {}
            None => drop(known.insert(inode, name)),
        }
    }

    pub(super) fn names(&self) -> Names {
        let shared = self.shared.clone();
        Names(Arc::new(move |at, value| told(&shared, at, value)))
    }
}

fn told(shared: &Shared, at: u64, value: u64) -> String {
    let contents = shared.contents();
    let Some((inode, sector)) = shared.layout.owner(at) else {
        return format!("the count of inode blocks was {value}");
    };
    let name = match contents.names.get(&inode) {
        Some(name) => name.clone(),
        None if inode == super::directory::ROOT => "/".to_owned(),
        None => format!("inode {inode}"),
    };
    if let Some(number) = sector {
        let (start, size) = (number * shared.layout.sector, shared.layout.sector);
        let held = match contents.sector(value) {
            Some(content) => format!("\"{}\" …", content[..SHOWN_BYTES].escape_ascii()),
            None => "zeros".to_owned(),
        };
        return format!("{name}, bytes {start} to {}, held {held}", start + size);
    }
    match contents.find_listing(value) {
        Some(listing) => {
            let present = listing.entries.iter().filter(|(_, e)| e.moved.is_none());
            let names: Vec<&str> = present
                .map(|((_, name), _)| name.as_str())
                .take(SHOWN_NAMES)
                .collect();
            format!("directory {name} held the names {names:?}")
        }
        None if inode == super::directory::ROOT => "directory / held no names".to_owned(),
        None => format!("{name} had length {value}"),
    }
}
