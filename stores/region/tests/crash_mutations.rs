//! Damaged images of pools with regions, through open, check, repair and salvage: no panic, no hang, and never a byte told as
//! right that is not. Ten thousand of them and some that are forged, and ten times as many with `EVERLINE_CRASH=full`.

mod tools;
mod victims;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use everline::engine::{Engine, OpenOptions};
use everline_crash::Depth;
use everline_region::salvage::{self, Origin, Readable, Salvage, salvage};
use everline_region::{RegionId, Regions, RepairOptions, repair_pool};
use tools::*;
use victims::*;

const SEED: u64 = 0x4B35;
/// One image takes a few milliseconds.
const HANG: Duration = Duration::from_secs(60);

fn images() -> u64 {
    Depth::from_env().pick(11_500, 30_000, 115_000)
}

/// What was done to an image, and whether the directory was given checksums that fit the damage: such an image is not
/// damaged but forged, and what it says is then what it says.
struct Damaged {
    image: Vec<u8>,
    forged: bool,
}

fn pick<'r>(ranges: &'r [Range<u64>], random: &mut Random) -> &'r Range<u64> {
    &ranges[random.below(ranges.len() as u64) as usize]
}

fn mutate(victim: &Victim, may_forge: bool, random: &mut Random) -> Damaged {
    let mut image = victim.image.clone();
    let mut forged = false;
    for _ in 0..=random.below(3) {
        let whole = 0..image.len() as u64;
        let ranges: &[Range<u64>] = match random.below(10) {
            0..=3 => &victim.directory,
            4..=5 => &victim.heap,
            6 => &victim.core,
            7..=8 => &victim.data,
            _ => std::slice::from_ref(&whole),
        };
        let target = pick(ranges, random).clone();
        let end = target.end.min(image.len() as u64);
        if target.start >= end {
            continue;
        }
        let at = (target.start + random.below(end - target.start)) as usize;
        match random.below(16) {
            0..=4 => image[at] ^= 1 << random.below(8),
            5..=7 => {
                let end = (at + 1 + random.below(16) as usize).min(image.len());
                image[at..end].fill_with(|| random.next() as u8);
            }
            8..=9 => {
                let word = at & !7;
                let number = [0, 1, 8, 4096, 65_536, 1 << 47, u64::MAX][random.below(7) as usize];
                image[word..][..8].copy_from_slice(&number.to_le_bytes());
            }
            10 => {
                // A word of the image itself, which looks right where it does not belong.
                let from = random.below(image.len() as u64 / 8) as usize * 8;
                image.copy_within(from..from + 8, at & !7);
            }
            11 => {
                let page = at & !4095;
                let end = (page + 4096).min(image.len());
                image[page..end].fill(0);
            }
            12 => {
                let other = random.below(image.len() as u64 / 4096) as usize * 4096;
                let page = at & !4095;
                for byte in 0..4096 {
                    image.swap(page + byte, other + byte);
                }
            }
            13 if random.below(3) == 0 && image.len() > 17 * 4096 => {
                let pages = 16 + random.below(image.len() as u64 / 4096 - 16);
                image.truncate(pages as usize * 4096);
            }
            _ if may_forge => forged |= forge(victim, &mut image, random),
            _ => image[at] = random.next() as u8,
        }
    }
    Damaged { image, forged }
}

/// Changes a field of an entry and makes its checksum fit.
fn forge(victim: &Victim, image: &mut [u8], random: &mut Random) -> bool {
    let slot = random.below(8) as u32;
    let at = victim.directory[1].start as usize + 48 * slot as usize;
    let Some(bytes) = image.get(at..).and_then(|bytes| bytes.first_chunk()) else {
        return false;
    };
    let mut entry = everline::layout::DirectoryEntry::from_bytes(bytes);
    if !entry.is_live() {
        return false;
    }
    let other = pick(&victim.data, random).start;
    let (block, capacity) = entry.block();
    match random.below(8) {
        0 => entry.set_block(other, capacity),
        1 => entry.set_block(block + 64, capacity),
        2 => entry.len = (capacity / 2).into(),
        3 => entry.set_tail(other),
        4 => entry.set_map(other, entry.map().1),
        5 => entry.generation = 77.into(),
        6 => entry.flags ^= 1 << random.below(3),
        _ => entry.set_block(block, capacity * 2),
    }
    entry.seal(&[7; 16], slot);
    image[at..at + 48].copy_from_slice(entry.bytes());
    true
}

/// Whether `bytes` are what the region is known to hold; where the image itself has other bytes in the region's place, those.
fn right(
    known: &Known,
    bytes: &[u8],
    victim: &Victim,
    image: &[u8],
    verified: bool,
) -> Result<(), String> {
    if bytes.len() != known.bytes.len() {
        return Err(format!("{:?}: {} bytes", known.name, bytes.len()));
    }
    for (index, (seen, right)) in bytes.iter().zip(&known.bytes).enumerate() {
        if seen == right {
            continue;
        }
        let place = known.at as usize + index;
        let now = image.get(place).copied();
        // What lies in the place of bytes without checksums cannot be told from what was written there.
        let damaged_itself = now != victim.image.get(place).copied() && now == Some(*seen);
        if verified || !damaged_itself {
            return Err(format!(
                "{:?}: byte {index} is {seen:#x}, not {right:#x}",
                known.name
            ));
        }
    }
    Ok(())
}

fn slot_of(id: &RegionId) -> (u32, u32) {
    let word = |at: usize| {
        id.as_bytes()[at..at + 4]
            .try_into()
            .map_or(0, u32::from_le_bytes)
    };
    (word(4), word(8))
}

fn judge_salvage(
    victim: &Victim,
    damaged: &Damaged,
    source: &(impl Readable + ?Sized),
    found: &Salvage,
) -> Result<(), String> {
    if damaged.forged {
        return Ok(());
    }
    for region in found.regions.iter().filter(|region| region.is_complete()) {
        let known = victim
            .regions
            .iter()
            .find(|(id, _)| slot_of(id) == (region.slot, region.generation))
            .ok_or_else(|| format!("there was no region in slot {}", region.slot))?;
        if region.id.is_some_and(|id| id != *known.0) {
            return Err(format!("{} is not its identifier", known.0));
        }
        if !region.name_lost && region.name != known.1.name {
            return Err(format!("{:?} is told as {:?}", known.1.name, region.name));
        }
        let mut bytes = vec![0; region.len as usize];
        region.read(source, 0, &mut bytes);
        right(known.1, &bytes, victim, &damaged.image, region.checked)
            .map_err(|wrong| format!("salvage: {wrong}"))?;
    }
    Ok(())
}

/// What a pool was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Clean,
    Repaired,
    NotWholly,
    Refused,
}

fn judge(victim: &Victim, damaged: &Damaged) -> Result<Verdict, String> {
    let image = &damaged.image;
    let ids = || victim.regions.keys().copied();
    let raw = salvage(&image[..], &Origin::default());
    judge_salvage(victim, damaged, &image[..], &raw)?;
    if let Ok(opened) = salvage::open(|| Ok::<_, Infallible>(ram_of(image))) {
        let found = salvage(&opened.engine, &opened.origin);
        judge_salvage(victim, damaged, &opened.engine, &found)?;
    }
    let opened = Engine::open(ram_of(image), &OpenOptions::default());
    let mut before = BTreeMap::new();
    let mut clean = false;
    if let Ok((engine, report)) = opened {
        let mut problems = u64::from(report.mended_copy.is_some());
        engine.check(|_| problems += 1);
        if let Ok(regions) = Regions::open(engine) {
            problems += regions.check(|_| ()).problems;
            before = readable_of(&regions, ids());
            clean = problems == 0;
            judge_open(victim, damaged, &regions, &before, clean)?;
        }
    }
    let media = ram_of(image);
    let Ok(repaired) = repair_pool(&media, None, &RepairOptions::default()) else {
        return match before.is_empty() {
            true => Ok(Verdict::Refused),
            false => Err("a pool that opened is not repaired".to_owned()),
        };
    };
    if clean && !repaired.regions.done.is_empty() {
        return Err(format!("a clean pool was repaired: {repaired:?}"));
    }
    let (engine, _) = Engine::open(media, &OpenOptions::default()).map_err(|e| e.to_string())?;
    let Ok(regions) = Regions::open(engine) else {
        return match before.is_empty() && !repaired.is_sound() {
            true => Ok(Verdict::NotWholly),
            false => Err("a repaired pool has no directory".to_owned()),
        };
    };
    let after = readable_of(&regions, ids());
    for (id, bytes) in &before {
        // A forged region may show the directory itself, which the repair changes.
        let real = || right(&victim.regions[id], bytes, victim, image, false).is_ok();
        if after.get(id) != Some(bytes) && (!damaged.forged || real()) {
            return Err(format!(
                "{id} could be read before the repair: {repaired:?}"
            ));
        }
    }
    judge_open(victim, damaged, &regions, &after, false)?;
    let mut left = 0;
    regions.engine().check(|_| left += 1);
    let check = regions.check(|_| ());
    left += check.problems - check.orphans;
    match (left == 0, repaired.is_sound()) {
        (true, true) if clean => Ok(Verdict::Clean),
        (true, true) => Ok(Verdict::Repaired),
        (false, false) => Ok(Verdict::NotWholly),
        (_, told) => Err(format!(
            "{left} problems are left, told as sound: {told}: {repaired:?}"
        )),
    }
}

/// Holds an open pool against what is known.
fn judge_open(
    victim: &Victim,
    damaged: &Damaged,
    regions: &Regions<everline::media::Ram>,
    readable: &BTreeMap<RegionId, Vec<u8>>,
    clean: bool,
) -> Result<(), String> {
    if damaged.forged {
        return Ok(());
    }
    for (id, bytes) in readable {
        let known = &victim.regions[id];
        right(known, bytes, victim, &damaged.image, clean && known.checked)?;
    }
    if clean {
        let listed = regions.list().map_err(|error| error.to_string())?;
        let named: BTreeMap<_, _> = listed
            .into_iter()
            .map(|info| (info.id, info.name))
            .collect();
        let known: BTreeMap<_, _> = victim
            .regions
            .iter()
            .map(|(id, known)| (*id, known.name.clone()))
            .collect();
        if named != known || readable.len() != known.len() {
            return Err(format!("told as clean, and holds {named:?}"));
        }
    }
    Ok(())
}

/// The number of an image and the state of the random numbers before it.
const FOUND: [(u64, u64); 1] = [
    // Neither superblock, and a geometry that is not the default one: the guess lies over a region.
    (69_776, 0xaddac40d6f241cec),
];

#[test]
fn k5_images_that_were_once_misjudged_are_judged_rightly() {
    let victims = [victim(128 << 10), victim(512 << 10)];
    for (number, state) in FOUND {
        let victim = &victims[usize::from(number % 8 == 0)];
        let damaged = mutate(victim, number % 8 == 7, &mut Random(state));
        if let Err(wrong) = judge(victim, &damaged) {
            panic!("image {number} of state {state:#x}: {wrong}");
        }
    }
}

#[test]
fn k5_damaged_images_are_never_told_as_right_and_never_made_worse() {
    let victims = [victim(128 << 10), victim(512 << 10)];
    let (count, mut random) = (images(), Random(SEED));
    println!("seed {SEED:#x}, {count} images");
    let (progress, watch) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        let (mut verdicts, mut failures) = (BTreeMap::new(), Vec::new());
        for number in 0..count {
            let victim = &victims[usize::from(number % 8 == 0)];
            let state = random.0;
            let damaged = mutate(victim, number % 8 == 7, &mut random);
            progress.send(number).expect("watched");
            match catch_unwind(AssertUnwindSafe(|| judge(victim, &damaged))) {
                Ok(Ok(verdict)) => *verdicts.entry(verdict).or_insert(0u64) += 1,
                Ok(Err(wrong)) => failures.push((number, state, wrong)),
                Err(_) => failures.push((number, state, "panic".to_owned())),
            }
        }
        (verdicts, failures)
    });
    let mut last = 0;
    loop {
        match watch.recv_timeout(HANG) {
            Ok(number) => last = number,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("image {last} hangs"),
        }
    }
    let (verdicts, failures) = worker.join().expect("it catches what panics");
    println!("{verdicts:?}");
    for (number, state, wrong) in failures.iter().take(10) {
        println!("image {number} of state {state:#x}: {wrong}");
    }
    assert!(failures.is_empty(), "{} of {count} images", failures.len());
    // Each verdict is given, so that none is right by being the only one.
    assert_eq!(verdicts.len(), 4, "{verdicts:?}");
}
