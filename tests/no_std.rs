//! The core without std and without an allocator does its work: a program that has neither makes a pool, loses power in
//! an undo transaction and recovers. ci/no_std.sh asks what is linked, and builds for bare targets.

mod user_program;

use std::process::Command;

use user_program::Library;

#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn j3_a_program_without_std_or_allocator_makes_a_pool_and_recovers_it() {
    // Nothing may unwind where there is nothing to unwind with.
    let aborts = "profile.release.panic=\"abort\"";
    let library = Library::build("no_std", &["--no-default-features", "--config", aborts]);
    let program = library.program(
        "tests/no_std/pool_in_a_static.rs",
        &["-C", "panic=abort", "--crate-type", "bin"],
    );
    let outcome = Command::new(&program).status().expect("it starts");
    assert_eq!(
        outcome.code(),
        Some(0),
        "{outcome}: the code names the step in {}",
        program.display()
    );
}
