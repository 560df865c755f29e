//! Files of this machine, a file whose calls the test watches or breaks, and plain memory to compare with.

use std::path::PathBuf;
use std::sync::Mutex;
use std::vec::Vec;

use super::*;
use crate::media::{Media, Ram, SpaceError};
use crate::units::{ByteRange, LineRange};

const LEN: u64 = 1 << 20;

fn range(at: u64, len: u64) -> ByteRange {
    ByteRange::at(at, len).expect("small")
}

fn at(place: u64) -> ByteOffset {
    ByteOffset::new(place)
}

/// What a file was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Write(u64, u64),
    Sync,
}

/// A file in memory that lists its calls, and breaks when told to.
#[derive(Debug, Default)]
struct Watched {
    bytes: Mutex<Vec<u8>>,
    calls: Mutex<Vec<Call>>,
    broken_writes: AtomicBool,
    broken_syncs: AtomicBool,
    broken_reads: AtomicBool,
}

impl Watched {
    fn new(len: u64) -> Self {
        Watched {
            bytes: Mutex::new(std::vec![0; len as usize]),
            ..Watched::default()
        }
    }

    fn calls(&self) -> Vec<Call> {
        core::mem::take(&mut self.calls.lock().expect("whole"))
    }

    fn bytes(&self, at: u64, len: u64) -> Vec<u8> {
        self.bytes.lock().expect("whole")[at as usize..][..len as usize].to_vec()
    }
}

fn unless(broken: &AtomicBool) -> Result<(), Errno> {
    match broken.load(Ordering::SeqCst) {
        true => Err(Errno(libc::EIO)),
        false => Ok(()),
    }
}

impl FileIo for Watched {
    fn len(&self) -> Result<ByteLen, Errno> {
        Ok(ByteLen::of(&self.bytes.lock().expect("whole")))
    }
    fn durability(&self) -> Durability {
        Durability {
            domain: Domain::Device,
            reason: "a test's",
            flush: "nothing",
        }
    }
    fn set_len(&self, len: ByteLen) -> Result<(), SpaceError> {
        self.bytes
            .lock()
            .expect("whole")
            .resize(len.get() as usize, 0);
        Ok(())
    }
    fn read_at(&self, at: ByteOffset, into: &mut [u8]) -> Result<usize, Errno> {
        unless(&self.broken_reads)?;
        let bytes = self.bytes.lock().expect("whole");
        let from = (at.get() as usize).min(bytes.len());
        let count = into.len().min(bytes.len() - from);
        into[..count].copy_from_slice(&bytes[from..][..count]);
        Ok(count)
    }
    fn write_at(&self, at: ByteOffset, bytes: &[u8]) -> Result<(), Errno> {
        unless(&self.broken_writes)?;
        let call = Call::Write(at.get(), bytes.len() as u64);
        self.calls.lock().expect("whole").push(call);
        let mut held = self.bytes.lock().expect("whole");
        held[at.get() as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
    fn sync_data(&self) -> Result<(), Errno> {
        unless(&self.broken_syncs)?;
        self.calls.lock().expect("whole").push(Call::Sync);
        Ok(())
    }
    fn sync_all(&self) -> Result<(), Errno> {
        self.sync_data()
    }
    fn allocate(&self, _range: ByteRange) -> Result<(), SpaceError> {
        Ok(())
    }
}

fn flush(media: &impl Media, place: u64, len: u64) {
    media.flush(LineRange::covering(range(place, len)));
}

#[test]
fn a_fence_writes_the_flushed_runs_in_order_and_syncs_once() {
    let file = Watched::new(LEN);
    let media = IoMedia::new(&file, None).expect("a length");
    media.write(at(FRAME - 64), &[1; 128]); // two frames, one run
    media.store64(at(8), 2);
    media.store64(at(640), 3);
    flush(&media, FRAME - 64, 128);
    flush(&media, 8, 8);
    media.fence().expect("healthy");
    assert_eq!(
        file.calls(),
        [Call::Write(0, 64), Call::Write(FRAME - 64, 128), Call::Sync]
    );
    assert_eq!(file.bytes(640, 8), [0; 8], "was not flushed");
    media.fence().expect("healthy");
    flush(&media, 8, 8);
    media.fence().expect("healthy");
    assert_eq!(file.calls(), [], "nothing was dirty");
    media.write_nt(at(100), &[7; 3]);
    media.fence().expect("healthy");
    assert_eq!(file.calls(), [Call::Write(64, 64), Call::Sync]);
    media.reaffirm(range(0, 8));
    media.fence().expect("healthy");
    assert_eq!(file.calls(), [Call::Write(0, 64), Call::Sync]);
}

#[test]
fn the_last_line_is_cut_at_the_end_of_the_file() {
    let file = Watched::new(100);
    let media = IoMedia::new(&file, None).expect("a length");
    media.write(at(90), &[5; 10]);
    flush(&media, 90, 10);
    media.fence().expect("healthy");
    assert_eq!(file.calls(), [Call::Write(64, 36), Call::Sync]);
    assert_eq!(file.bytes(90, 10), [5; 10]);
}

#[test]
fn k3_a_failed_write_or_sync_sticks_reads_go_on_and_nothing_is_tried_again() {
    for breaks in [0, 1] {
        let file = Watched::new(LEN);
        let media = IoMedia::new(&file, None).expect("a length");
        media.store64(at(0), 7);
        flush(&media, 0, 8);
        let broken = [&file.broken_writes, &file.broken_syncs][breaks];
        broken.store(true, Ordering::SeqCst);
        assert_eq!(media.fence(), Err(Errno(libc::EIO)));
        broken.store(false, Ordering::SeqCst);
        file.calls();
        assert_eq!(media.fence(), Err(Errno(libc::EIO)));
        media.store64(at(64), 1);
        flush(&media, 64, 8);
        assert_eq!(media.fence(), Err(Errno(libc::EIO)));
        assert_eq!(file.calls(), []);
        assert_eq!(media.load64(at(0)), 7);
        assert!(media.intact(), "what is read is right");
        assert_eq!(
            media.set_len(ByteLen::new(2 * LEN)),
            Err(SpaceError::Io(Errno(libc::EIO)))
        );

        let reopened = IoMedia::new(&file, None).expect("a length");
        reopened.store64(at(0), 8);
        flush(&reopened, 0, 8);
        assert_eq!(reopened.fence(), Ok(()));
        assert_eq!(file.bytes(0, 8), 8u64.to_le_bytes());
    }
}

#[test]
fn bytes_that_cannot_be_read_are_zeros_and_everybody_is_told() {
    let file = Watched::new(LEN);
    file.bytes.lock().expect("whole").fill(9);
    let media = IoMedia::new(&file, None).expect("a length");
    assert_eq!(media.load8(at(0)), 9);
    file.broken_reads.store(true, Ordering::SeqCst);
    assert_eq!(media.load8(at(1)), 9, "is in memory");
    assert!(media.intact());
    assert_eq!(media.load8(at(FRAME)), 0);
    file.broken_reads.store(false, Ordering::SeqCst);
    assert!(!media.intact());
    assert_eq!(media.load8(at(FRAME)), 0, "and stays so");
    assert_eq!(media.fence(), Err(Errno(libc::EIO)));
    let private = IoMedia::private(&file).expect("a length");
    file.bytes.lock().expect("whole").truncate(100);
    assert_eq!(private.load8(at(0)), 0, "the file was cut");
    assert_eq!(private.fence(), Err(Errno(libc::EIO)));
}

#[test]
fn a_private_copy_never_writes() {
    let file = Watched::new(LEN);
    let media = IoMedia::private(&file).expect("a length");
    media.store64(at(0), 7);
    media.write_nt(at(8), &[1; 8]);
    flush(&media, 0, 8);
    media.fence().expect("free");
    media.back(range(0, LEN)).expect("free");
    assert_eq!(media.load64(at(0)), 7);
    assert_eq!(file.calls(), []);
    assert_eq!(media.durability().domain, Domain::Volatile);
    assert_eq!(
        media.set_len(ByteLen::new(2 * LEN)),
        Err(SpaceError::Unsupported)
    );
}

#[test]
fn a_file_that_was_cut_fails_the_fence_and_stays_cut() {
    let file = Watched::new(LEN);
    let media = IoMedia::new(&file, None).expect("a length");
    media.store64(at(LEN - 8), 7);
    flush(&media, LEN - 8, 8);
    file.set_len(ByteLen::new(100)).expect("cut");
    assert_eq!(media.fence(), Err(Errno(libc::EIO)));
    assert_eq!(file.len(), Ok(ByteLen::new(100)));
}

#[test]
fn random_operations_leave_what_plain_memory_holds() {
    let (file, ram) = (
        Watched::new(5 * FRAME + 24),
        Ram::new(ByteLen::new(5 * FRAME + 24)),
    );
    let len = ram.len().get();
    let mut media = IoMedia::new(&file, None).expect("a length");
    let mut seed = 0x5EED_u64;
    let mut next = move |below: u64| {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (seed >> 33) % below
    };
    for step in 0..20_000u64 {
        // Near the borders of frames as often as anywhere.
        let near = (next(6) * FRAME + next(40)).saturating_sub(20);
        let place = [next(len), near][next(2) as usize].min(len - 1);
        let left = len - place;
        let (count, value) = (
            left.min(next(300)),
            step.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        );
        let word = at((place / 8 * 8).min(len - 8));
        let bytes: Vec<u8> = (0..count).map(|byte| (byte + step) as u8).collect();
        match next(12) {
            0 => {
                (
                    media.store8(at(place), value as u8),
                    ram.store8(at(place), value as u8),
                )
                    .0
            }
            1 => {
                (
                    media.store16(word, value as u16),
                    ram.store16(word, value as u16),
                )
                    .0
            }
            2 => {
                (
                    media.store32(word, value as u32),
                    ram.store32(word, value as u32),
                )
                    .0
            }
            3 => (media.store64(word, value), ram.store64(word, value)).0,
            4 => assert_eq!(media.fetch_or64(word, value), ram.fetch_or64(word, value)),
            5 => assert_eq!(media.fetch_and64(word, value), ram.fetch_and64(word, value)),
            6 => {
                let old = ram.load64(word) & !next(2); // right half of the time
                let (ours, theirs) = (
                    media.compare_exchange64(word, old, value),
                    ram.compare_exchange64(word, old, value),
                );
                assert_eq!(ours, theirs);
            }
            7 => (media.write(at(place), &bytes), ram.write(at(place), &bytes)).0,
            8 => {
                (
                    media.write_nt(at(place), &bytes),
                    ram.write_nt(at(place), &bytes),
                )
                    .0
            }
            9 => {
                let part = range(place, left.min(next(2 * FRAME)));
                (media.fill(part, step as u8), ram.fill(part, step as u8)).0
            }
            10 => {
                flush(&media, 0, len);
                media.fence().expect("healthy");
                drop(media); // and what comes next is loaded anew
                media = IoMedia::new(&file, None).expect("a length");
            }
            _ => {
                let (mut ours, mut theirs) =
                    (std::vec![0; count as usize], std::vec![1; count as usize]);
                media.read(at(place), &mut ours);
                ram.read(at(place), &mut theirs);
                assert_eq!(ours, theirs, "step {step}");
                assert_eq!(media.load8(at(place)), ram.load8(at(place)));
                assert_eq!(media.load16(word), ram.load16(word));
                assert_eq!(media.load32(word), ram.load32(word));
                assert_eq!(media.load64(word), ram.load64(word));
            }
        }
    }
}

#[test]
fn a_read_of_everything_takes_no_memory_and_sees_what_was_stored() {
    let file = Watched::new(4 * FRAME + 100);
    file.bytes.lock().expect("whole").fill(3);
    let media = IoMedia::new(&file, None).expect("a length");
    media.store8(at(FRAME + 1), 7);
    let mut bytes = std::vec![0; 4 * FRAME as usize];
    media.read(at(0), &mut bytes);
    assert_eq!(bytes[FRAME as usize + 1], 7);
    assert_eq!(
        bytes.iter().filter(|byte| **byte == 3).count(),
        bytes.len() - 1
    );
    assert_eq!(media.resident(), ByteLen::new(FRAME));
    file.broken_reads.store(true, Ordering::SeqCst);
    media.read(at(0), &mut bytes);
    assert!(!media.intact());
}

#[test]
fn the_edges_are_those_of_mapped_memory() {
    let file = Watched::new(4090);
    let media = IoMedia::new(&file, None).expect("a length");
    let panics =
        |work: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err();
    assert!(panics(&|| media.write(at(4085), &[0; 6])));
    assert!(panics(&|| media.store64(at(4088), 0)));
    assert!(panics(&|| media.store64(at(4), 0)));
    assert!(panics(&|| flush(&media, 4096, 8)));
    assert!(panics(&|| media.back(range(4000, 100)).expect("outside")));
    assert!(!panics(&|| flush(&media, 4089, 1)));
    assert!(!panics(&|| media.store64(at(4080), 0)));
}

#[test]
fn eight_threads_share_syncs_and_every_byte_is_in_the_file() {
    const THREADS: u64 = 8;
    const FENCES: u64 = 200;
    let file = Watched::new(LEN);
    let media = IoMedia::new(&file, None).expect("a length");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (media, file) = (&media, &file);
            scope.spawn(move || {
                for fence in 0..FENCES {
                    // Lines of two threads are neighbours, words of eight share a line.
                    let place = fence * 512 + thread * 8;
                    media.store64(at(place), place + 1);
                    flush(media, place, 8);
                    media.fence().expect("healthy");
                    assert_eq!(file.bytes(place, 8), (place + 1).to_le_bytes());
                }
            });
        }
    });
    let syncs = file
        .calls()
        .iter()
        .filter(|call| **call == Call::Sync)
        .count();
    assert!((syncs as u64) <= THREADS * FENCES);
}

fn local() -> (tempfile::TempDir, PathBuf, LocalDisk) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("pool");
    (directory, path, LocalDisk::default())
}

fn made(disk: &LocalDisk, path: &std::path::Path, len: u64) -> LocalFile {
    let new = disk.create(path).expect("created");
    new.file().set_len(ByteLen::new(len)).expect("room");
    publish(disk, new, path, false).expect("the name is free")
}

#[test]
fn a_sparse_file_of_ten_gibibytes_costs_what_is_touched() {
    let (_directory, path, disk) = local();
    let media = IoMedia::new(made(&disk, &path, 10 << 30), None).expect("a length");
    assert_eq!(media.resident(), ByteLen::ZERO);
    media.store64(at((9 << 30) + 8), 7);
    flush(&media, (9 << 30) + 8, 8);
    media.fence().expect("healthy");
    assert_eq!(media.resident(), ByteLen::new(FRAME));
    drop(media);
    let media =
        IoMedia::new(disk.open(&path, Access::Write).expect("there"), None).expect("a length");
    assert_eq!(media.load64(at((9 << 30) + 8)), 7);
}

#[test]
fn local_files_keep_each_other_out_by_either_way_and_dropped_new_ones_leave_nothing() {
    use crate::media::file::{FileError, FileMedia, FileOptions};
    let (directory, path, disk) = local();
    drop(disk.create(&path).expect("created"));
    assert_eq!(disk.names_in(directory.path()), Ok(Some(Vec::new())));
    let file = made(&disk, &path, LEN);
    let busy = FileError::Busy { path: path.clone() };
    assert_eq!(disk.open(&path, Access::Write).err(), Some(busy.clone()));
    assert_eq!(disk.open(&path, Access::Read).err(), Some(busy.clone()));
    assert_eq!(
        FileMedia::open(&path, &FileOptions::default()).err(),
        Some(busy.clone())
    );
    let mut replacing = disk.create(&path).expect("created");
    assert_eq!(
        replacing.name(&path),
        Err(FileError::AlreadyExists { path: path.clone() })
    );
    assert_eq!(replacing.name_over(&path), Err(busy.clone()));
    drop((file, replacing));
    let mapped = FileMedia::open(&path, &FileOptions::default()).expect("free now");
    assert_eq!(disk.open(&path, Access::Write).err(), Some(busy));
    drop(mapped);
    let readers = [0, 1].map(|_| disk.open(&path, Access::Read).expect("readers share"));
    drop(readers);
    let mut replacing = disk.create(&path).expect("created");
    replacing.name_over(&path).expect("nobody has it");
    assert_eq!(replacing.into_file().len(), Ok(ByteLen::ZERO));
    assert_eq!(
        disk.names_in(directory.path())
            .expect("there")
            .expect("a directory")
            .len(),
        1
    );
}

#[test]
fn growth_is_in_the_file_before_anybody_uses_it_and_space_is_really_taken() {
    use std::os::unix::fs::MetadataExt;
    let (_directory, path, disk) = local();
    let capacity = Some(ByteLen::new(4 * LEN));
    let media = IoMedia::new(made(&disk, &path, LEN), capacity).expect("a length");
    assert_eq!(
        media.set_len(ByteLen::new(LEN - 1)),
        Err(SpaceError::Unsupported)
    );
    assert_eq!(
        media.set_len(ByteLen::new(5 * LEN)),
        Err(SpaceError::Unsupported)
    );
    media.store64(at(LEN - 8), 1);
    media.set_len(ByteLen::new(3 * LEN)).expect("room");
    assert_eq!(media.load64(at(LEN - 8)), 1);
    assert_eq!(media.load64(at(3 * LEN - 8)), 0);
    media.back(range(2 * LEN, LEN)).expect("room");
    let metadata = std::fs::metadata(&path).expect("there");
    assert_eq!(metadata.len(), 3 * LEN);
    assert!(metadata.blocks() * 512 >= LEN);
    media.store64(at(3 * LEN - 8), 9);
    flush(&media, 3 * LEN - 8, 8);
    media.fence().expect("healthy");
    let bytes = std::fs::read(&path).expect("readable");
    assert_eq!(bytes[3 * LEN as usize - 8..], 9u64.to_le_bytes());
}

/// A file that stops whoever next asks for its length, once, until it is told to go on.
struct Stopping {
    file: Watched,
    armed: AtomicBool,
    stopped: std::sync::Barrier,
    go_on: std::sync::Barrier,
}

impl FileIo for Stopping {
    fn len(&self) -> Result<ByteLen, Errno> {
        if self.armed.swap(false, Ordering::SeqCst) {
            self.stopped.wait();
            self.go_on.wait();
        }
        self.file.len()
    }
    fn durability(&self) -> Durability {
        self.file.durability()
    }
    fn set_len(&self, len: ByteLen) -> Result<(), SpaceError> {
        self.file.set_len(len)
    }
    fn read_at(&self, at: ByteOffset, into: &mut [u8]) -> Result<usize, Errno> {
        self.file.read_at(at, into)
    }
    fn write_at(&self, at: ByteOffset, bytes: &[u8]) -> Result<(), Errno> {
        self.file.write_at(at, bytes)
    }
    fn sync_data(&self) -> Result<(), Errno> {
        self.file.sync_data()
    }
    fn sync_all(&self) -> Result<(), Errno> {
        self.file.sync_all()
    }
    fn allocate(&self, range: ByteRange) -> Result<(), SpaceError> {
        self.file.allocate(range)
    }
}

#[test]
fn a_line_of_a_new_part_is_written_also_by_a_round_that_began_before_the_growth() {
    const OLD: u64 = 64 * FRAME;
    let file = Stopping {
        file: Watched::new(OLD),
        armed: AtomicBool::new(false),
        stopped: std::sync::Barrier::new(2),
        go_on: std::sync::Barrier::new(2),
    };
    let media = IoMedia::new(&file, None).expect("a length");
    std::thread::scope(|scope| {
        let round = scope.spawn(|| {
            for place in [0, 4 * FRAME] {
                media.store64(at(place), 1);
                flush(&media, place, 8);
            }
            file.armed.store(true, Ordering::SeqCst);
            media.fence()
        });
        file.stopped.wait();
        media.set_len(ByteLen::new(2 * OLD)).expect("room");
        media.store64(at(OLD + 8), 7);
        flush(&media, OLD + 8, 8);
        file.go_on.wait();
        assert_eq!(round.join().expect("no panic"), Ok(()));
    });
    media.fence().expect("healthy");
    assert_eq!(file.file.bytes(OLD + 8, 8), 7u64.to_le_bytes());
}

#[test]
fn a_length_that_is_there_is_made_durable_all_the_same() {
    let file = Watched::new(LEN);
    let media = IoMedia::new(&file, None).expect("a length");
    media
        .set_len(ByteLen::new(LEN))
        .expect("it has that length");
    assert_eq!(file.calls(), [Call::Sync]);
    file.broken_syncs.store(true, Ordering::SeqCst);
    let eio = Errno(libc::EIO);
    assert_eq!(media.set_len(ByteLen::new(LEN)), Err(SpaceError::Io(eio)));
    assert_eq!(media.fence(), Err(eio));
}
