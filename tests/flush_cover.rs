//! A flush covers every byte of its range and no line beside: by arithmetic, by count, and by what is durable afterwards.

use everline::media::{Counted, Media, Ram};
use everline::persist::{Pending, View, fence};
use everline::units::{ByteLen, ByteOffset, ByteRange, FLUSH_LINE, LineRange};
use everline_crash::CrashMedia;
use proptest::prelude::*;

fn range(at: u64, len: u64) -> ByteRange {
    ByteRange::at(at, len).expect("its end does not overflow")
}

/// The lines of a range by the slowest reading of the words: each byte's own.
fn lines_of(at: u64, len: u64) -> Vec<u64> {
    let mut lines: Vec<u64> = (at..at + len).map(|byte| byte / FLUSH_LINE).collect();
    lines.dedup();
    lines
}

fn covered(range: ByteRange) -> Vec<u64> {
    let lines = LineRange::covering(range);
    let found: Vec<u64> = lines
        .iter()
        .map(|at| {
            assert_eq!(at.get() % FLUSH_LINE, 0);
            at.get() / FLUSH_LINE
        })
        .collect();
    assert_eq!(found.len() as u64, lines.count().get());
    assert_eq!(lines.is_empty(), found.is_empty());
    found
}

/// Which lines of `media`, all of it stored to and not flushed, are durable after `flush` and one fence.
fn durable_lines(media: &CrashMedia, flush: impl FnOnce(&CrashMedia)) -> Vec<u64> {
    let len = media.len().get();
    media.fill(range(0, len), 0xff);
    flush(media);
    let image = media.durable_image();
    let lines = image.chunks(FLUSH_LINE as usize).enumerate();
    lines
        .filter(|(_, line)| {
            let stored = line.iter().filter(|byte| **byte == 0xff).count();
            assert!(stored == 0 || stored == line.len(), "half a line");
            stored > 0
        })
        .map(|(number, _)| number as u64)
        .collect()
}

#[test]
fn j2_every_offset_to_127_and_length_to_300_flushes_its_lines_and_no_other() {
    for at in 0..128 {
        for len in 0..=300 {
            let expected = lines_of(at, len);
            assert_eq!(covered(range(at, len)), expected, "{len} bytes at {at}");
            let media = CrashMedia::new(ByteLen::new(512));
            let durable = durable_lines(&media, |media| {
                let mut pending = Pending::new(media);
                pending.flush(range(at, len));
                pending.fence().expect("not made to fail");
            });
            assert_eq!(durable, expected, "{len} bytes at {at}");
        }
    }
}

#[test]
fn j2_every_offset_and_length_counts_its_lines_through_a_view() {
    let media = Counted::new(Ram::new(ByteLen::new(512)));
    let bytes = [7; 300];
    for at in 0..128 {
        for len in 0..=300 {
            let (dirty, cost) = media.cost_of(|| {
                let stored = &bytes[..len as usize];
                let dirty = View::new(&media).write(ByteOffset::new(at), stored);
                fence(dirty.expect("inside").flush()).expect("memory does not fail")
            });
            assert_eq!(dirty.range(), range(at, len));
            let expected = lines_of(at, len).len() as u64;
            assert_eq!((cost.lines, cost.bytes, cost.nt_lines), (expected, len, 0));
            assert_eq!(cost.waits, u64::from(len > 0));
        }
    }
}

#[test]
fn j2_ranges_that_end_with_the_pool_flush_its_last_line() {
    // A medium need not end with a line.
    for whole in [64u64, 100, 4096, 4097, 65_536] {
        let last = (whole - 1) / FLUSH_LINE;
        for len in 0..=whole.min(200) {
            let at = whole - len;
            let media = CrashMedia::new(ByteLen::new(whole));
            let durable = durable_lines(&media, |media| {
                let dirty = View::new(media).write(ByteOffset::new(at), &vec![0xff; len as usize]);
                fence(dirty.expect("inside").flush()).expect("not made to fail");
            });
            assert_eq!(durable, lines_of(at, len), "{len} bytes at {at} of {whole}");
            assert!(durable.last().is_none_or(|line| *line == last));
        }
    }
}

#[test]
fn j2_an_empty_range_flushes_nothing_wherever_it_lies() {
    for at in [0, 1, 63, 64, 65, 1 << 20, u64::MAX - 63, u64::MAX] {
        assert!(LineRange::covering(range(at, 0)).is_empty(), "{at}");
        assert_eq!(LineRange::covering(range(at, 0)).count().get(), 0);
    }
    let media = Counted::new(Ram::new(ByteLen::new(64)));
    let mut pending = Pending::new(&media);
    pending.flush(range(64, 0));
    pending.write_nt(ByteOffset::new(64), &[]);
    pending.fence().expect("memory does not fail");
    let cost = media.cost();
    assert_eq!((cost.lines, cost.fences, cost.bytes), (0, 0, 0));
}

#[test]
fn the_last_line_of_all_is_covered_without_overflow() {
    let last = u64::MAX / FLUSH_LINE;
    assert_eq!(covered(range(u64::MAX - 1, 1)), [last]);
    assert_eq!(covered(range(u64::MAX - 64, 64)), [last - 1, last]);
    assert_eq!(covered(range(u64::MAX - 63, 63)), [last]);
}

/// Known when it is compiled: an engine's constants may be flushed by a constant range.
const IN_A_CONSTANT: LineRange = match ByteRange::at(63, 2) {
    Some(range) => LineRange::covering(range),
    None => panic!("small"),
};

#[test]
fn a_line_range_can_be_a_constant() {
    assert_eq!(IN_A_CONSTANT.count().get(), 2);
    assert_eq!(IN_A_CONSTANT.start(), ByteOffset::ZERO);
}

proptest! {
    #[test]
    fn j2_any_range_of_a_pool_flushes_its_lines_and_no_other(at in 0u64..65_536, len in 0u64..65_536) {
        let len = len.min(65_536 - at);
        prop_assert_eq!(covered(range(at, len)), lines_of(at, len));
    }

    #[test]
    fn j2_any_few_ranges_under_one_fence_make_their_lines_durable_and_no_other(
        ranges in prop::collection::vec((0u64..4096, 0u64..400), 0..6),
    ) {
        let ranges: Vec<(u64, u64)> = ranges
            .into_iter()
            .map(|(at, len)| (at, len.min(4096 - at)))
            .collect();
        let media = CrashMedia::new(ByteLen::new(4096));
        let durable = durable_lines(&media, |media| {
            let mut pending = Pending::new(media);
            for (at, len) in &ranges {
                pending.flush(range(*at, *len));
            }
            pending.fence().expect("not made to fail");
        });
        let mut expected: Vec<u64> = ranges
            .iter()
            .flat_map(|(at, len)| lines_of(*at, *len))
            .collect();
        expected.sort_unstable();
        expected.dedup();
        prop_assert_eq!(durable, expected);
    }

    #[test]
    fn any_range_below_the_largest_place_is_covered_end_to_end(at in any::<u64>(), len in 1u64..1 << 40) {
        let Some(range) = ByteRange::at(at, len) else { return Ok(()) };
        let lines = LineRange::covering(range);
        let first = lines.start().get();
        let last = first + (lines.count().get() - 1) * FLUSH_LINE;
        prop_assert!(first <= at && at - first < FLUSH_LINE);
        let last_byte = at + (len - 1);
        prop_assert!(last <= last_byte && last_byte - last < FLUSH_LINE);
    }
}
