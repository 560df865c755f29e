use everline::engine::*;
use everline::media::file::*;
use everline_bench::bench::Bench;
use std::time::Instant;
fn main() {
    let what = std::env::args().nth(1).unwrap();
    let n: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let p = std::path::Path::new("/dev/shm/hot.pmem");
    let _ = std::fs::remove_file(p);
    let f = FileOptions {
        assume_persistent: true,
        prefault: true,
        ..Default::default()
    };
    let (e, _) = create_file(
        p,
        &CreateOptions {
            len: Some(1 << 30),
            ring_bytes: std::env::var("RING").ok().map(|r| r.parse().unwrap()),
            ..Default::default()
        },
        &FileConfig {
            file: f,
            reserve: true,
            overwrite: false,
        },
    )
    .unwrap();
    let mut b = Bench::new(e).unwrap();
    let mut v = vec![];
    for w in what.split(',') {
        let mut ns = vec![];
        for _ in 0..n {
            let t = Instant::now();
            let m = 1000u64;
            match w {
                "empty" => {
                    for _ in 0..m {
                        b.empty().unwrap()
                    }
                }
                "s8" => {
                    for _ in 0..m {
                        b.staged::<1>(8).unwrap()
                    }
                }
                "s64" => {
                    for _ in 0..m {
                        b.staged::<1>(64).unwrap()
                    }
                }
                "s864" => {
                    for _ in 0..m {
                        b.staged::<8>(64).unwrap()
                    }
                }
                "s4k" => {
                    for _ in 0..m {
                        b.staged::<1>(4096).unwrap()
                    }
                }
                "u8" => {
                    for _ in 0..m {
                        b.undo::<1>(8).unwrap()
                    }
                }
                "u16" => {
                    for _ in 0..m {
                        b.undo::<16>(64).unwrap()
                    }
                }
                "link" => {
                    for _ in 0..m {
                        v.push(b.alloc_init_link().unwrap());
                    }
                }
                "a100" => {
                    for _ in 0..m {
                        b.alloc(100, |o| v.push(o)).unwrap();
                    }
                }
                "ab" => {
                    for _ in 0..m {
                        b.abort_staged::<16>(64).unwrap()
                    }
                }
                "nt" => {
                    for _ in 0..m {
                        b.write_durable(64).unwrap()
                    }
                }
                "p8" => {
                    for _ in 0..m {
                        b.persist(8).unwrap()
                    }
                }
                "r0" | "r1" | "r2" | "r3" => {
                    use everline::media::Media;
                    use everline::units::ByteOffset;
                    use std::sync::atomic::*;
                    let md = b.engine.pool().media();
                    static A: AtomicU64 = AtomicU64::new(0);
                    static B: AtomicU64 = AtomicU64::new(0);
                    let line = [7u8; 64];
                    let base = 700u64 << 20;
                    for i in 0..m {
                        if w != "r0" {
                            let _ = A.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
                        }
                        if w == "r2" || w == "r3" {
                            B.fetch_add(1, Ordering::AcqRel);
                        }
                        md.write_nt(ByteOffset::new(base + (i % 16384) * 64), &line);
                        md.fence().unwrap();
                        if w == "r3" {
                            md.store64(ByteOffset::new(base + (64 << 20) + (i % 4096) * 256), i);
                        }
                        if w != "r0" {
                            A.store(0, Ordering::Release);
                        }
                    }
                }
                _ => panic!(),
            };
            ns.push(t.elapsed().as_nanos() as f64 / m as f64);
            for c in v.chunks(100) {
                b.free(c).unwrap();
            }
            v.clear();
        }
        ns.sort_by(f64::total_cmp);
        print!(
            "{w} p10 {:.1} med {:.1} | ",
            ns[ns.len() / 10],
            ns[ns.len() / 2]
        );
    }
    println!();
    let _ = std::fs::remove_file(p);
}
