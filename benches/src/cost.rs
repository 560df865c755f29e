//! The cost table: what each public operation asks of the medium.
//!
//! Every row runs on a pool of its own, so no row sees another's checkpoint or slab, and the table is the same on
//! every machine. `benches/golden_cost.json` is the table as it was last agreed on.

use std::fmt::Write;

use everline::engine::{Engine, OpenOptions};
use everline::media::{Cost, Counted, Ram};
use everline::tx::UNDO_BYTES_IN_RECORD;
use everline::units::ByteLen;
use everline_region::RegionId;

use crate::bench::{Bench, Outcome, cost_pool};
use crate::kv;
use crate::regions::{self, RegionBench};

/// One operation and what it asks of the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// `layer/operation/size`.
    pub operation: &'static str,
    /// What was counted.
    pub cost: Cost,
}

type Pool<'m> = &'m Counted<Ram>;
type Step = fn(&mut Bench<Pool<'_>>) -> Outcome<Ram>;

/// Rows that are one step on an open pool.
const STEPS: [(&str, Step); 38] = [
    ("tx/empty", |bench| bench.empty()),
    ("tx/staged/1x8B", |bench| bench.staged::<1>(8)),
    ("tx/staged/1x64B", |bench| bench.staged::<1>(64)),
    ("tx/staged/8x64B", |bench| bench.staged::<8>(64)),
    ("tx/staged/128x64B", |bench| bench.staged::<128>(64)),
    ("tx/staged/1x4KiB", |bench| bench.staged::<1>(4096)),
    ("tx/undo/1x8B", |bench| bench.undo::<1>(8)),
    ("tx/undo/1x64B", |bench| bench.undo::<1>(64)),
    ("tx/undo/16x64B", |bench| bench.undo::<16>(64)),
    ("tx/undo/1x2KiB", |bench| {
        bench.undo::<1>(UNDO_BYTES_IN_RECORD)
    }),
    ("tx/undo/1x2049B", |bench| {
        bench.undo::<1>(UNDO_BYTES_IN_RECORD + 1)
    }),
    ("tx/undo/1x64KiB", |bench| bench.undo::<1>(64 << 10)),
    ("tx/abort/staged/1x64B", |bench| bench.abort_staged::<1>(64)),
    ("tx/abort/16x64B", |bench| bench.abort_staged::<16>(64)),
    ("tx/abort/undo/1x8B", |bench| bench.abort_undo::<1>(8)),
    ("tx/abort/undo/16x64B", |bench| bench.abort_undo::<16>(64)),
    ("tx/abort/undo/1x64KiB", |bench| {
        bench.abort_undo::<1>(64 << 10)
    }),
    ("tx/alloc64", |bench| bench.alloc(1, |_| {})),
    ("tx/alloc64+init+link", |bench| {
        bench.alloc_init_link().map(|_object| ())
    }),
    ("tx/8xalloc64", |bench| bench.alloc(8, |_| {})),
    ("tx/100xalloc64", |bench| bench.alloc(100, |_| {})),
    ("tx/alloc48 first of its class", |bench| {
        bench.alloc_bytes(48).map(|_object| ())
    }),
    ("tx/alloc 1MiB", |bench| {
        bench.alloc_bytes(1 << 20).map(|_object| ())
    }),
    ("tx/alloc+fresh/1x4KiB", |bench| bench.alloc_fresh_4kib()),
    ("group/8tx", |bench| bench.group(8)),
    ("reserve/cancel", |bench| bench.reserve(false, false)),
    ("reserve+fill/cancel", |bench| bench.reserve(true, false)),
    ("reserve/publish", |bench| bench.reserve(false, true)),
    ("reserve+fill/publish", |bench| bench.reserve(true, true)),
    ("direct/write_durable/8B", |bench| bench.write_durable(8)),
    ("direct/write_durable/64B", |bench| bench.write_durable(64)),
    ("direct/write_durable/4KiB", |bench| {
        bench.write_durable(4096)
    }),
    ("persist/8B", |bench| bench.persist(8)),
    ("persist/64B", |bench| bench.persist(64)),
    ("persist/4KiB", |bench| bench.persist(4096)),
    ("persist/publish", |bench| bench.publish()),
    ("log/checkpoint after 1 tx", |bench| {
        bench.engine.checkpoint().map(|_report| ())
    }),
    ("log/checkpoint of nothing", |bench| {
        bench.engine.checkpoint().map(|_report| ())
    }),
];

type RegionStep = fn(&mut RegionBench<Pool<'_>>) -> regions::Outcome<Ram>;

/// Rows that are one step on open regions: what is prepared, not counted, and what is counted.
const REGION_STEPS: [(&str, RegionStep, RegionStep); 22] = [
    ("region/write/64B", nothing, |b| b.write(64)),
    ("region/write 4KiB durable", nothing, |b| b.write(4096)),
    ("region/write/1MiB", nothing, |b| b.write(1 << 20)),
    (
        "region/write/4KiB behind an atomic one",
        |b| b.write_atomic(64),
        |b| b.write_behind_atomic(4096),
    ),
    ("region/write_atomic/64B", nothing, |b| b.write_atomic(64)),
    ("region/write_atomic/4KiB", nothing, |b| {
        b.write_atomic(4096)
    }),
    ("region/write_volatile+persist/4KiB", nothing, |b| {
        b.volatile(4096)?;
        b.persist(4096)
    }),
    ("region/persist/4KiB", nothing, |b| b.persist(4096)),
    ("region/read/64B", nothing, |b| b.read(64)),
    ("region/read/4KiB", nothing, |b| b.read(4096)),
    ("region/create/4KiB", nothing, |b| {
        b.create(4096).map(drop_id)
    }),
    ("region/create/1MiB", nothing, |b| {
        b.create(1 << 20).map(drop_id)
    }),
    (
        "region/write/4KiB, the first",
        |b| b.keep_new(4096),
        |b| b.write_kept(4096),
    ),
    ("region/create_with/4KiB", nothing, |b| {
        b.create_with(4096).map(drop_id)
    }),
    ("region/put/100B", nothing, |b| b.put(100)),
    (
        "region/put/100B in place of another",
        |b| b.put(50),
        |b| b.put(100),
    ),
    ("region/rename", |b| b.put(100), |b| b.rename()),
    (
        "region/set_attributes/16B",
        |b| b.put(100),
        |b| b.set_attributes(16),
    ),
    (
        "region/resize, shorter",
        |b| b.keep_new(4096),
        |b| b.resize_kept(1000),
    ),
    (
        "region/resize, longer",
        |b| b.keep_new(4096),
        |b| b.resize_kept(100_000),
    ),
    ("region/copy/4KiB", |b| b.keep_new(4096), |b| b.copy_kept()),
    ("region/destroy", |b| b.keep_new(4096), |b| b.destroy_kept()),
];

fn nothing(_: &mut RegionBench<Pool<'_>>) -> regions::Outcome<Ram> {
    Ok(())
}

fn drop_id(_: RegionId) {}

/// Measures every row, in the order in which the table is printed.
pub fn table() -> Vec<Row> {
    let mut rows = of_pools();
    rows.extend(
        STEPS
            .iter()
            .map(|&(operation, step)| of_step(operation, step)),
    );
    rows.extend([of_free("tx/free64", 64), of_free("tx/free 1MiB", 1 << 20)]);
    rows.extend(
        REGION_STEPS
            .iter()
            .map(|&(operation, prepare, step)| of_region(operation, prepare, step)),
    );
    rows.extend(kv::cost::rows());
    rows
}

/// The row of one operation.
pub fn of(operation: &str) -> Option<Row> {
    let step = STEPS.iter().find(|(name, _)| *name == operation);
    match step {
        Some(&(operation, step)) => Some(of_step(operation, step)),
        None if operation.starts_with("kv/") => kv::cost::row(operation),
        None => table().into_iter().find(|row| row.operation == operation),
    }
}

fn medium() -> Counted<Ram> {
    let len = cost_pool().len.expect("said there");
    Counted::new(Ram::new(ByteLen::new(len)))
}

fn bench_on(medium: Pool<'_>) -> Bench<Pool<'_>> {
    let engine = Engine::create(medium, &cost_pool()).expect("a fresh pool");
    Bench::new(engine).expect("room for the area")
}

fn of_step(operation: &'static str, step: Step) -> Row {
    let medium = medium();
    let mut bench = bench_on(&medium);
    if operation.ends_with("of nothing") {
        bench.engine.checkpoint().expect("nothing fails in memory");
    }
    let (outcome, cost) = medium.cost_of(|| step(&mut bench));
    outcome.expect("nothing fails in memory");
    Row { operation, cost }
}

fn of_region(operation: &'static str, prepare: RegionStep, step: RegionStep) -> Row {
    let medium = medium();
    let engine = Engine::create(&medium, &cost_pool()).expect("a fresh pool");
    let mut bench = RegionBench::new(engine, 2 << 20).expect("room for the region");
    prepare(&mut bench).expect("nothing fails in memory");
    let (outcome, cost) = medium.cost_of(|| step(&mut bench));
    outcome.expect("nothing fails in memory");
    Row { operation, cost }
}

fn of_free(operation: &'static str, bytes: u64) -> Row {
    let medium = medium();
    let mut bench = bench_on(&medium);
    let object = bench.alloc_bytes(bytes).expect("room");
    let (outcome, cost) = medium.cost_of(|| bench.free(&[object]));
    outcome.expect("live until here");
    Row { operation, cost }
}

fn of_pools() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |operation, cost| rows.push(Row { operation, cost });
    let medium = medium();

    let (engine, cost) = medium.cost_of(|| Engine::create(&medium, &cost_pool()));
    row("pool/create", cost);
    let (closed, cost) = medium.cost_of(|| engine.expect("a fresh pool").close());
    closed.expect("nothing fails in memory");
    row("pool/close unused", cost);

    let open = || {
        let (engine, _report) = Engine::open(&medium, &OpenOptions::default()).expect("a pool");
        engine
    };
    let (engine, cost) = medium.cost_of(open);
    row("pool/open clean", cost);
    let bench = Bench::new(engine).expect("room for the area");
    bench.engine.abandon();
    let (engine, cost) = medium.cost_of(open);
    row("pool/open after a crash, 1 tx", cost);

    let bench = Bench::new(engine).expect("room for the area");
    let (closed, cost) = medium.cost_of(|| bench.engine.close());
    closed.expect("nothing fails in memory");
    row("pool/close after 1 tx", cost);
    rows
}

/// The table as `benches/golden_cost.json` holds it: an array, one row a line, so that a change reads as one.
pub fn to_json(rows: &[Row]) -> String {
    let mut text = String::from("[\n");
    for (index, Row { operation, cost }) in rows.iter().enumerate() {
        let comma = if index + 1 < rows.len() { "," } else { "" };
        let Cost {
            waits,
            fences,
            lines,
            nt_lines,
            bytes,
        } = cost;
        let name = serde_json::Value::from(*operation);
        writeln!(
            text,
            r#"  {{"operation":{name},"waits":{waits},"fences":{fences},"lines":{lines},"nt_lines":{nt_lines},"bytes":{bytes}}}{comma}"#
        )
        .expect("a string takes everything");
    }
    text + "]\n"
}

/// The table for people.
pub fn to_text(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<40}{:>7}{:>8}{:>8}{:>10}{:>12}\n",
        "operation", "waits", "fences", "lines", "NT lines", "bytes"
    );
    for Row { operation, cost } in rows {
        writeln!(
            text,
            "{operation:<40}{:>7}{:>8}{:>8}{:>10}{:>12}",
            cost.waits, cost.fences, cost.lines, cost.nt_lines, cost.bytes
        )
        .expect("a string takes everything");
    }
    text
}
