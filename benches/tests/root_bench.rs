//! `cargo bench`, typed in the root, runs the criterion suites.

use std::path::Path;
use std::process::Command;

#[test]
fn l13_cargo_bench_from_the_root_runs_the_suites() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    let listed = Command::new(env!("CARGO"))
        .args([
            "bench",
            "--profile",
            "dev",
            "--bench",
            "persist",
            "--",
            "--list",
        ])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&listed.stdout);
    assert!(
        listed.status.success(),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    assert!(
        text.contains("persist/flush/8B") && text.contains("persist/nt/4KiB"),
        "{text}"
    );
}
