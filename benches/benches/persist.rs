//! `persist/*`: store, flush and fence through the typed layer, and past the cache.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use everline::media::{Media, Ram};
use everline::persist::{View, fence};
use everline::units::{ByteLen, ByteOffset};

const SIZES: [(usize, &str); 4] = [(8, "8B"), (64, "64B"), (256, "256B"), (4096, "4KiB")];

fn persist(c: &mut Criterion) {
    let ram = Ram::assume_persistent(ByteLen::new(1 << 20));
    println!("medium: DRAM, {}", ram.durability());
    let view = View::new(&ram);
    let mut group = c.benchmark_group("persist");
    for (size, name) in SIZES {
        let bytes = vec![7; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("flush", name), |b| {
            let mut at = 0;
            b.iter(|| {
                at = (at + 4096) % (1 << 19);
                fence(
                    view.write(ByteOffset::new(at), &bytes)
                        .expect("inside")
                        .flush(),
                )
            });
        });
        group.bench_function(BenchmarkId::new("nt", name), |b| {
            let mut at = 0;
            b.iter(|| {
                at = (at + 4096) % (1 << 19);
                fence(view.write_nt(ByteOffset::new(at), &bytes).expect("inside"))
            });
        });
    }
    group.finish();
}

criterion_group!(suites, persist);
criterion_main!(suites);
