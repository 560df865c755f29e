//! Optional: a page of an open file that cannot be reached becomes an error instead of the process's death.
//!
//! ```text
//! store ─► SIGBUS ─► address in an open medium?  yes: zero page there, medium marked lost, store goes on
//!                                                no:  the handler that was there before
//! ```
//!
//! The kernel raises SIGBUS where a mapped page has no file behind it any more (somebody cut the file), no room
//! (nobody asked [`back`](crate::media::Media::back)) or no readable medium (an I/O or memory error). After
//! [`install`] such a page is replaced by a private page of zeros, for good. Nothing stored there reaches the file:
//! every later fence of that medium fails with `EIO`, and
//! [`still_whole`](super::FileMedia::still_whole) says [`Lost`](super::FileError::Lost). Loads from it see zeros,
//! so whoever has read and not yet fenced asks `still_whole` before it believes what it read.
//!
//! The handler is for the whole process and stays until its end; that is why the library leaves the choice to
//! the application. Installing it twice does nothing.
//!
//! Invariants
//! Z1  the handler makes only async-signal-safe calls, takes no lock and keeps `errno`.
//! Z2  it maps only whole pages inside the range of a living medium.
//! Z3  a node of the list is never freed, so that the handler can walk it at any moment.
#![allow(
    unsafe_code,
    reason = "a signal handler: mmap over a lost page, and the handler that was there before"
)]
#![allow(
    clippy::disallowed_types,
    reason = "statics that a signal handler reads; loom does not model signals"
)]

use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::boxed::Box;
use std::io;
use std::sync::OnceLock;

use everline_arch::msync::page_size;

use super::error::errno_of;
use crate::media::Errno;

/// An address range under watch. A free one has `end` 0.
#[derive(Debug)]
struct Node {
    start: AtomicUsize,
    end: AtomicUsize,
    /// A page was lost.
    lost: AtomicBool,
    /// A fence has more to do than its instruction: always with msync, and once a page is lost.
    slow: AtomicBool,
    taken: AtomicBool,
    next: Option<&'static Node>,
}

/// The first node of the list.
static NODES: AtomicPtr<Node> = AtomicPtr::new(null_mut());

/// What stood in our place when the handler was installed.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// A medium's entry in the list; its range is no longer watched when this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    node: &'static Node,
}

impl Watch {
    /// Watches `len` bytes from `base`. `slow` is what [`Watch::is_slow`] says while nothing is lost.
    pub(super) fn new(base: *mut u8, len: usize, slow: bool) -> Self {
        let _cached = page_size(); // asked once here, so that the handler need not ask
        let node = free_node();
        let start = base as usize;
        node.lost.store(false, Ordering::Relaxed); // Relaxed: the range is not visible yet
        node.slow.store(slow, Ordering::Relaxed); // Relaxed: as above
        node.start.store(start, Ordering::Relaxed); // Relaxed: as above
        node.end.store(start + len, Ordering::Release); // Release pairs with the acquire in `node_of`
        Watch { node }
    }

    /// Watches `len` bytes from the same base from now on.
    pub(super) fn resize(&self, len: usize) {
        let start = self.node.start.load(Ordering::Relaxed); // Relaxed: set by `new`, unchanged since
        self.node.end.store(start + len, Ordering::Release); // Release pairs with the acquire in `node_of`
    }

    /// Whether a fence has more to do than its instruction.
    #[inline(always)]
    pub(super) fn is_slow(&self) -> bool {
        self.node.slow.load(Ordering::Relaxed) // Relaxed: a handler ran on this thread, or another fence reports it
    }

    /// Whether a page was lost.
    pub(super) fn is_lost(&self) -> bool {
        self.node.lost.load(Ordering::Acquire) // Acquire pairs with the release in `stand_in`
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.node.end.store(0, Ordering::Release); // Release: nothing is watched before the range is given up
        self.node.taken.store(false, Ordering::Release); // Release pairs with the acquire in `free_node`
    }
}

fn nodes() -> impl Iterator<Item = &'static Node> {
    let first = NODES.load(Ordering::Acquire); // Acquire pairs with the release in `free_node`
    // SAFETY: null, or a node that was leaked on purpose and is never freed (Z3).
    let first: Option<&'static Node> = unsafe { first.as_ref() };
    core::iter::successors(first, |node| node.next)
}

/// A node nobody uses, from the list or new.
fn free_node() -> &'static Node {
    let free = |node: &&Node| {
        // Acquire pairs with the release in `drop`.
        node.taken
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    };
    if let Some(node) = nodes().find(free) {
        return node;
    }
    let mut node = Box::new(Node {
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        lost: AtomicBool::new(false),
        slow: AtomicBool::new(false),
        taken: AtomicBool::new(true),
        next: None,
    });
    loop {
        let first = NODES.load(Ordering::Acquire); // Acquire: as in `nodes`
        // SAFETY: as in `nodes`.
        node.next = unsafe { first.as_ref() };
        let node_pointer = Box::into_raw(node);
        // Release pairs with the acquire in `nodes`.
        match NODES.compare_exchange(first, node_pointer, Ordering::Release, Ordering::Relaxed) {
            // SAFETY: just made, in the list now, never freed (Z3).
            Ok(_) => return unsafe { &*node_pointer },
            // SAFETY: just made, and the list did not take it.
            Err(_) => node = unsafe { Box::from_raw(node_pointer) },
        }
    }
}

/// Installs the handler for this process. Errors: the operating system refuses to.
pub fn install() -> Result<(), Errno> {
    static INSTALLED: OnceLock<Result<(), Errno>> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        let previous = action(None)?;
        PREVIOUS.get_or_init(|| previous);
        // SAFETY: a sigaction is plain integers and an optional function, for which zero is a value.
        let mut ours: libc::sigaction = unsafe { core::mem::zeroed() };
        ours.sa_sigaction = on_sigbus as *const () as usize;
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        action(Some(&ours)).map(drop)
    })
}

/// Sets the action for SIGBUS, if there is a new one, and answers the old one.
fn action(new: Option<&libc::sigaction>) -> Result<libc::sigaction, Errno> {
    // SAFETY: a sigaction is plain integers and an optional function, for which zero is a value.
    let mut old: libc::sigaction = unsafe { core::mem::zeroed() };
    let new = new.map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY:
    // - the pointers are null or point to a live sigaction;
    // - the new handler, if any, is `on_sigbus`, or the default.
    let status = unsafe { libc::sigaction(libc::SIGBUS, new, &mut old) };
    if status == 0 {
        Ok(old)
    } else {
        Err(errno_of(&io::Error::last_os_error()))
    }
}

/// Answers a SIGBUS (Z1).
extern "C" fn on_sigbus(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let errno = errno_place();
    // SAFETY: the C library's errno of this thread, which lives as long as the thread.
    let kept = unsafe { *errno };
    if !stand_in(info) {
        chain(signal, info, context);
    }
    // SAFETY: as above.
    unsafe { *errno = kept };
}

/// Puts a page of zeros where a watched one is lost; `false` if the signal is not ours.
fn stand_in(info: *mut libc::siginfo_t) -> bool {
    // SAFETY: with SA_SIGINFO the kernel passes a live siginfo.
    let info = unsafe { &*info };
    if info.si_code <= 0 {
        return false; // sent by a process, not by an access
    }
    // SAFETY: for a SIGBUS of an access the address is filled in.
    let address = unsafe { info.si_addr() } as usize;
    let Some(node) = node_of(address) else {
        return false;
    };
    let page = page_size();
    let start = address & !(page - 1);
    // SAFETY: replaces one page inside the range of a living medium (Z2), whose bytes cannot be reached any more.
    let mapped = unsafe {
        libc::mmap(
            core::ptr::with_exposed_provenance_mut(start),
            page,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    if mapped == libc::MAP_FAILED {
        return false;
    }
    node.lost.store(true, Ordering::Release); // Release pairs with the acquire in `is_lost`
    node.slow.store(true, Ordering::Relaxed); // Relaxed: this thread sees it, others report with their next fence
    true
}

fn node_of(address: usize) -> Option<&'static Node> {
    nodes().find(|node| {
        let end = node.end.load(Ordering::Acquire); // Acquire pairs with the release in `Watch`
        address < end && node.start.load(Ordering::Relaxed) <= address // Relaxed: ordered by `end`
    })
}

/// Hands a signal that is not ours to whoever was there before.
fn chain(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    type WithInfo = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
    type Plain = extern "C" fn(libc::c_int);
    let (handler, flags) = PREVIOUS
        .get()
        .map_or((libc::SIG_DFL, 0), |old| (old.sa_sigaction, old.sa_flags));
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // An access that faults cannot be ignored. The default ends the process when the access is tried again;
        // a signal that was sent is sent once more.
        // SAFETY: a sigaction is plain integers and an optional function; zero is the default action.
        let default: libc::sigaction = unsafe { core::mem::zeroed() };
        // SAFETY: as in `stand_in`.
        let sent = unsafe { (*info).si_code } <= 0;
        if sent && handler == libc::SIG_IGN {
            return;
        }
        if action(Some(&default)).is_ok() && sent {
            // SAFETY: takes a number.
            unsafe { libc::raise(signal) };
        }
    } else if flags & libc::SA_SIGINFO != 0 {
        // SAFETY: a handler installed with SA_SIGINFO has this type.
        let handler = unsafe { core::mem::transmute::<usize, WithInfo>(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: a handler installed without SA_SIGINFO has this type.
        let handler = unsafe { core::mem::transmute::<usize, Plain>(handler) };
        handler(signal);
    }
}

fn errno_place() -> *mut libc::c_int {
    #[cfg(any(target_os = "linux", target_os = "emscripten", target_os = "l4re"))]
    // SAFETY: answers this thread's errno.
    unsafe {
        libc::__errno_location()
    }
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    // SAFETY: answers this thread's errno.
    unsafe {
        libc::__errno()
    }
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    // SAFETY: answers this thread's errno.
    unsafe {
        libc::__error()
    }
    #[cfg(any(target_os = "illumos", target_os = "solaris"))]
    // SAFETY: answers this thread's errno.
    unsafe {
        libc::___errno()
    }
}
