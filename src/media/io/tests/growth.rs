//! Growth while others fence.

use super::*;

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
