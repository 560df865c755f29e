//! Our store beside its peers: what a commit, a read and a scan take, under the promise that the row names.
//!
//! Every store of a row holds the same keys, gets the same operations in the same order, and has its windows in turn
//! with the others. Rows in memory lie in /dev/shm, where a sync of the peers would do nothing: they leave their data in
//! the page cache, and say so. Rows on a disk file sync at every commit, on every side.

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::ycsb::{Load, Operation, Shape};
use super::{Key, KeyValue, OURS, Promise, VALUE_BYTES, key, load, peers};
use crate::cores;
use crate::cost;
use crate::floor::Floor;
use crate::rows::Figure;
use crate::windows::{Plan, Side, alternate, median_ratio};

/// Entries of a store, and of one in a quick run.
const KEYS: u64 = 1_000_000;
const KEYS_QUICK: u64 = 100_000;
/// Entries of stores on the disk, where loading takes long.
const KEYS_ON_DISK: u64 = 10_000;
/// Keys of one commit in the rows that say so.
const AT_ONCE: usize = 100;
/// Entries of a scan.
const SCANNED: usize = 100;
/// Windows of rows whose one run takes longer than a window should.
const WINDOWS_OF_SLOW_ROWS: usize = 7;
/// A window on the disk is that much longer than one in memory.
const DISK_WINDOW: u32 = 40;

const VALUE: [u8; VALUE_BYTES] = [0xa5; VALUE_BYTES];

/// What a window does so many times.
#[derive(Clone, Copy)]
enum Work {
    Put,
    PutNew,
    PutAll,
    Get,
    Scan,
    Shape(Shape),
}

/// Where, and by how many threads.
#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    work: Work,
    /// What one run does so many of, and the figures are for one of.
    each: usize,
    promise: Promise,
    threads: u64,
    /// The row of the cost table with what one run of ours asks of the medium.
    cost: Option<&'static str>,
}

const fn in_memory(name: &'static str, work: Work, cost: Option<&'static str>) -> Row {
    Row {
        name,
        work,
        each: each(work),
        promise: Promise::Memory,
        threads: 1,
        cost,
    }
}

const fn on_disk(name: &'static str, work: Work, threads: u64) -> Row {
    Row {
        name,
        work,
        each: each(work),
        promise: Promise::Synced,
        threads,
        cost: None,
    }
}

const fn each(work: Work) -> usize {
    match work {
        Work::PutAll => AT_ONCE,
        Work::Scan => SCANNED,
        _ => 1,
    }
}

const ROWS: [Row; 14] = [
    in_memory("kv/put sync", Work::Put, Some("kv/put/100B over another")),
    in_memory("kv/put new sync", Work::PutNew, Some("kv/put/100B")),
    in_memory("kv/put 100 per commit", Work::PutAll, None),
    in_memory("kv/get random hit", Work::Get, Some("kv/get/100B")),
    in_memory("kv/scan 100", Work::Scan, None),
    in_memory("kv/ycsb a", Work::Shape(Shape::A), None),
    in_memory("kv/ycsb b", Work::Shape(Shape::B), None),
    in_memory("kv/ycsb c", Work::Shape(Shape::C), None),
    in_memory("kv/ycsb d", Work::Shape(Shape::D), None),
    in_memory("kv/ycsb e", Work::Shape(Shape::E), None),
    in_memory("kv/ycsb f", Work::Shape(Shape::F), None),
    on_disk("kv/put sync on a disk file", Work::Put, 1),
    on_disk("kv/put sync on a disk file, 8 threads", Work::Put, 8),
    on_disk("kv/put 100 per commit on a disk file", Work::PutAll, 1),
];

const REOPEN: &str = "kv/reopen 1 M keys";
const TWO_READERS: &str = "kv/get two readers";

/// Every row, in the order in which they are measured.
pub fn names() -> impl Iterator<Item = &'static str> {
    let rows = ROWS.iter().map(|row| row.name);
    rows.chain([TWO_READERS, REOPEN])
}

/// Measures every row whose name begins with `prefix`; `each` learns it at once.
///
/// `memory` lies in /dev/shm, `disk` on a disk file system; both are empty.
pub fn measure(
    plan: Plan,
    quick: bool,
    prefix: &str,
    [memory, disk]: [&Path; 2],
    mut each: impl FnMut(Figure),
) {
    if names().all(|name| !name.starts_with(prefix)) {
        return;
    }
    let keys = if quick { KEYS_QUICK } else { KEYS };
    if quick {
        eprintln!("kv/*: {keys} keys instead of {KEYS}");
    }
    if peers().is_empty() {
        eprintln!("NOT MEASURED: LMDB, fjall, redb and SQLite are not built: --features stores");
    }
    for (promise, directory, keys) in [
        (Promise::Memory, memory, keys),
        (Promise::Synced, disk, KEYS_ON_DISK),
    ] {
        let rows = ROWS
            .iter()
            .filter(|row| row.promise == promise && row.name.starts_with(prefix));
        let mut rows = rows.peekable();
        let memory_rows = [TWO_READERS, REOPEN];
        let more =
            promise == Promise::Memory && memory_rows.iter().any(|name| name.starts_with(prefix));
        if rows.peek().is_none() && !more {
            continue;
        }
        let mut arena = Arena::new(directory, promise, keys);
        for row in rows {
            arena.row(row, plan, &mut each);
        }
        if more && TWO_READERS.starts_with(prefix) {
            each(arena.two_readers(plan));
        }
        if more && REOPEN.starts_with(prefix) {
            arena.reopen(&mut each);
        }
    }
}

/// Stores under one promise with the same keys.
struct Arena {
    directory: PathBuf,
    promise: Promise,
    keys: u64,
    ours: Box<dyn KeyValue>,
    peers: Vec<Box<dyn KeyValue>>,
    floor: Floor,
}

impl Arena {
    fn new(directory: &Path, promise: Promise, keys: u64) -> Self {
        let made = |store: super::Store| {
            let folder = directory.join(store.folder);
            std::fs::create_dir_all(&folder).expect("a directory");
            (store.open)(&folder, promise)
        };
        let ours = made(OURS);
        let peers: Vec<_> = peers().into_iter().map(made).collect();
        for store in peers.iter().chain([&ours]) {
            load(store.as_ref(), keys);
        }
        Arena {
            directory: directory.to_path_buf(),
            promise,
            keys,
            ours,
            peers,
            floor: Floor::default(),
        }
    }

    fn row(&mut self, row: &Row, plan: Plan, each: &mut impl FnMut(Figure)) {
        let cost = row
            .cost
            .map(|name| cost::of(name).expect("a row of the cost table").cost);
        let stores = std::iter::once(&self.ours).chain(&self.peers);
        let mut sides: Vec<Option<Side<'_>>> = stores
            .map(|store| Some(side(store.as_ref(), row, self.keys)))
            .collect();
        let plan = self.plan(plan);
        let floor = &mut self.floor;
        let has_floor = cost.filter(|cost| cost.waits > 0);
        sides.push(has_floor.map(|cost| Side::new(u64::MAX, move |times| floor.time(cost, times))));
        if row.threads > 1 {
            cores::unpin();
        }
        alternate(plan, &mut sides);
        if row.threads > 1 {
            cores::pin();
        }
        let floor = sides.pop().flatten();
        let figure = Figure {
            row: row.name,
            ours_ns: 0.0,
            peer: None,
            peer_ns: None,
            ratio: None,
            ours_waits: cost.map_or(0, |cost| cost.waits),
            ours_lines: cost.map_or(0, |cost| cost.lines + cost.nt_lines),
            floor_ns: floor.as_ref().map(Side::median_ns),
        };
        tell(&figure, row.each, &sides, &self.peers, each);
    }

    fn plan(&self, plan: Plan) -> Plan {
        match self.promise {
            Promise::Memory => plan,
            Promise::Synced => Plan {
                windows: (plan.windows / 10).max(WINDOWS_OF_SLOW_ROWS),
                window: plan.window * DISK_WINDOW,
            },
        }
    }

    /// Two readers beside one: what a read takes of the clock when one does all of them, and when two share them.
    fn two_readers(&mut self, plan: Plan) -> Figure {
        let readers = |threads| {
            let store = self.ours.as_ref();
            let row = Row {
                threads,
                ..in_memory(TWO_READERS, Work::Get, None)
            };
            Some(side(store, &row, self.keys))
        };
        let mut sides = [readers(2), readers(1)];
        cores::unpin();
        // Threads are started for each window, so that windows are long.
        let window = plan.window * DISK_WINDOW;
        alternate(
            Plan {
                windows: (plan.windows / 10).max(WINDOWS_OF_SLOW_ROWS),
                window,
            },
            &mut sides,
        );
        cores::pin();
        let [Some(two), Some(one)] = &sides else {
            unreachable!("both are always there")
        };
        Figure {
            row: TWO_READERS,
            ours_ns: two.median_ns(),
            peer: Some("one reader"),
            peer_ns: Some(one.median_ns()),
            ratio: Some(median_ratio(one, two)),
            ours_waits: 0,
            ours_lines: 0,
            floor_ns: None,
        }
    }

    /// Opens a copy of the files as they are while the stores are open, as a killed process leaves them, up to the
    /// first answer.
    fn reopen(self, each: &mut impl FnMut(Figure)) {
        let Arena {
            directory,
            promise,
            keys,
            ..
        } = &self;
        let crashed = directory.join("crashed");
        let wanted = key(keys / 2);
        let reopened = &|store: super::Store| {
            copy_folder(&directory.join(store.folder), &crashed.join(store.folder));
            let begun = Instant::now();
            let store = (store.open)(&crashed.join(store.folder), *promise);
            assert!(
                store.get(&wanted, &mut Vec::new()),
                "{} lost a key",
                store.name()
            );
            let elapsed = begun.elapsed();
            drop(store);
            std::fs::remove_dir_all(&crashed).expect("ours");
            elapsed
        };
        let mut sides: Vec<Option<Side<'_>>> = std::iter::once(OURS)
            .chain(peers())
            .map(|store| Some(Side::new(1, move |_| reopened(store))))
            .collect();
        let plan = Plan {
            windows: WINDOWS_OF_SLOW_ROWS,
            window: Duration::ZERO,
        };
        alternate(plan, &mut sides);
        let figure = Figure {
            row: REOPEN,
            ours_ns: 0.0,
            peer: None,
            peer_ns: None,
            ratio: None,
            ours_waits: 0,
            ours_lines: 0,
            floor_ns: None,
        };
        tell(&figure, 1, &sides, &self.peers, each);
    }
}

/// One figure for each peer, or one without; times are for one of `each`.
fn tell(
    figure: &Figure,
    each: usize,
    sides: &[Option<Side<'_>>],
    stores: &[Box<dyn KeyValue>],
    tell: &mut impl FnMut(Figure),
) {
    let [Some(ours), peers @ ..] = sides else {
        unreachable!("our side is always there")
    };
    let figure = Figure {
        ours_ns: ours.median_ns() / each as f64,
        ..figure.clone()
    };
    if peers.is_empty() {
        tell(figure.clone());
    }
    for (store, peer) in stores.iter().zip(peers.iter().flatten()) {
        tell(Figure {
            peer: Some(store.name()),
            peer_ns: Some(peer.median_ns() / each as f64),
            ratio: Some(median_ratio(peer, ours)),
            ..figure.clone()
        });
    }
}

/// A store's side of a row; every side draws the same keys.
fn side<'s>(store: &'s dyn KeyValue, row: &Row, keys: u64) -> Side<'s> {
    let Row { work, threads, .. } = *row;
    let space = ROWS.iter().position(|other| other.name == row.name);
    let space = space.map_or(0, |index| index as u64 + 1);
    let mut loads: Vec<Load> = (0..threads)
        .map(|thread| Load::new(keys, space, thread))
        .collect();
    Side::new(u64::MAX, move |times| {
        if let [load] = &mut loads[..] {
            let begun = Instant::now();
            work_through(store, work, load, times);
            return begun.elapsed();
        }
        shared(store, work, &mut loads, times)
    })
}

/// The time from the moment at which all threads are there to the end of the last.
fn shared(store: &dyn KeyValue, work: Work, loads: &mut [Load], times: u64) -> Duration {
    let barrier = Barrier::new(loads.len() + 1);
    let each = times.div_ceil(loads.len() as u64);
    let mut begun = Instant::now();
    std::thread::scope(|scope| {
        for load in loads {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                work_through(store, work, load, each);
            });
        }
        barrier.wait();
        begun = Instant::now();
    });
    begun.elapsed()
}

fn work_through(store: &dyn KeyValue, work: Work, load: &mut Load, times: u64) {
    let mut value = Vec::with_capacity(VALUE_BYTES);
    match work {
        Work::Put => (0..times).for_each(|_| store.put(&load.any(), &VALUE)),
        Work::PutNew => (0..times).for_each(|_| store.put(&load.new_key(), &VALUE)),
        Work::PutAll => {
            for _ in 0..times {
                let keys: [Key; AT_ONCE] = std::array::from_fn(|_| load.any());
                store.put_all(&keys, &VALUE);
            }
        }
        Work::Get => {
            for _ in 0..times {
                assert!(store.get(&load.any(), &mut value), "a key was lost");
            }
        }
        Work::Scan => {
            for _ in 0..times {
                std::hint::black_box(store.scan(&load.any(), SCANNED));
            }
        }
        Work::Shape(shape) => {
            for _ in 0..times {
                step(store, load.next(shape), &mut value);
            }
        }
    }
}

fn step(store: &dyn KeyValue, operation: Operation, value: &mut Vec<u8>) {
    match operation {
        Operation::Read(key) => assert!(store.get(&key, value), "a key was lost"),
        Operation::Update(key) | Operation::Insert(key) => store.put(&key, &VALUE),
        Operation::Scan(key, count) => drop(std::hint::black_box(store.scan(&key, count))),
        Operation::ReadUpdate(key) => {
            assert!(store.get(&key, value), "a key was lost");
            store.put(&key, &VALUE);
        }
    }
}

/// Copies files and folders of `from` to `to`.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("room");
    for entry in std::fs::read_dir(from).expect("ours") {
        let path = entry.expect("ours").path();
        let copy = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy_folder(&path, &copy);
        } else {
            std::fs::copy(&path, &copy).expect("room");
        }
    }
}
