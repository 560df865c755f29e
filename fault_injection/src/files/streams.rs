//! `Read`, `Write` and `Seek` of an open file.
//!
//! Whole writes are methods of their own, so that a report names the caller's line and not one of std's.

use std::fmt::Arguments;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::file::CrashFile;

impl Read for &CrashFile {
    #[track_caller]
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut position = self.position();
        let count = self.read_at(into, *position)?;
        *position += count as u64;
        Ok(count)
    }
}

impl Write for &CrashFile {
    #[track_caller]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut position = self.position();
        let count = self.write_at(bytes, *position)?;
        *position = match self.append {
            true => self.disk.len(self.inode),
            false => *position + count as u64,
        };
        Ok(count)
    }

    #[track_caller]
    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.write(bytes)?;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    #[track_caller]
    fn write_fmt(&mut self, text: Arguments<'_>) -> io::Result<()> {
        self.write_all(text.to_string().as_bytes())
    }

    /// Nothing to do: a file keeps no buffer of its own. It makes nothing durable.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for &CrashFile {
    #[track_caller]
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let mut position = self.position();
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::Current(by) => (*position, by),
            SeekFrom::End(by) => (self.disk.len(self.inode), by),
        };
        *position = from
            .checked_add_signed(by)
            .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(*position)
    }
}

impl Read for CrashFile {
    #[track_caller]
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (&*self).read(into)
    }
}

impl Write for CrashFile {
    #[track_caller]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    #[track_caller]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self).write_all(bytes)
    }

    #[track_caller]
    fn write_fmt(&mut self, text: Arguments<'_>) -> io::Result<()> {
        (&*self).write_fmt(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for CrashFile {
    #[track_caller]
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        (&*self).seek(to)
    }
}
