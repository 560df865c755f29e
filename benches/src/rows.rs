//! The rows of the comparison with peers: which operation of ours stands beside which of theirs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use everline::engine::{
    CreateOptions, FileConfig, FileEngine, Identity, OpenOptions, create_file, destroy_file,
    open_file,
};
use everline::media::Media;
use everline::media::file::{FileMedia, FileOptions};
use everline::units::ByteOffset;

use crate::bench::{Bench, Outcome};
use crate::cost;
use crate::floor::Floor;
use crate::pmdk::{Operation, Pmdk};
use crate::regions::{self, REGION_BYTES, RegionBench};
use crate::windows::{Plan, Side, alternate, median_ratio};

/// Bytes of the pool of each side.
const POOL_BYTES: u64 = 512 << 20;
/// Objects that a window may leave to be freed behind it.
const OBJECTS_MAX: u64 = 200_000;

/// Windows of rows whose one run takes longer than a window should.
const WINDOWS_OF_SLOW_ROWS: usize = 7;

/// Our side of a row.
#[derive(Clone, Copy)]
enum Ours {
    Step(fn(&mut Bench<FileMedia>) -> Outcome<FileMedia>),
    Alloc(u32),
    AllocInitLink,
    Region(fn(&mut RegionBench<FileMedia>) -> regions::Outcome<FileMedia>),
    Create(u64),
}

/// A row: our operation, the row of the cost table that says what it asks of the medium, the peer's operation.
struct Row {
    name: &'static str,
    ours: Ours,
    peer: Operation,
}

const fn row(name: &'static str, ours: Ours, peer: Operation) -> Row {
    Row { name, ours, peer }
}

const fn ranges(count: u64, len: u64) -> Operation {
    Operation::Ranges { count, len }
}

const fn alloc(count: u64, link: bool) -> Operation {
    Operation::Alloc { count, link }
}

const ROWS: [Row; 21] = {
    use Operation::{Memcpy, MemcpyPersist};
    use Ours::{Alloc, AllocInitLink, Create, Region, Step};
    let gib = 1 << 30;
    [
        row(
            "persist/8B",
            Step(|b| b.persist(8)),
            Operation::Persist { len: 8 },
        ),
        row(
            "persist/64B",
            Step(|b| b.persist(64)),
            Operation::Persist { len: 64 },
        ),
        row("tx/empty", Step(|b| b.empty()), Operation::Empty),
        row("tx/undo/1x8B", Step(|b| b.undo::<1>(8)), ranges(1, 8)),
        row("tx/undo/1x64B", Step(|b| b.undo::<1>(64)), ranges(1, 64)),
        row("tx/undo/16x64B", Step(|b| b.undo::<16>(64)), ranges(16, 64)),
        row("tx/staged/1x8B", Step(|b| b.staged::<1>(8)), ranges(1, 8)),
        row(
            "tx/staged/1x64B",
            Step(|b| b.staged::<1>(64)),
            ranges(1, 64),
        ),
        row(
            "tx/staged/8x64B",
            Step(|b| b.staged::<8>(64)),
            ranges(8, 64),
        ),
        row(
            "tx/staged/1x4KiB",
            Step(|b| b.staged::<1>(4096)),
            ranges(1, 4096),
        ),
        row("tx/alloc64+init+link", AllocInitLink, alloc(1, true)),
        row("tx/8xalloc64", Alloc(8), alloc(8, false)),
        row("tx/100xalloc64", Alloc(100), alloc(100, false)),
        row(
            "tx/abort/16x64B",
            Step(|b| b.abort_staged::<16>(64)),
            Operation::Abort { count: 16, len: 64 },
        ),
        row(
            "tx/abort/undo/16x64B",
            Step(|b| b.abort_undo::<16>(64)),
            Operation::Abort { count: 16, len: 64 },
        ),
        row(
            "region/write/64B",
            Region(|b| b.write(64)),
            MemcpyPersist { len: 64 },
        ),
        row(
            "region/write 4KiB durable",
            Region(|b| b.write(4096)),
            MemcpyPersist { len: 4096 },
        ),
        row(
            "region/write/1MiB",
            Region(|b| b.write(1 << 20)),
            MemcpyPersist { len: 1 << 20 },
        ),
        row(
            "region/read/64B",
            Region(|b| b.read(64)),
            Memcpy { len: 64 },
        ),
        row(
            "region/read/4KiB",
            Region(|b| b.read(4096)),
            Memcpy { len: 4096 },
        ),
        row(
            "pool/create 1GiB",
            Create(gib),
            Operation::Create { bytes: gib },
        ),
    ]
};

/// What was found for a row.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The row.
    pub row: &'static str,
    /// Our median time, nanoseconds.
    pub ours_ns: f64,
    /// The peer, if it is installed.
    pub peer: Option<&'static str>,
    /// The peer's median time, nanoseconds.
    pub peer_ns: Option<f64>,
    /// Median of (peer / ours) over neighbouring windows.
    pub ratio: Option<f64>,
    /// Waits of one run of ours.
    pub ours_waits: u64,
    /// Lines of one run of ours, flushed and non-temporal.
    pub ours_lines: u64,
    /// Median time of the same waits and lines as raw instructions; `None` where there is no wait.
    pub floor_ns: Option<f64>,
}

/// Where figures are taken.
#[derive(Debug)]
pub struct Arena {
    directory: PathBuf,
    bench: Bench<FileMedia>,
    regions: RegionBench<FileMedia>,
    peer: Option<Pmdk>,
    floor: Floor,
    objects: Vec<ByteOffset>,
}

fn file_options() -> FileOptions {
    FileOptions {
        assume_persistent: true,
        prefault: true,
        ..FileOptions::default()
    }
}

fn create_options(bytes: u64) -> CreateOptions {
    CreateOptions {
        len: Some(bytes),
        identity: Identity::random().expect("random numbers"),
        ..CreateOptions::default()
    }
}

/// A new pool whose space is reserved and whose pages are all in memory.
fn prefaulted(path: &Path, bytes: u64) -> FileEngine {
    let config = FileConfig {
        file: file_options(),
        reserve: true,
        overwrite: false,
    };
    let (made, _) = create_file(path, &create_options(bytes), &config).expect("room for a pool");
    drop(made);
    let (engine, _) = open_file(path, &OpenOptions::default(), &file_options()).expect("just made");
    engine
}

/// Every row, in the order in which they are measured.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name)
}

impl Arena {
    /// Pools of both sides in `directory`, every page of them touched.
    pub fn new(directory: &Path) -> Self {
        let engine = prefaulted(&directory.join("ours.pmem"), POOL_BYTES);
        let regions = prefaulted(&directory.join("regions.pmem"), 2 * REGION_BYTES);
        Arena {
            directory: directory.to_path_buf(),
            bench: Bench::new(engine).expect("room for the area"),
            regions: RegionBench::new(regions, REGION_BYTES).expect("room for the region"),
            peer: Pmdk::open(directory, POOL_BYTES, OBJECTS_MAX),
            floor: Floor::default(),
            objects: Vec::with_capacity(OBJECTS_MAX as usize),
        }
    }

    /// What our side runs on.
    pub fn medium(&self) -> String {
        let durability = self.bench.engine.pool().media().durability();
        format!(
            "DRAM-emulated: {}, {}, {}, flush {}",
            self.directory.display(),
            durability.domain,
            durability.reason,
            self.floor.kind().name(),
        )
    }

    /// Whether there is a peer.
    pub fn has_peer(&self) -> bool {
        self.peer.is_some()
    }

    /// Measures every row whose name begins with `prefix`; `each` learns it at once.
    pub fn measure(&mut self, plan: Plan, prefix: &str, mut each: impl FnMut(Figure)) {
        for row in ROWS.iter().filter(|row| row.name.starts_with(prefix)) {
            each(self.figure(row, plan));
        }
    }

    fn figure(&mut self, row: &Row, plan: Plan) -> Figure {
        let cost = match row.ours {
            Ours::Create(_) => cost::of("pool/create"),
            _ => cost::of(row.name),
        };
        let cost = cost.expect("every row of ours is in the cost table").cost;
        let (directory, bench, objects) = (&self.directory, &mut self.bench, &mut self.objects);
        let regions = &mut self.regions;
        let ours: Side<'_> = match row.ours {
            Ours::Step(step) => Side::new(u64::MAX, move |times| time_steps(bench, step, times)),
            Ours::Alloc(count) => Side::new(OBJECTS_MAX / u64::from(count), move |times| {
                time_allocs(bench, objects, |bench, objects| {
                    for _ in 0..times {
                        bench
                            .alloc(count, |at| objects.push(at))
                            .expect("room for objects");
                    }
                })
            }),
            Ours::AllocInitLink => Side::new(OBJECTS_MAX, move |times| {
                time_allocs(bench, objects, |bench, objects| {
                    for _ in 0..times {
                        objects.push(bench.alloc_init_link().expect("room for objects"));
                    }
                })
            }),
            Ours::Region(step) => Side::new(u64::MAX, move |times| {
                let begun = Instant::now();
                for _ in 0..times {
                    step(regions).expect("nothing is full or poisoned");
                }
                begun.elapsed()
            }),
            Ours::Create(bytes) => Side::new(1, move |_| time_create(directory, bytes)),
        };
        let peer = self
            .peer
            .as_mut()
            .map(|peer| Side::new(peer.times_max(row.peer), |times| peer.time(row.peer, times)));
        let floor = &mut self.floor;
        let has_floor = cost.waits > 0 && !matches!(row.ours, Ours::Create(_));
        let floor = has_floor.then(|| Side::new(u64::MAX, move |times| floor.time(cost, times)));
        let mut sides = [Some(ours), peer, floor];
        let windows = match row.ours {
            Ours::Create(_) => WINDOWS_OF_SLOW_ROWS,
            _ => plan.windows,
        };
        alternate(Plan { windows, ..plan }, &mut sides);
        let [Some(ours), peer, floor] = &sides else {
            unreachable!("our side is always there")
        };
        Figure {
            row: row.name,
            ours_ns: ours.median_ns(),
            peer: peer.as_ref().map(|_| row.peer.name()),
            peer_ns: peer.as_ref().map(Side::median_ns),
            ratio: peer.as_ref().map(|peer| median_ratio(peer, ours)),
            ours_waits: cost.waits,
            ours_lines: cost.lines + cost.nt_lines,
            floor_ns: floor.as_ref().map(Side::median_ns),
        }
    }
}

fn time_steps(
    bench: &mut Bench<FileMedia>,
    step: fn(&mut Bench<FileMedia>) -> Outcome<FileMedia>,
    times: u64,
) -> Duration {
    let begun = Instant::now();
    for _ in 0..times {
        step(bench).expect("nothing is full or poisoned");
    }
    begun.elapsed()
}

/// Times `work`; what it allocated is freed afterwards.
fn time_allocs(
    bench: &mut Bench<FileMedia>,
    objects: &mut Vec<ByteOffset>,
    work: impl FnOnce(&mut Bench<FileMedia>, &mut Vec<ByteOffset>),
) -> Duration {
    let begun = Instant::now();
    work(bench, objects);
    let elapsed = begun.elapsed();
    for part in objects.chunks(100) {
        bench.free(part).expect("live until here");
    }
    objects.clear();
    elapsed
}

fn time_create(directory: &Path, bytes: u64) -> Duration {
    let path = directory.join("ours-create.pmem");
    let config = FileConfig {
        file: FileOptions {
            assume_persistent: true,
            ..FileOptions::default()
        },
        ..FileConfig::default()
    };
    let options = create_options(bytes);
    let begun = Instant::now();
    let (engine, _) = create_file(&path, &options, &config).expect("room for a sparse pool");
    drop(engine);
    destroy_file(&path, &config.file).expect("just made");
    begun.elapsed()
}
