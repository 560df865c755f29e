//! Asynchronous operations: waited for, polled, awaited, dropped; in order where they meet.
#![cfg(unix)]

mod tools;

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Cursor, Read};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use everline::media::Ram;
use everline_region::{
    Extent, Operation, RegionError, RegionId, RegionOptions, Regions, RequestConfig, Requests,
    Target, TargetConfig, Touch, TransferConfig, TransferError, wait_all, wait_any,
};
use tools::*;

const MIB: u64 = 1 << 20;

type On<T> = Result<T, RegionError<Infallible>>;

fn config(workers: u32, queue_depth: u32, eager_threshold: u64) -> RequestConfig {
    RequestConfig {
        workers,
        queue_depth,
        eager_threshold,
    }
}

fn on_ram(len: u64, config: RequestConfig) -> Requests<Ram> {
    Requests::new(Arc::new(ram(len)), &config, None).expect("threads")
}

fn requests() -> Requests<Ram> {
    on_ram(4 * MIB, RequestConfig::default())
}

fn stranger() -> RegionId {
    RegionId::from_bytes([0x5A; 16])
}

/// A gate that holds operations back until it is opened.
struct Gate(Arc<(mpsc::Sender<()>, std::sync::Mutex<mpsc::Receiver<()>>)>);

impl Gate {
    fn new() -> Self {
        let (open, opened) = mpsc::channel();
        Gate(Arc::new((open, std::sync::Mutex::new(opened))))
    }

    fn operation(&self, touch: Touch) -> Operation<Ram, Result<(), RegionError<Infallible>>> {
        let gate = Arc::clone(&self.0);
        Operation::new(touch, move |_| {
            gate.1.lock().expect("whole").recv().expect("opened");
            Ok(())
        })
    }

    fn open(&self) {
        self.0.0.send(()).expect("somebody waits or will");
    }
}

#[test]
fn c1_every_operation_can_be_issued_and_fails_only_at_wait() {
    let requests = requests();
    let id = requests
        .create(100, &named("a"))
        .into_output()
        .expect("once")
        .expect("space");
    let (written, buffer) = requests
        .write(id, 10, b"hello".to_vec())
        .into_output()
        .expect("once");
    assert_eq!(
        (written, buffer),
        (Ok(()), b"hello".to_vec()),
        "the buffer comes back"
    );
    let (read, buffer) = requests
        .read(id, 10, vec![0; 5])
        .into_output()
        .expect("once");
    assert_eq!((read, buffer), (Ok(()), b"hello".to_vec()));
    requests.persist(id, 0, 100).wait().expect("inside");
    assert_eq!(requests.by_name("a").into_output(), Some(Ok(id)));
    assert_eq!(requests.exists(id).into_output(), Some(Ok(true)));
    assert_eq!(
        requests
            .info(id)
            .into_output()
            .expect("once")
            .expect("there")
            .len,
        100
    );
    assert_eq!(requests.count().into_output(), Some(Ok(1)));
    assert_eq!(
        requests
            .list()
            .into_output()
            .expect("once")
            .expect("there")
            .len(),
        1
    );
    requests.rename(id, "b").wait().expect("free");
    let (other, _) = requests
        .put("c", b"there".to_vec())
        .into_output()
        .expect("once");
    let (third, _) = requests
        .create_with(b"third".to_vec(), &UNNAMED)
        .into_output()
        .expect("once");
    for (id, bytes) in [(other, b"there"), (third, b"third")] {
        let id = id.expect("space");
        assert_eq!(
            requests.read_all(id).into_output(),
            Some(Ok(bytes.to_vec()))
        );
    }
    requests.destroy(id).wait().expect("there");

    // Nothing of this exists: issue is silent, every wait says so.
    let invalid = Err(RegionError::InvalidRegion { id: stranger() });
    assert_eq!(requests.write(stranger(), 0, b"x".to_vec()).wait(), invalid);
    assert_eq!(requests.read(stranger(), 0, vec![0]).wait(), invalid);
    assert_eq!(requests.read_all(stranger()).wait(), invalid);
    assert_eq!(requests.persist(stranger(), 0, 1).wait(), invalid);
    assert_eq!(requests.destroy(stranger()).wait(), invalid);
    assert_eq!(requests.rename(stranger(), "x").wait(), invalid);
    assert_eq!(requests.info(stranger()).wait(), invalid);
    assert_eq!(requests.exists(stranger()).into_output(), Some(Ok(false)));
    assert!(matches!(
        requests.by_name("none").wait(),
        Err(RegionError::NotFound { .. })
    ));
    assert_eq!(
        requests.create(0, &UNNAMED).wait(),
        Err(RegionError::InvalidSize)
    );
    let (refused, buffer) = requests
        .write(id, 0, b"kept".to_vec())
        .into_output()
        .expect("once");
    assert_eq!(refused, Err(RegionError::InvalidRegion { id }));
    assert_eq!(buffer, b"kept", "the buffer comes back with the error too");
}

#[test]
fn c2_wait_answers_the_same_however_often_it_is_asked() {
    let requests = requests();
    let good = requests.create(100, &UNNAMED);
    assert_eq!(good.wait(), Ok(()));
    assert!(good.test());
    assert_eq!(good.wait(), Ok(()));
    let id = good.into_output().expect("once").expect("space");

    let bad = requests.write(id, 99, b"xx".to_vec());
    let error = RegionError::OutOfBounds {
        id,
        at: 99,
        len: 2,
        region_len: 100,
    };
    for _ in 0..3 {
        assert_eq!(bad.wait(), Err(error.clone()));
        assert!(bad.test());
        assert_eq!(bad.timeout(Duration::ZERO), Poll::Ready(Err(error.clone())));
    }
    assert_eq!(bad.into_output().expect("once").0, Err(error));
}

#[test]
fn c3_an_error_of_an_asynchronous_create_is_not_swallowed() {
    let requests = on_ram(256 << 10, config(2, 8, 0));
    let mut made = 0;
    let error = loop {
        match requests.create(4096, &UNNAMED).wait() {
            Ok(()) => made += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, RegionError::NoSpace { .. }), "{error}");
    assert_eq!(requests.count().into_output(), Some(Ok(made)));
    let with = requests.create_with(vec![1; 1 << 20], &UNNAMED);
    assert!(matches!(with.wait(), Err(RegionError::NoSpace { .. })));
    assert_eq!(
        with.into_output().expect("once").1.len(),
        1 << 20,
        "the buffer comes back"
    );
}

#[test]
fn c4_a_dropped_request_runs_to_its_end_and_harms_nobody() {
    let requests = requests();
    let id = requests
        .create(100, &UNNAMED)
        .into_output()
        .expect("once")
        .expect("space");
    let gate = Gate::new();
    drop(requests.issue(gate.operation(Touch::Region(id))));
    drop(requests.write(stranger(), 0, vec![1; 5000])); // fails, and nobody listens
    drop(requests.write(id, 0, b"arrives".to_vec()));
    drop(
        requests.issue(Operation::<Ram, On<()>>::new(Touch::Nothing, |_| {
            panic!("a panic on purpose")
        })),
    );
    gate.open();
    let (read, bytes) = requests
        .read(id, 0, vec![0; 7])
        .into_output()
        .expect("once");
    assert_eq!((read, bytes), (Ok(()), b"arrives".to_vec()));
}

#[test]
fn c4_a_panic_in_a_worker_is_an_answer_and_the_worker_lives_on() {
    let requests = on_ram(MIB, config(1, 4, 0));
    for _ in 0..3 {
        let broken = requests.issue(Operation::<Ram, On<u8>>::new(Touch::Everything, |_| {
            panic!("a panic on purpose")
        }));
        assert_eq!(broken.wait(), Err(RegionError::Panicked));
        assert_eq!(broken.wait(), Err(RegionError::Panicked));
        assert!(
            RegionError::<Infallible>::Panicked
                .to_string()
                .contains("panicked")
        );
    }
    requests
        .create(8, &UNNAMED)
        .wait()
        .expect("the only worker works");
}

#[test]
fn c4_dropping_the_requests_waits_for_everything_that_was_issued() {
    let regions = Arc::new(ram(4 * MIB));
    let requests = Requests::new(Arc::clone(&regions), &config(3, 64, 0), None).expect("threads");
    let id = requests
        .create(64 * 8, &UNNAMED)
        .into_output()
        .expect("once")
        .expect("space");
    let pending: Vec<_> = (0..64u64)
        .map(|at| requests.write(id, at * 8, at.to_le_bytes().to_vec()))
        .collect();
    drop(requests);
    assert!(pending.iter().all(|request| request.test()));
    let bytes = regions.read_all(id).expect("there");
    for (at, word) in bytes.chunks(8).enumerate() {
        assert_eq!(word, (at as u64).to_le_bytes());
    }
    wait_all(&pending).expect("all of them");
}

#[test]
fn c4_the_last_handle_may_go_inside_an_operation() {
    let requests = Arc::new(on_ram(MIB, config(2, 4, 0)));
    let held = Arc::clone(&requests);
    let (start, started) = mpsc::channel::<()>();
    let inside = requests.issue(Operation::<Ram, On<()>>::new(Touch::Nothing, move |_| {
        started.recv().expect("told");
        drop(held);
        Ok(())
    }));
    drop(requests);
    start.send(()).expect("somebody waits");
    assert_eq!(inside.wait(), Ok(()));
}

#[test]
fn c5_wait_any_drains_a_hundred_and_wait_all_tells_the_first_error() {
    let requests = on_ram(4 * MIB, config(4, 128, 0));
    let id = requests
        .create(100 * 64, &UNNAMED)
        .into_output()
        .expect("once")
        .expect("space");
    let mut pending: Vec<_> = (0..100u64)
        .map(|at| (at, requests.write(id, at * 64, vec![at as u8; 64])))
        .collect();
    let mut drained = Vec::new();
    while !pending.is_empty() {
        let handles: Vec<_> = pending.iter().map(|(_, request)| request).collect();
        let ended = wait_any(&handles).expect("there are some");
        let (at, request) = pending.swap_remove(ended);
        assert!(request.test());
        request.wait().expect("inside");
        drained.push(at);
    }
    drained.sort_unstable();
    assert_eq!(drained, (0..100).collect::<Vec<_>>());
    assert_eq!(
        wait_any::<everline_region::Request<Result<(), RegionError<Infallible>>>>(&[]),
        None
    );

    let pending: Vec<_> = (0..10u64)
        .map(|at| requests.write(id, if at < 7 { at } else { 6400 + at }, vec![1; 1]))
        .collect();
    let error = RegionError::OutOfBounds {
        id,
        at: 6407,
        len: 1,
        region_len: 6400,
    };
    assert_eq!(wait_all(&pending), Err(error));
    assert!(
        pending.iter().all(|request| request.test()),
        "it waited for all of them"
    );
}

#[test]
fn c5_a_timeout_answers_pending_and_the_request_goes_on() {
    let requests = requests();
    let gate = Gate::new();
    let slow = requests.issue(gate.operation(Touch::Nothing));
    assert!(!slow.test());
    let begun = Instant::now();
    assert_eq!(slow.timeout(Duration::from_millis(30)), Poll::Pending);
    assert!(begun.elapsed() >= Duration::from_millis(30));
    assert_eq!(slow.timeout(Duration::ZERO), Poll::Pending);
    gate.open();
    assert_eq!(slow.timeout(Duration::MAX), Poll::Ready(Ok(())));
    assert_eq!(slow.wait(), Ok(()));
}

#[test]
fn c6_the_last_issued_write_of_a_range_wins() {
    for (workers, eager) in [(8, 0), (8, 4096), (1, 0)] {
        let requests = on_ram(4 * MIB, config(workers, 64, eager));
        let id = requests
            .create(10_000, &UNNAMED)
            .into_output()
            .expect("once")
            .expect("space");
        for round in 0..50u8 {
            let pending: Vec<_> = (0..20u8)
                .map(|turn| requests.write(id, 100, vec![round ^ turn; 9000]))
                .collect();
            let read = requests.read(id, 100, vec![0; 9000]);
            let (outcome, bytes) = read.into_output().expect("once");
            assert_eq!(outcome, Ok(()));
            assert!(
                bytes.iter().all(|byte| *byte == round ^ 19),
                "round {round}"
            );
            wait_all(&pending).expect("inside");
        }
    }
}

#[test]
fn c6_what_concerns_a_whole_region_keeps_its_place_among_its_reads_and_writes() {
    let requests = on_ram(4 * MIB, config(8, 64, 0));
    for _ in 0..50 {
        let id = requests
            .create(64, &named("a"))
            .into_output()
            .expect("once")
            .expect("space");
        let gate = Gate::new();
        let gated = requests.issue(gate.operation(Touch::write(id, 0, 8)));
        let write = requests.write(id, 0, b"before".to_vec());
        let destroy = requests.destroy(id);
        let late = requests.read(id, 0, vec![0; 6]);
        let named = requests.by_name("a");
        assert!(!destroy.test() && !late.test());
        gate.open();
        assert_eq!(gated.wait(), Ok(()));
        assert_eq!(write.wait(), Ok(()));
        assert_eq!(destroy.wait(), Ok(()));
        assert_eq!(late.wait(), Err(RegionError::InvalidRegion { id }));
        assert!(matches!(named.wait(), Err(RegionError::NotFound { .. })));
    }
}

#[test]
fn c6_a_read_issued_behind_a_write_that_lengthens_its_region_sees_the_new_length() {
    let requests = on_ram(4 * MIB, config(8, 64, 64));
    for round in 0..50u64 {
        let growable = RegionOptions {
            growable: true,
            ..UNNAMED
        };
        let created = requests.create(0, &growable).into_output().expect("once");
        let id = created.expect("space");
        let write = requests.write(id, 8192, vec![7; 100_000]);
        // Not a byte in common: what they have in common is the length.
        let read = requests.read(id, 0, vec![1; 16]);
        let (outcome, bytes) = read.into_output().expect("once");
        assert_eq!(
            (outcome, &bytes[..]),
            (Ok(()), &[0; 16][..]),
            "round {round}"
        );
        assert_eq!(write.wait(), Ok(()));
        assert_eq!(requests.destroy(id).wait(), Ok(()));
    }
}

#[test]
fn c6_ranges_that_do_not_meet_do_not_wait_for_each_other() {
    let requests = on_ram(MIB, config(2, 8, 0));
    let id = requests
        .create(64, &UNNAMED)
        .into_output()
        .expect("once")
        .expect("space");
    let gate = Gate::new();
    let held = requests.issue(gate.operation(Touch::write(id, 0, 8)));
    requests
        .write(id, 8, b"past it".to_vec())
        .wait()
        .expect("not in its way");
    requests.create(8, &UNNAMED).wait().expect("not in its way");
    assert!(!held.test());
    gate.open();
    held.wait().expect("opened");
}

/// A model of every region's bytes, against operations of random kind, size and place from one issuer.
#[test]
fn c6_random_operations_end_as_if_they_had_run_in_issue_order() {
    const LEN: u64 = 256;
    for seed in 0..60u64 {
        let mut random = Random(seed);
        let depth = 1 + random.below(64) as u32;
        let eager = [0, 16, 4096][random.below(3) as usize];
        let requests = on_ram(4 * MIB, config(1 + random.below(6) as u32, depth, eager));
        let ids: Vec<RegionId> = (0..3)
            .map(|_| {
                requests
                    .create(LEN, &UNNAMED)
                    .into_output()
                    .expect("once")
                    .expect("space")
            })
            .collect();
        let mut model = vec![vec![0u8; LEN as usize]; ids.len()];
        let mut reads = Vec::new();
        let mut writes = Vec::new();
        for _ in 0..300 {
            let which = random.below(3) as usize;
            let at = random.below(LEN);
            let len = random.below(LEN - at + 1) as usize;
            let range = at as usize..at as usize + len;
            if random.below(3) == 0 {
                reads.push((
                    requests.read(ids[which], at, vec![0; len]),
                    model[which][range].to_vec(),
                ));
            } else {
                let byte = random.next() as u8;
                model[which][range].fill(byte);
                writes.push(requests.write(ids[which], at, vec![byte; len]));
            }
        }
        for (read, expected) in reads {
            let (outcome, bytes) = read.into_output().expect("once");
            assert_eq!((outcome, bytes), (Ok(()), expected), "seed {seed}");
        }
        wait_all(&writes).expect("inside");
        for (id, expected) in ids.iter().zip(model) {
            assert_eq!(
                requests.regions().read_all(*id),
                Ok(expected),
                "seed {seed}"
            );
        }
    }
}

#[test]
fn c6_many_issuers_never_mix_the_bytes_of_one_range() {
    let requests = on_ram(4 * MIB, config(4, 16, 512));
    let id = requests
        .create(4096, &UNNAMED)
        .into_output()
        .expect("once")
        .expect("space");
    thread::scope(|scope| {
        for issuer in 0..6u8 {
            let requests = &requests;
            scope.spawn(move || {
                for turn in 0..200u8 {
                    let len = if turn % 2 == 0 { 4096 } else { 512 };
                    drop(requests.write(id, 0, vec![issuer; len]));
                    let (_, bytes) = requests
                        .read(id, 0, vec![0; 512])
                        .into_output()
                        .expect("once");
                    assert!(
                        bytes.iter().all(|byte| *byte == bytes[0]),
                        "one write at a time"
                    );
                }
            });
        }
    });
}

#[test]
fn c7_around_the_eager_threshold_nothing_differs_but_the_thread() {
    const THRESHOLD: u64 = 512;
    let media = everline_crash::CrashMedia::new(everline::units::ByteLen::new(MIB));
    let regions = Arc::new(on(media.clone()));
    let requests = Requests::new(regions, &config(2, 8, THRESHOLD), None).expect("threads");
    let id = requests
        .create(2048, &UNNAMED)
        .into_output()
        .expect("once")
        .expect("space");
    for len in [0, 1, THRESHOLD - 1, THRESHOLD, THRESHOLD + 1, 2048] {
        let bytes = pattern(len as usize, len as u8);
        let write = requests.write(id, 0, bytes.clone());
        if len <= THRESHOLD {
            assert!(write.test(), "it ran on this thread");
        }
        let (outcome, buffer) = write.into_output().expect("once");
        assert_eq!((outcome, &buffer), (Ok(()), &bytes));
        // Durable as it returns: the image of a power cut at this moment has it.
        let cut = everline::media::Ram::new(everline::units::ByteLen::new(MIB));
        everline::media::Media::write(
            &cut,
            everline::units::ByteOffset::ZERO,
            &media.durable_image(),
        );
        let (after, _) = open(cut);
        assert_eq!(after.read_all(id).expect("there")[..len as usize], bytes);
        let read = requests
            .read(id, 0, vec![0; len as usize])
            .into_output()
            .expect("once");
        assert_eq!(read, (Ok(()), bytes));
        let refused = requests.write(id, 2049 - len, vec![1; len as usize]);
        let error = RegionError::OutOfBounds {
            id,
            at: 2049 - len,
            len,
            region_len: 2048,
        };
        assert_eq!(
            refused.wait(),
            if len == 0 { refused.wait() } else { Err(error) }
        );
    }
}

#[test]
fn c7_a_small_operation_waits_its_turn_behind_one_that_touches_its_bytes() {
    let requests = on_ram(MIB, config(2, 8, 4096));
    let id = requests
        .create(64, &UNNAMED)
        .into_output()
        .expect("once")
        .expect("space");
    let gate = Gate::new();
    let held = requests.issue(gate.operation(Touch::write(id, 0, 8)));
    let small = requests.write(id, 4, b"small".to_vec());
    assert!(!small.test(), "it did not overtake");
    gate.open();
    small.wait().expect("inside");
    held.wait().expect("opened");
}

fn pipeline(pools: u32, buffers: u32, first: u64, multiplier: u64) -> TransferConfig {
    TransferConfig {
        num_pools: pools,
        num_buffers_per_pool: buffers,
        first_buffer_size: first,
        buffer_size_multiplier: multiplier,
    }
}

#[test]
fn c8_transfers_of_any_size_through_buffers_of_any_size_are_equal() {
    for transfer in [
        pipeline(1, 1, 64, 2),
        pipeline(2, 8, 64, 2),
        pipeline(3, 1, 1, 7),
        pipeline(1, 3, 1000, 2),
    ] {
        let regions = Arc::new(ram(4 * MIB));
        let requests = Requests::new(regions, &config(2, 8, 0), Some(&transfer)).expect("threads");
        let buffer = transfer.largest_buffer().expect("small") as u64;
        let id = requests
            .create(8192, &UNNAMED)
            .into_output()
            .expect("once")
            .expect("space");
        for len in [
            0,
            1,
            buffer - 1,
            buffer,
            buffer + 1,
            2 * buffer,
            3 * buffer + 7,
            5 * buffer,
        ] {
            let bytes = pattern(len as usize, len as u8);
            let sent =
                requests.write_from(id, vec![Extent::new(9, len)], Cursor::new(bytes.clone()));
            assert_eq!(sent.into_output().expect("once").0, Ok(len));
            let got = requests
                .read_to(id, vec![Extent::new(9, len)], Vec::new())
                .into_output()
                .expect("once");
            assert_eq!(got, (Ok(len), Some(bytes)), "{transfer:?}");
        }
        // Several segments, in list order, one of them empty, the last two over each other.
        let segments = [(4000, 100), (10, 300), (700, 0), (2000, 51), (2040, 20)];
        let segments: Vec<Extent> = segments.map(|(at, len)| Extent::new(at, len)).to_vec();
        let bytes = pattern(471, 5);
        let sent = requests.write_from(id, segments.clone(), Cursor::new(bytes.clone()));
        assert_eq!(sent.into_output().expect("once").0, Ok(471));
        let all = requests.regions().read_all(id).expect("there");
        assert_eq!(all[4000..4100], bytes[..100]);
        assert_eq!(all[10..310], bytes[100..400]);
        assert_eq!(all[2000..2040], bytes[400..440]);
        assert_eq!(all[2040..2060], bytes[451..], "the later segment wins");
        let got = requests
            .read_to(id, segments, Vec::new())
            .into_output()
            .expect("once");
        let expected = [
            &all[4000..4100],
            &all[10..310],
            &all[2000..2051],
            &all[2040..2060],
        ]
        .concat();
        assert_eq!(got, (Ok(471), Some(expected)));
    }
}

#[test]
fn c8_many_transfers_share_one_buffer_without_standing_still() {
    let regions = Arc::new(ram(4 * MIB));
    let requests =
        Requests::new(regions, &config(8, 64, 0), Some(&pipeline(1, 1, 37, 2))).expect("threads");
    let ids: Vec<RegionId> = (0..8)
        .map(|_| {
            requests
                .create(3000, &UNNAMED)
                .into_output()
                .expect("once")
                .expect("space")
        })
        .collect();
    let sent: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(at, id)| {
            requests.write_from(
                *id,
                vec![Extent::new(0, 3000)],
                Cursor::new(pattern(3000, at as u8)),
            )
        })
        .collect();
    wait_all(&sent).expect("all arrive");
    for (at, id) in ids.iter().enumerate() {
        let got = requests
            .read_to(*id, vec![Extent::new(0, 3000)], Vec::new())
            .into_output()
            .expect("once");
        assert_eq!(got.1, Some(pattern(3000, at as u8)));
    }
}

/// Fails after some bytes.
struct Broken {
    left: usize,
}

impl Read for Broken {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let step = into.len().min(self.left).min(10);
        if step == 0 {
            return Err(io::Error::other("the cable was pulled"));
        }
        self.left -= step;
        into[..step].fill(7);
        Ok(step)
    }
}

impl io::Write for Broken {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.read(&mut vec![0; bytes.len()])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn c8_a_transfer_that_breaks_says_where_and_gives_its_buffers_back() {
    let regions = Arc::new(ram(MIB));
    let requests =
        Requests::new(regions, &config(2, 8, 0), Some(&pipeline(1, 1, 50, 2))).expect("threads");
    let id = requests
        .create(1000, &UNNAMED)
        .into_output()
        .expect("once")
        .expect("space");
    for _ in 0..5 {
        let (sent, _) = requests
            .write_from(id, vec![Extent::new(0, 1000)], Broken { left: 120 })
            .into_output()
            .expect("once");
        let Err(TransferError::Stream {
            done,
            total,
            reason,
            ..
        }) = &sent
        else {
            panic!("{sent:?}");
        };
        assert_eq!(
            (*done, *total, reason.as_str()),
            (100, 1000, "the cable was pulled")
        );
        let (got, _) = requests
            .read_to(id, vec![Extent::new(0, 1000)], Broken { left: 120 })
            .into_output()
            .expect("once");
        assert!(
            matches!(got, Err(TransferError::Stream { done: 100, .. })),
            "{got:?}"
        );
        let short = requests.write_from(id, vec![Extent::new(0, 10)], Cursor::new(vec![1; 9]));
        assert!(
            short
                .wait()
                .expect_err("ends early")
                .to_string()
                .contains("0 of 10 bytes")
        );
    }
    let before = requests.regions().read_all(id).expect("there");
    for segments in [
        vec![Extent::new(0, 10), Extent::new(995, 6)],
        vec![Extent::new(u64::MAX, 2)],
        vec![Extent::new(0, 1001)],
    ] {
        let refused = requests.write_from(id, segments, Cursor::new(vec![1; 2000]));
        let error = refused.wait().expect_err("outside");
        assert!(
            matches!(
                error,
                TransferError::Region(RegionError::OutOfBounds { .. })
            ),
            "{error}"
        );
    }
    assert_eq!(
        requests.regions().read_all(id),
        Ok(before),
        "not even the good segment"
    );
    let unknown = requests.read_to(stranger(), vec![Extent::new(0, 1)], Vec::new());
    assert!(matches!(
        unknown.wait(),
        Err(TransferError::Region(RegionError::InvalidRegion { .. }))
    ));
}

#[test]
fn c9_workers_and_depth_are_validated() {
    for (bad, field) in [
        (config(0, 1, 0), "workers"),
        (config(1, 0, 0), "queue_depth"),
        (config(2000, 1, 0), "workers"),
    ] {
        let error = Requests::new(Arc::new(ram(MIB)), &bad, None).expect_err("wrong");
        assert!(error.to_string().contains(field), "{error}");
    }
    let error = Requests::new(
        Arc::new(ram(MIB)),
        &config(1, 1, 0),
        Some(&pipeline(1, 1, 0, 2)),
    );
    assert!(
        error
            .expect_err("wrong")
            .to_string()
            .contains("first_buffer_size")
    );
}

#[test]
fn c10_double_buffering_works_at_every_depth() {
    for depth in [1, 2, 64] {
        let requests = on_ram(16 * MIB, config(2, depth, 0));
        let id = requests
            .create(200 * 4096, &UNNAMED)
            .into_output()
            .expect("once")
            .expect("space");
        let mut free = vec![vec![0u8; 4096], vec![0u8; 4096]];
        let mut under_way = std::collections::VecDeque::new();
        for block in 0..200u64 {
            let mut buffer = match free.pop() {
                Some(buffer) => buffer,
                None => {
                    let oldest: everline_region::Request<_> =
                        under_way.pop_front().expect("both buffers are under way");
                    let (outcome, buffer): (Result<(), RegionError<_>>, Vec<u8>) =
                        oldest.into_output().expect("once");
                    outcome.expect("inside");
                    buffer
                }
            };
            buffer.fill(block as u8);
            under_way.push_back(requests.write(id, block * 4096, buffer));
        }
        for request in under_way {
            request.wait().expect("inside");
        }
        let bytes = requests.regions().read_all(id).expect("there");
        for (block, bytes) in bytes.chunks(4096).enumerate() {
            assert!(
                bytes.iter().all(|byte| *byte == block as u8),
                "depth {depth}"
            );
        }
    }
}

#[test]
fn c10_a_full_queue_makes_issue_wait_and_try_issue_give_back() {
    let requests = Arc::new(on_ram(MIB, config(1, 2, 0)));
    let id = requests
        .create(64, &UNNAMED)
        .into_output()
        .expect("once")
        .expect("space");
    let gate = Gate::new();
    let held = requests.issue(gate.operation(Touch::Nothing));
    let second = requests.write(id, 0, b"2".to_vec());
    assert_eq!(requests.in_flight(), 2);
    let refused = requests.try_issue(Operation::write(id, 1, b"3".to_vec()));
    let operation = refused.expect_err("no room");

    let issued = Arc::new(AtomicBool::new(false));
    let waits = thread::spawn({
        let (requests, issued) = (Arc::clone(&requests), Arc::clone(&issued));
        move || {
            let third = requests.write(id, 2, b"4".to_vec());
            issued.store(true, Ordering::SeqCst);
            third.wait()
        }
    });
    thread::sleep(Duration::from_millis(30));
    assert!(!issued.load(Ordering::SeqCst), "it waits for room");
    gate.open();
    assert_eq!(waits.join().expect("no panic"), Ok(()));
    second.wait().expect("inside");
    held.wait().expect("opened");
    requests
        .try_issue(operation)
        .expect("room now")
        .wait()
        .expect("inside");
    let bytes = requests.regions().read_all(id).expect("there");
    assert_eq!(&bytes[..3], b"234");
}

#[test]
fn c10_a_storm_of_issuers_on_a_queue_of_one_ends() {
    let requests = on_ram(MIB, config(1, 1, 8));
    let id = requests
        .create(64, &UNNAMED)
        .into_output()
        .expect("once")
        .expect("space");
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for issuer in 0..8u64 {
            let (requests, barrier) = (&requests, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for turn in 0..300u64 {
                    let len = if turn % 3 == 0 { 8 } else { 9 };
                    let pending = requests.write(id, issuer, vec![turn as u8; len]);
                    if turn % 2 == 0 {
                        pending.wait().expect("inside");
                    }
                }
            });
        }
    });
    assert_eq!(requests.count().into_output(), Some(Ok(1)));
    assert_eq!(requests.in_flight(), 0);
}

/// The smallest executor: one task, one thread.
struct Bare {
    thread: Thread,
    wakes: AtomicUsize,
}

impl Wake for Bare {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn block_on<F: Future>(future: F) -> (F::Output, usize) {
    let bare = Arc::new(Bare {
        thread: thread::current(),
        wakes: AtomicUsize::new(0),
    });
    let waker = Waker::from(Arc::clone(&bare));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let mut polls = 0;
    loop {
        polls += 1;
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return (output, polls);
        }
        thread::park_timeout(Duration::from_secs(20));
        assert!(
            bare.wakes.load(Ordering::SeqCst) > 0,
            "nobody woke the task"
        );
    }
}

#[test]
fn c1_requests_are_futures_under_a_bare_executor() {
    let requests = requests();
    let (bytes, _) = block_on(async {
        let id = requests.create(5000, &named("a")).await.expect("space");
        let (written, buffer) = requests.write(id, 0, pattern(5000, 1)).await;
        written.expect("inside");
        let (read, buffer) = requests.read(id, 0, buffer).await;
        read.expect("inside");
        assert_eq!(
            requests.by_name("none").await,
            Err(RegionError::NotFound {
                name: "none".into()
            })
        );
        buffer
    });
    assert_eq!(bytes, pattern(5000, 1));

    let gate = Gate::new();
    let mut held = requests.issue(gate.operation(Touch::Nothing));
    let opener = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        gate.open();
    });
    let (output, polls) = block_on(&mut held);
    assert_eq!(output, Ok(()));
    assert!(polls <= 3, "woken once, not spinning: {polls} polls");
    assert_eq!(held.wait(), Ok(()), "a thread may still ask");
    assert_eq!(held.into_output(), None, "the answer was taken by the task");
    opener.join().expect("no panic");
}

#[test]
fn a_future_that_has_answered_stays_pending_and_the_newest_waker_is_woken() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let requests = requests();
    let gate = Gate::new();
    let mut held = requests.issue(gate.operation(Touch::Nothing));
    let counts: Vec<_> = (0..2)
        .map(|_| Arc::new(Count(AtomicUsize::new(0))))
        .collect();
    for count in &counts {
        let waker = Waker::from(Arc::clone(count));
        for _ in 0..5 {
            let polled = Pin::new(&mut held).poll(&mut Context::from_waker(&waker));
            assert_eq!(polled, Poll::Pending);
        }
    }
    gate.open();
    held.wait().expect("opened");
    while counts
        .iter()
        .any(|count| count.0.load(Ordering::SeqCst) == 0)
    {
        thread::yield_now();
    }
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(Pin::new(&mut held).poll(&mut context), Poll::Ready(Ok(())));
    assert_eq!(
        Pin::new(&mut held).poll(&mut context),
        Poll::Pending,
        "fused"
    );
    assert!(
        counts
            .iter()
            .all(|count| count.0.load(Ordering::SeqCst) == 1),
        "each once"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c1_c6_requests_are_futures_under_tokio() {
    let target = Target::open(TargetConfig::memory(4 * MIB)).expect("memory");
    let requests = Arc::new(target.requests().expect("threads"));
    let id = requests
        .create(40 * 1000, &RegionOptions::default())
        .await
        .expect("space");
    let tasks: Vec<_> = (0..40u64)
        .map(|task| {
            let requests = Arc::clone(&requests);
            tokio::spawn(async move {
                let (written, buffer) = requests
                    .write(id, task * 1000, pattern(1000, task as u8))
                    .await;
                written.expect("inside");
                let (read, bytes) = requests.read(id, task * 1000, vec![0; 1000]).await;
                read.expect("inside");
                assert_eq!(bytes, buffer);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    // Dropped while under way, and raced against a clock.
    let write = requests.write(id, 0, vec![9; 20_000]);
    let timed = tokio::time::timeout(Duration::from_nanos(1), write).await;
    drop(timed);
    let (read, bytes) = requests.read(id, 0, vec![0; 20_000]).await;
    read.expect("inside");
    assert!(bytes.iter().all(|byte| *byte == 9), "it ran to its end");
}

#[test]
fn requests_and_what_they_answer_move_between_threads() {
    fn moves<T: Send>() {}
    fn shared<T: Sync>() {}
    moves::<Requests<Ram>>();
    shared::<Requests<Ram>>();
    moves::<everline_region::Request<Result<(), RegionError<Infallible>>>>();
    shared::<everline_region::Request<Result<(), RegionError<Infallible>>>>();
    fn unpin<T: Unpin>() {}
    unpin::<everline_region::Request<Result<(), RegionError<Infallible>>>>();
    moves::<Target>();
    shared::<Target>();
}

/// Operations run one at a time where they touch everything, whatever number of workers there is.
#[test]
fn c6_what_touches_everything_runs_alone() {
    let requests = on_ram(MIB, config(8, 64, 0));
    let inside = Arc::new(AtomicU64::new(0));
    let pending: Vec<_> = (0..60)
        .map(|turn| {
            let inside = Arc::clone(&inside);
            let alone = turn % 5 == 0;
            let touch = if alone {
                Touch::Everything
            } else {
                Touch::Nothing
            };
            requests.issue(Operation::<Ram, On<bool>>::new(
                touch,
                move |_: &Regions<Ram>| {
                    let before = inside.fetch_add(if alone { 1000 } else { 1 }, Ordering::SeqCst);
                    thread::yield_now();
                    inside.fetch_sub(if alone { 1000 } else { 1 }, Ordering::SeqCst);
                    Ok(if alone { before == 0 } else { before < 1000 })
                },
            ))
        })
        .collect();
    for request in pending {
        assert_eq!(request.into_output(), Some(Ok(true)));
    }
}

/// An answer that panics when it is dropped.
#[derive(Default)]
struct Touchy(bool);

impl Drop for Touchy {
    fn drop(&mut self) {
        if std::mem::take(&mut self.0) {
            panic!("a panic on purpose")
        }
    }
}

#[test]
fn c4_an_answer_that_nobody_wants_and_that_panics_ends_no_worker() {
    let requests = on_ram(4 * MIB, config(1, 8, 0));
    let (dropped, told) = mpsc::channel();
    let request = requests.issue(Operation::new(Touch::Nothing, move |_| {
        told.recv().expect("told");
        (On::Ok(()), Touchy(true))
    }));
    drop(request);
    dropped.send(()).expect("it waits");
    let next = requests.create(100, &UNNAMED);
    assert!(
        next.timeout(Duration::from_secs(20)).is_ready(),
        "the worker is gone"
    );
}
