//! Names: directories, and what is done to their entries.

use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use everline::media::Media;

use super::contents::{Entry, Listing};
use super::disk::CrashDisk;

/// The inode of the root.
pub(super) const ROOT: u32 = 0;

/// A path as its names from the root.
pub(super) fn names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => match name.to_str() {
                Some(name) => names.push(name.to_owned()),
                None => return Err(io::ErrorKind::InvalidInput.into()),
            },
            Component::ParentDir => drop(names.pop()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    Ok(names)
}

impl CrashDisk {
    /// The directory whose word holds the entries of `directory`.
    pub(super) fn home(&self, directory: u32) -> u32 {
        if self.is_ext4() { ROOT } else { directory }
    }

    #[track_caller]
    pub(super) fn listing(&self, directory: u32) -> Arc<Listing> {
        let head = self.layout().head(self.home(directory));
        let hash = self.media.load64(head);
        self.shared.contents().listing(hash)
    }

    /// Changes the names of one directory in one step.
    #[track_caller]
    pub(super) fn update(&self, directory: u32, change: impl FnOnce(&mut Listing)) {
        let mut listing = (*self.listing(directory)).clone();
        change(&mut listing);
        let hash = self.shared.contents().intern_listing(listing);
        self.media
            .store64(self.layout().head(self.home(directory)), hash);
    }

    /// Whether an entry is there: one that moved away is until its move has arrived.
    #[track_caller]
    pub(super) fn is_present(&self, entry: &Entry) -> bool {
        match entry.moved {
            Some((to, arrival)) => !self.listing(to).arrived.contains(&arrival),
            None => true,
        }
    }

    #[track_caller]
    pub(super) fn find(&self, directory: u32, name: &str) -> Option<Entry> {
        let listing = self.listing(directory);
        let entry = listing.entries.get(&(directory, name.to_owned()))?;
        self.is_present(entry).then(|| entry.clone())
    }

    /// All entries of a directory, by name.
    #[track_caller]
    pub(super) fn entries(&self, directory: u32) -> Vec<(String, Entry)> {
        let listing = self.listing(directory);
        let range = (directory, String::new())..(directory + 1, String::new());
        listing
            .entries
            .range(range)
            .filter(|(_, entry)| self.is_present(entry))
            .map(|((_, name), entry)| (name.clone(), entry.clone()))
            .collect()
    }

    /// What stands at the end of a path. Errors: `NotFound`, `NotADirectory`.
    #[track_caller]
    pub(super) fn walk(&self, names: &[String]) -> io::Result<Entry> {
        let mut here = Entry {
            inode: ROOT,
            directory: true,
            moved: None,
        };
        for name in names {
            if !here.directory {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            here = self.find(here.inode, name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(here)
    }

    /// The directory that holds, or would hold, the last name of a path.
    #[track_caller]
    pub(super) fn parent<'n>(&self, names: &'n [String]) -> io::Result<(u32, &'n str)> {
        let (last, before) = names.split_last().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = self.walk(before)?;
        match parent.directory {
            true => Ok((parent.inode, last)),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Makes a name for a new inode.
    #[track_caller]
    pub(super) fn make(&self, names: &[String], directory: bool) -> io::Result<Entry> {
        let (parent, name) = self.parent(names)?;
        if self.find(parent, name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let entry = Entry {
            inode: self.new_inode()?,
            directory,
            moved: None,
        };
        self.call(entry.inode, names);
        self.update(parent, |listing| {
            listing
                .entries
                .insert((parent, name.to_owned()), entry.clone());
        });
        Ok(entry)
    }

    /// Makes a directory. Errors: `AlreadyExists`, and `NotFound` where its parent is not there.
    #[track_caller]
    pub fn create_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.make(&names(path.as_ref())?, true).map(drop)
    }

    /// Makes a directory and all that lead to it.
    #[track_caller]
    pub fn create_dir_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let names = names(path.as_ref())?;
        for depth in 1..=names.len() {
            match self.walk(&names[..depth]) {
                Ok(entry) if entry.directory => {}
                Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
                Err(_) => {
                    self.make(&names[..depth], true)?;
                }
            }
        }
        Ok(())
    }

    #[track_caller]
    fn remove(&self, path: &Path, directory: bool) -> io::Result<()> {
        let names = names(path)?;
        let (parent, name) = self.parent(&names)?;
        let entry = self.find(parent, name).ok_or(io::ErrorKind::NotFound)?;
        match (entry.directory, directory) {
            (true, false) => return Err(io::ErrorKind::IsADirectory.into()),
            (false, true) => return Err(io::ErrorKind::NotADirectory.into()),
            (true, true) if !self.entries(entry.inode).is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            _ => {}
        }
        self.update(parent, |listing| {
            listing.entries.remove(&(parent, name.to_owned()));
        });
        Ok(())
    }

    /// Removes a file's name; who has it open goes on.
    #[track_caller]
    pub fn remove_file(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.remove(path.as_ref(), false)
    }

    /// Removes an empty directory.
    #[track_caller]
    pub fn remove_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.remove(path.as_ref(), true)
    }

    /// Removes a directory and all it holds, file by file.
    #[track_caller]
    pub fn remove_dir_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let here = self.walk(&names(path)?)?;
        for (name, entry) in self.entries(here.inode) {
            match entry.directory {
                true => self.remove_dir_all(path.join(name))?,
                false => self.remove_file(path.join(name))?,
            }
        }
        self.remove_dir(path)
    }

    /// The names in a directory, sorted.
    #[track_caller]
    pub fn read_dir(&self, path: impl AsRef<Path>) -> io::Result<Vec<String>> {
        let here = self.walk(&names(path.as_ref())?)?;
        if !here.directory {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let names = self.entries(here.inode).into_iter();
        Ok(names.map(|(name, _)| name).collect())
    }

    /// Whether something stands at the end of a path.
    #[track_caller]
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        names(path.as_ref()).is_ok_and(|names| self.walk(&names).is_ok())
    }

    /// Makes the entries of a directory durable, not what they name.
    #[track_caller]
    pub fn sync_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let here = self.walk(&names(path.as_ref())?)?;
        match here.directory {
            true => self.sync_directory(here.inode),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    #[track_caller]
    pub(super) fn sync_directory(&self, directory: u32) -> io::Result<()> {
        self.media
            .flush(self.layout().lines(self.home(directory), Some(0)));
        self.media.fence().map_err(io::Error::other)
    }
}
