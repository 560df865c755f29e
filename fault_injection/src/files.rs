//! A simulated file system for engines that write files, and what a power cut leaves of it.
//!
//! ```text
//! word 0 of an inode   sector 0   sector 1   …        one 8-byte word of a `CrashMedia` stands for each of them:
//! length or listing    content    content             a length itself, or the hash of a content kept aside
//! ```
//!
//! A sector, a length and a directory are one word each, so everything that holds for words holds for them: after a
//! cut each is, independently, at any version since it was last synced; recovery branches when it reads one; a failed
//! sync leaves clean what it covered; a replay line names words and hashes, which are the same in every process.
//!
//! | operation | words it stores | durable after |
//! |---|---|---|
//! | write | each sector touched; then the length where it grows | sync of the file |
//! | `set_len` | the length; zeros to what is cut off | sync of the file |
//! | create, remove, rename, link | the directory: operations in one directory persist in their order | sync of the directory |
//! | rename to another directory | the target, then the source | sync of both; the file is never in neither |
//!
//! Invariants
//! F1  an inode number is given out once in a recording and the recoveries nested in it: what an old entry names is
//!     what it always named, and a new file reads zero.
//! F2  what lies past the end of a file is never read: an extension zeroes it first, as a file system does.
//! F3  a content has the same hash wherever and whenever it is made; two contents with one hash are refused.
//! F4  what a mount does is a function of what it read: it keeps nothing that another execution could have left.
//!
//! What is simpler than the world: no times, owners, modes, symbolic links or memory maps; a removed file's space is
//! not given back.

mod contents;
mod data;
mod directory;
mod disk;
mod explore;
mod face;
mod file;
mod inode;
mod name;
mod open;
mod options;
mod rename;
mod streams;

pub use disk::CrashDisk;
pub use explore::DiskRecording;
pub use face::NewCrashFile;
pub use file::{CrashFile, Metadata};
pub use open::OpenOptions;
pub use options::{DiskOptions, FileSystem};
