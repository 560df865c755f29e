//! Sectors and lengths of files.

use std::io;

use everline::media::Media;
use everline::units::round_up;

use super::disk::CrashDisk;

/// What ext4 allocates at a time.
const EXT4_BLOCK: u64 = 4096;

impl CrashDisk {
    #[track_caller]
    pub(super) fn len(&self, inode: u32) -> u64 {
        self.media.load64(self.layout().head(inode))
    }

    /// Reads from `at` on; how many bytes there were.
    #[track_caller]
    pub(super) fn read_data(&self, inode: u32, at: u64, into: &mut [u8]) -> usize {
        let sector = self.layout().sector;
        let left = self.len(inode).saturating_sub(at);
        let take = left.min(into.len() as u64) as usize;
        if take == 0 {
            return 0;
        }
        let (first, last) = (at / sector, (at + take as u64 - 1) / sector);
        let mut words = vec![0; 8 * (last - first + 1) as usize];
        self.media
            .read(self.layout().sector_word(inode, first), &mut words);
        let contents = self.shared.contents();
        let mut done = 0;
        for word in words.chunks(8) {
            let within = ((at + done as u64) % sector) as usize;
            let piece = &mut into[done..take];
            let count = piece.len().min(sector as usize - within);
            match contents.sector(crate::model::word_of(word)) {
                Some(content) => piece[..count].copy_from_slice(&content[within..within + count]),
                None => piece[..count].fill(0),
            }
            done += count;
        }
        take
    }

    /// Writes at `at`; how many bytes found room.
    ///
    /// Errors: `FileTooLarge` beyond the capacity, `StorageFull` where not one byte has room.
    #[track_caller]
    pub(super) fn write_data(&self, inode: u32, at: u64, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let end = at.saturating_add(bytes.len() as u64);
        self.check_capacity(end)?;
        let bytes = self.with_space(inode, at, bytes)?;
        let end = at + bytes.len() as u64;
        let old = self.len(inode);
        self.extend(inode, old, at);
        let sector = self.layout().sector;
        let first = at / sector;
        let mut hashes = Vec::new();
        for number in first..=(end - 1) / sector {
            let start = number * sector;
            let live = old.min(start + sector);
            let (from, to) = (at.max(start), end.min(start + sector));
            // What is wholly overwritten need not be read, and past the end there are zeros (F2).
            let mut content = match from > start && live > start || to < live {
                true => self.live_content(inode, number, old),
                false => vec![0; sector as usize],
            };
            let piece = &bytes[(from - at) as usize..(to - at) as usize];
            content[(from - start) as usize..][..piece.len()].copy_from_slice(piece);
            hashes.push(self.shared.contents().intern_sector(&content));
        }
        self.store_sectors(inode, first, &hashes, old);
        if end > old {
            self.media.store64(self.layout().head(inode), end);
        }
        Ok(bytes.len())
    }

    /// Cuts a file short or grows it by zeros.
    #[track_caller]
    pub(super) fn resize(&self, inode: u32, len: u64) -> io::Result<()> {
        self.check_capacity(len)?;
        let (old, sector) = (self.len(inode), self.layout().sector);
        if len >= old {
            self.extend(inode, old, len);
            if len > old {
                self.set_length(inode, len);
            }
            return Ok(());
        }
        let tail = match len % sector {
            0 => None,
            _ => Some(self.live_content(inode, len / sector, len)),
        };
        self.set_length(inode, len);
        if let Some(tail) = tail {
            let hash = self.shared.contents().intern_sector(&tail);
            self.store_words(self.layout().sector_word(inode, len / sector), &[hash]);
        }
        let (first, last) = (len.div_ceil(sector), old.div_ceil(sector));
        // The journal frees whole blocks together with the length; an extension zeroes them (F2).
        if first < last && !self.is_ext4() {
            let zeros = vec![0; (last - first) as usize];
            self.store_words(self.layout().sector_word(inode, first), &zeros);
        }
        Ok(())
    }

    /// Sets the length as asked for: in ext4's journal, before any name that changes later.
    #[track_caller]
    fn set_length(&self, inode: u32, len: u64) {
        let head = self.layout().head(inode);
        if self.is_ext4() {
            self.media.write_nt(head, &len.to_le_bytes());
            self.settle();
        } else {
            self.media.store64(head, len);
        }
    }

    /// Makes data and length durable.
    #[track_caller]
    pub(super) fn sync_data(&self, inode: u32) -> io::Result<()> {
        self.flush_data(inode);
        if self.is_ext4() {
            self.media.flush(self.layout().lines(0, Some(0)));
        }
        self.media.fence().map_err(io::Error::other)
    }

    #[track_caller]
    pub(super) fn flush_data(&self, inode: u32) {
        let untouched = self.mount().untouched.get(&inode).copied();
        self.media.flush(self.layout().lines(inode, untouched));
    }

    /// Zeroes from the end of the file, `old`, to `to`; the length stays (F2).
    #[track_caller]
    fn extend(&self, inode: u32, old: u64, to: u64) {
        let sector = self.layout().sector;
        let made_here = self.mount().untouched.get(&inode).copied();
        if to <= old {
            return;
        }
        // Only a cut can leave bytes past the end in the last sector: all else keeps them zero.
        if old % sector != 0 && made_here.is_none() {
            let tail = self.live_content(inode, old / sector, old);
            let hash = self.shared.contents().intern_sector(&tail);
            self.store_words(self.layout().sector_word(inode, old / sector), &[hash]);
        }
        let first = old.div_ceil(sector);
        let end = to.div_ceil(sector).min(made_here.unwrap_or(u64::MAX));
        if first < end {
            self.store_sectors(inode, first, &vec![0; (end - first) as usize], old);
        }
    }

    /// A sector as far as it lies before `len`, zeros after.
    #[track_caller]
    fn live_content(&self, inode: u32, number: u64, len: u64) -> Vec<u8> {
        let sector = self.layout().sector;
        let hash = self.media.load64(self.layout().sector_word(inode, number));
        let mut content = vec![0; sector as usize];
        let live = len.saturating_sub(number * sector).min(sector) as usize;
        if let Some(known) = self.shared.contents().sector(hash) {
            content[..live].copy_from_slice(&known[..live]);
        }
        content
    }

    /// Stores sectors from `first` on, of a file whose length was `old`.
    #[track_caller]
    fn store_sectors(&self, inode: u32, first: u64, hashes: &[u64], old: u64) {
        let layout = self.layout();
        let end = first + hashes.len() as u64;
        if let Some(untouched) = self.mount().untouched.get_mut(&inode) {
            *untouched = end.max(*untouched);
        }
        // ext4 writes newly allocated blocks before the length that covers them; nobody sees them until then.
        let allocated = round_up(old, EXT4_BLOCK.max(layout.sector)).expect("below the capacity");
        let ordered = match self.is_ext4() {
            true => (allocated / layout.sector).clamp(first, end),
            false => end,
        };
        let (plain, early) = hashes.split_at((ordered - first) as usize);
        if !plain.is_empty() {
            self.store_words(layout.sector_word(inode, first), plain);
        }
        if !early.is_empty() {
            let bytes: Vec<u8> = early.iter().flat_map(|hash| hash.to_le_bytes()).collect();
            self.media
                .write_nt(layout.sector_word(inode, ordered), &bytes);
            self.settle();
        }
    }

    fn check_capacity(&self, end: u64) -> io::Result<()> {
        let capacity = self.layout().capacity;
        if end <= capacity {
            return Ok(());
        }
        let message = format!(
            "a file of {end} bytes on a simulated disk whose files have at most {capacity}: see DiskOptions::file_capacity"
        );
        Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
    }

    /// Takes room for `len` bytes at `at`, all of it or none.
    pub(super) fn take_space(&self, inode: u32, at: u64, len: u64) -> io::Result<()> {
        let layout = self.layout();
        let mut mount = self.mount();
        let sectors = at / layout.sector..(at + len).div_ceil(layout.sector);
        let words = sectors.map(|number| layout.sector_word(inode, number).get());
        let missing: Vec<u64> = words.filter(|word| !mount.used.contains(word)).collect();
        if let Some(left) = mount.space {
            let after = left.checked_sub(missing.len() as u64);
            mount.space = Some(after.ok_or(io::ErrorKind::StorageFull)?);
        }
        mount.used.extend(missing);
        Ok(())
    }

    /// As much of `bytes` as there is room for; takes the room.
    fn with_space<'b>(&self, inode: u32, at: u64, bytes: &'b [u8]) -> io::Result<&'b [u8]> {
        let layout = self.layout();
        let end = at + bytes.len() as u64;
        let mut mount = self.mount();
        for number in at / layout.sector..=(end - 1) / layout.sector {
            let word = layout.sector_word(inode, number).get();
            if mount.used.contains(&word) {
                continue;
            }
            if mount.space == Some(0) {
                let fits = (number * layout.sector).saturating_sub(at) as usize;
                return match fits {
                    0 => Err(io::ErrorKind::StorageFull.into()),
                    _ => Ok(&bytes[..fits]),
                };
            }
            mount.space = mount.space.map(|left| left - 1);
            mount.used.insert(word);
        }
        Ok(bytes)
    }
}
