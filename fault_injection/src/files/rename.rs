//! Moving and linking names.

use std::io;
use std::path::Path;

use everline::media::Media;

use super::contents::Entry;
use super::directory::names;
use super::disk::CrashDisk;
use crate::trie::mix;

impl CrashDisk {
    /// Moves a name, over another file or an empty directory if there is one.
    ///
    /// Crash: within one directory all or nothing. To another: at the old place, at both, or at the new one only;
    /// each is durable when its own directory is synced.
    #[track_caller]
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
        let (from, to) = (names(from.as_ref())?, names(to.as_ref())?);
        let (source, old_name) = self.parent(&from)?;
        let entry = self.find(source, old_name).ok_or(io::ErrorKind::NotFound)?;
        let (target, new_name) = self.parent(&to)?;
        if entry.directory && to.len() > from.len() && to.starts_with(&from) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if let Some(replaced) = self.find(target, new_name) {
            if replaced.inode == entry.inode {
                return Ok(());
            }
            self.may_replace(&entry, &replaced)?;
            if self.is_ext4() && !entry.directory {
                self.flush_data(entry.inode);
                self.settle();
            }
        }
        self.call(entry.inode, &to);
        let (old, new) = ((source, old_name.to_owned()), (target, new_name.to_owned()));
        if self.home(source) == self.home(target) {
            self.update(source, |listing| {
                listing.entries.remove(&old);
                listing.entries.insert(new, entry);
            });
            return Ok(());
        }
        // A number that no other move between these two, from another state of them, has.
        let before = |directory| self.media.load64(self.layout().head(directory));
        let arrival = mix(mix(before(source)) ^ before(target) ^ u64::from(entry.inode));
        let arrives = entry.clone();
        self.update(target, |listing| {
            listing.arrived.insert(arrival);
            listing.entries.insert(new, arrives);
        });
        let moved = Entry {
            moved: Some((target, arrival)),
            ..entry
        };
        self.update(source, |listing| {
            listing.entries.insert(old, moved);
        });
        Ok(())
    }

    #[track_caller]
    fn may_replace(&self, entry: &Entry, replaced: &Entry) -> io::Result<()> {
        match (entry.directory, replaced.directory) {
            (false, true) => Err(io::ErrorKind::IsADirectory.into()),
            (true, false) => Err(io::ErrorKind::NotADirectory.into()),
            (true, true) if !self.entries(replaced.inode).is_empty() => {
                Err(io::ErrorKind::DirectoryNotEmpty.into())
            }
            _ => Ok(()),
        }
    }

    /// A second name for a file. Errors: `AlreadyExists`, `NotFound`, `PermissionDenied` for a directory.
    #[track_caller]
    pub fn hard_link(&self, original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
        let entry = self.walk(&names(original.as_ref())?)?;
        let link = names(link.as_ref())?;
        let (parent, name) = self.parent(&link)?;
        if entry.directory {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if self.find(parent, name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let entry = Entry {
            moved: None,
            ..entry
        };
        self.update(parent, |listing| {
            listing.entries.insert((parent, name.to_owned()), entry);
        });
        Ok(())
    }
}
