//! Which cores the process runs on.

/// Keeps the calling thread, and those it starts, to the core that it runs on; answers which.
pub fn pin() -> Option<usize> {
    // SAFETY: no arguments.
    let core = usize::try_from(unsafe { libc::sched_getcpu() }).ok()?;
    keep_to([core]).then_some(core)
}

/// Lets the calling thread, and those it starts, run on every core.
pub fn unpin() -> bool {
    keep_to(0..libc::CPU_SETSIZE as usize)
}

fn keep_to(chosen: impl IntoIterator<Item = usize>) -> bool {
    // SAFETY: a set of cores is plain bits; all zeros is the empty set.
    let mut cores: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for core in chosen {
        // SAFETY: the set is ours, and the macro checks the number against its size.
        unsafe { libc::CPU_SET(core, &mut cores) };
    }
    // SAFETY: thread 0 is this one; the set outlives the call and has the size that is said.
    let refused = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &cores) };
    refused == 0
}
