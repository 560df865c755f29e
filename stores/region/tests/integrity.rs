//! Check, repair, orphans and salvage of regions: each damage is told, and its cure takes nothing that could be read.

mod tools;
mod victims;

use std::collections::BTreeMap;

use everline::alloc::Request;
use everline::engine::{Engine, OpenOptions};
use everline::layout::{DirectoryEntry, DirectoryRoot, RootSlot};
use everline::media::{Media, Ram};
use everline::units::{ByteOffset, ByteRange};
use everline_region::salvage::{Origin, Way, salvage};
use everline_region::{
    Cure, Loss, RegionError, RegionProblem, Regions, RepairOptions, RepairReport, plan_repair,
    repair,
};
use tools::*;
use victims::*;

fn engine_of(image: &[u8]) -> Engine<Ram> {
    let (engine, _) = Engine::open(ram_of(image), &OpenOptions::default()).expect("it opens");
    engine
}

fn told(engine: Engine<Ram>) -> (Vec<String>, Engine<Ram>) {
    let mut told = Vec::new();
    engine.check(|problem| told.push(problem.to_string()));
    match Regions::open(engine) {
        Ok(regions) => {
            regions.check(|problem| told.push(problem.to_string()));
            (told, regions.into_engine())
        }
        Err(refused) => panic!("{refused}"),
    }
}

#[test]
fn e7_a_clean_pool_has_nothing_to_tell() {
    for len in [128 << 10, 512 << 10] {
        let victim = victim(len);
        let (told, _) = told(engine_of(&victim.image));
        assert!(told.is_empty(), "{told:?}");
    }
}

#[test]
fn e7_every_flipped_byte_of_a_regions_metadata_is_refused_or_told() {
    let victim = victim(512 << 10);
    let mut places: Vec<u64> = Vec::new();
    for range in victim.directory.iter().chain(&victim.heap) {
        places.extend(range.clone());
    }
    assert!(places.len() > 3000, "{}", places.len());
    let engine = engine_of(&victim.image);
    let regions = Regions::open(engine).expect("a directory");
    let media = regions.engine().pool().media();
    for (number, place) in places.into_iter().enumerate() {
        let at = ByteOffset::new(place);
        let right = media.load8(at);
        let flips = [1 << (number % 8), 0xFF];
        for flip in flips {
            media.store8(at, right ^ flip);
            let mut problems = 0;
            regions.engine().check(|_| problems += 1);
            regions.check(|_| problems += 1);
            assert!(problems > 0, "{place:#x} ^ {flip:#x} went unnoticed");
        }
        media.store8(at, right);
    }
    assert_clean(&regions);
}

#[test]
fn e7_a_flipped_byte_of_a_checked_region_is_told_with_its_place() {
    let victim = victim(128 << 10);
    let (id, known) = victim
        .regions
        .iter()
        .find(|(_, known)| known.checked)
        .expect("one");
    let mut image = victim.image.clone();
    image[known.at as usize + 5000] ^= 4;
    let regions = Regions::open(engine_of(&image)).expect("a directory");
    let mut told = Vec::new();
    regions.check(|problem| told.push(problem));
    let expected = RegionProblem::Data {
        id: *id,
        at: 4096,
        len: 4096,
    };
    assert_eq!(told, [expected]);
}

/// Repairs what `damage` makes of the victim, and holds it against what could be read before.
fn repaired(
    victim: &Victim,
    damage: impl FnOnce(&mut [u8]),
    options: &RepairOptions,
) -> (RepairReport, Regions<Ram>) {
    let mut image = victim.image.clone();
    damage(&mut image);
    let ids = || victim.regions.keys().copied();
    let before = Regions::open(engine_of(&image))
        .map(|regions| readable_of(&regions, ids()))
        .unwrap_or_default();
    let engine = engine_of(&image);
    let before_plan = image_of(engine.pool().media());
    let planned = plan_repair(&engine, options);
    assert!(
        image_of(engine.pool().media()) == before_plan,
        "a plan changes nothing"
    );
    let report = repair(&engine, options).expect("memory does not fail");
    for finding in planned.iter().filter(|finding| finding.is_curable()) {
        assert!(
            report.done.contains(finding)
                || report
                    .left
                    .iter()
                    .any(|left| left.problem == finding.problem),
            "{finding:?}"
        );
    }
    let engine = {
        let ram = engine.close().expect("memory does not fail");
        Engine::open(ram, &OpenOptions::default())
            .expect("it opens")
            .0
    };
    let regions = Regions::open(engine).expect("a directory");
    let after = readable_of(&regions, ids());
    for (id, bytes) in before {
        assert_eq!(after.get(&id), Some(&bytes), "{id} was readable");
    }
    if report.left.is_empty() {
        assert_clean(&regions);
    }
    (report, regions)
}

fn assert_whole(victim: &Victim, regions: &Regions<Ram>) {
    let seen = readable(regions);
    let known: BTreeMap<_, _> = victim
        .regions
        .iter()
        .map(|(id, known)| (*id, (known.name.clone(), known.bytes.clone())))
        .collect();
    assert!(seen == known, "{:?}", seen.keys());
}

const DEFAULT: RepairOptions = RepairOptions {
    free_orphans: false,
};

fn entry_of(image: &[u8], place: u64) -> DirectoryEntry {
    let bytes = &image[place as usize..place as usize + 48];
    DirectoryEntry::from_bytes(bytes.first_chunk().expect("an entry"))
}

#[test]
fn e8_one_corrupt_byte_anywhere_in_the_directory_is_restored() {
    let victim = victim(512 << 10);
    let mut random = Random(8);
    for range in &victim.directory {
        for _ in 0..12 {
            let at = (range.start + random.below(range.end - range.start)) as usize;
            let bits = 1 + random.below(255) as u8;
            let (report, regions) = repaired(&victim, |image| image[at] ^= bits, &DEFAULT);
            assert!(report.left.is_empty(), "{at:#x}: {:?}", report.left);
            assert!(!report.done.is_empty());
            assert!(
                report.done.iter().all(|done| done.loss.is_none()),
                "{report:?}"
            );
            assert_whole(&victim, &regions);
        }
    }
}

#[test]
fn e8_an_entry_that_nothing_proves_is_isolated_and_the_rest_is_readable() {
    let victim = victim(128 << 10);
    let entries = victim.directory[1].start;
    let lost = entry_of(&victim.image, entries);
    let (report, regions) = repaired(
        &victim,
        |image| image[entries as usize..entries as usize + 48].fill(0xA5),
        &RepairOptions { free_orphans: true },
    );
    let loss = report.done.iter().find_map(|done| done.loss.clone());
    assert!(
        matches!(loss, Some(Loss::Region { slot: 0, .. })),
        "{report:?}"
    );
    assert!(report.is_sound() && !report.left.is_empty(), "{report:?}");
    // Its block is not freed: the bytes are there for whoever wants to look.
    let orphans = regions.orphans(None);
    let places: Vec<u64> = orphans
        .orphans
        .iter()
        .map(|o| o.range.start().get())
        .collect();
    assert!(places.contains(&lost.block().0), "{places:?}");
    assert_eq!(regions.count(), Ok(victim.regions.len() as u64 - 1));
    for (id, known) in victim
        .regions
        .iter()
        .filter(|(_, known)| known.at != lost.block().0)
    {
        assert_eq!(regions.read_all(*id).as_ref(), Ok(&known.bytes));
    }
    // Its slot is never used again, so that no identifier can mean another region.
    for number in 0..40 {
        regions
            .put(&format!("new {number}"), b"bytes")
            .expect("space");
    }
    let gone = victim
        .regions
        .iter()
        .find(|(_, known)| known.at == lost.block().0);
    assert!(!regions.exists(*gone.expect("there").0));
}

#[test]
fn e8_a_lost_name_leaves_its_region_reachable() {
    let victim = victim(128 << 10);
    let tail = entry_of(&victim.image, victim.directory[1].start).tail() as usize;
    let (report, regions) = repaired(&victim, |image| image[tail..tail + 13].fill(0x5A), &DEFAULT);
    assert!(report.left.is_empty(), "{report:?}");
    let plain = victim
        .regions
        .iter()
        .find(|(_, known)| known.name.as_deref() == Some("plain"));
    let (id, known) = plain.expect("there");
    let lost = Loss::Name {
        id: *id,
        name: None,
    };
    assert_eq!(report.done[0].loss, Some(lost));
    assert_eq!(regions.read_all(*id).as_ref(), Ok(&known.bytes));
    assert_eq!(regions.info(*id).expect("there").name, None);
    regions.rename(*id, "plain").expect("free again");
}

#[test]
fn e8_a_word_that_nothing_proves_is_never_believed() {
    let victim = victim(512 << 10);
    let mapped = victim
        .regions
        .iter()
        .find(|(_, known)| known.name.as_deref() == Some("mapped"));
    let (id, known) = mapped.expect("there");
    let slot = (0..16)
        .map(|slot| victim.directory[1].start + 48 * slot)
        .find(|place| entry_of(&victim.image, *place).block().0 == known.at)
        .expect("its entry");
    let map = entry_of(&victim.image, slot).map().0 as usize;
    let (report, regions) = repaired(&victim, |image| image[map..map + 8].fill(0x77), &DEFAULT);
    assert!(!report.is_sound(), "{report:?}");
    assert!(matches!(report.left[0].cure, Cure::Leave(_)));
    let refused = regions.read_all(*id);
    assert!(
        matches!(refused, Err(RegionError::Corrupt(_))),
        "{refused:?}"
    );
    // The others are listed, and it can be destroyed once it was salvaged.
    assert_eq!(
        regions.list().map(|list| list.len()),
        Ok(victim.regions.len())
    );
    regions.destroy(*id).expect("there");
    assert_clean(&regions);
}

#[test]
fn e8_a_root_is_made_anew_from_the_entries_it_led_to() {
    let victim = victim(128 << 10);
    let root = victim.directory[0].clone();
    let at = root.start as usize;
    // Its blocks' places, more than a byte of them; its marks; all of it; the slot that leads to it.
    let ranges = [at + 40..at + 48, at..at + 8, at..at + 1640];
    for range in ranges {
        let engine = {
            let mut image = victim.image.clone();
            image[range.clone()].fill(0xC3);
            engine_of(&image)
        };
        let report = repair(&engine, &DEFAULT).expect("memory does not fail");
        assert!(report.left.is_empty(), "{range:?} {report:?}");
        let regions = Regions::open(engine).expect("a directory");
        assert_whole(&victim, &regions);
        assert_clean(&regions);
    }
    let engine = engine_of(&victim.image);
    let slot = RootSlot::REGIONS.at(&engine.pool().geometry());
    for word in [0, 1 << 15, u64::MAX] {
        let (report, regions) = repaired(
            &victim,
            |image| image[slot.get() as usize..][..8].copy_from_slice(&word.to_le_bytes()),
            &DEFAULT,
        );
        assert!(report.left.is_empty(), "{word:#x} {report:?}");
        assert_whole(&victim, &regions);
    }
}

#[test]
fn e8_a_block_that_the_heap_has_forgotten_is_the_regions_again() {
    let victim = victim(512 << 10);
    // Every live object of the store in turn loses its bit.
    let engine = engine_of(&victim.image);
    let mut live = Vec::new();
    engine
        .for_each_live(|object| live.push(object.range.start()))
        .expect("a whole heap");
    for at in live {
        let engine = engine_of(&victim.image);
        let mut tx = engine.begin().expect("a lane");
        tx.free(at).expect("live");
        tx.commit().expect("room in the log");
        let image = image_of(&engine.close().expect("memory does not fail"));
        let (report, regions) = repaired(&victim, |now| now.copy_from_slice(&image), &DEFAULT);
        assert!(report.left.is_empty(), "{at}: {report:?}");
        assert!(
            report.done.iter().all(|done| done.cure == Cure::Move),
            "{report:?}"
        );
        assert_whole(&victim, &regions);
    }
}

#[test]
fn e8_a_second_name_and_a_wrong_count_are_put_right() {
    let victim = victim(128 << 10);
    let engine = engine_of(&victim.image);
    let root_at = engine.root(RootSlot::REGIONS);
    let mut root = DirectoryRoot::new(0);
    root.set_live(99, engine.pool().id());
    let mut tx = engine.begin().expect("a lane");
    tx.write(
        ByteOffset::new(root_at.get() + DirectoryRoot::COUNT_AT),
        root.count(),
    )
    .expect("in the heap");
    tx.commit().expect("room in the log");
    let image = image_of(&engine.close().expect("memory does not fail"));
    let (report, regions) = repaired(&victim, |now| now.copy_from_slice(&image), &DEFAULT);
    let recounted = report.done.iter().all(|done| done.cure == Cure::Recount);
    assert!(recounted && !report.done.is_empty(), "{report:?}");
    assert_whole(&victim, &regions);
}

#[test]
fn k4_a_seeded_orphan_is_listed_with_place_and_size_and_freed_on_request() {
    let regions = ram(256 << 10);
    regions.put("name", b"bytes").expect("space");
    assert!(regions.orphans(None).orphans.is_empty());
    let mut tx = regions.engine().begin().expect("a lane");
    let seeded = tx.alloc(Request::new(100)).expect("space");
    let large = tx.alloc(Request::new(50_000)).expect("space");
    tx.commit().expect("room in the log");
    let report = regions.orphans(None);
    let ranges = |report: &everline_region::OrphanReport| -> Vec<ByteRange> {
        report.orphans.iter().map(|orphan| orphan.range).collect()
    };
    let mut expected = [seeded, large];
    expected.sort_by_key(|range| range.start());
    assert_eq!((ranges(&report), report.certain), (expected.to_vec(), true));
    let used = regions
        .engine()
        .stats()
        .expect("a whole heap")
        .heap
        .used_bytes;
    let freed = regions.free_orphans(None).expect("a whole directory");
    assert_eq!(ranges(&freed), expected);
    assert!(regions.orphans(None).orphans.is_empty());
    let now = regions
        .engine()
        .stats()
        .expect("a whole heap")
        .heap
        .used_bytes;
    assert_eq!(now, used - seeded.len().get() - large.len().get());
    assert_clean(&regions);
}

#[test]
fn k4_what_another_root_leads_to_is_foreign_unless_a_tracer_names_it() {
    let regions = ram(256 << 10);
    regions.put("name", b"bytes").expect("space");
    let mut tx = regions.engine().begin().expect("a lane");
    let theirs = tx.alloc(Request::new(100)).expect("space");
    let lost = tx.alloc(Request::new(200)).expect("space");
    tx.set_root(RootSlot::user(3).expect("one of 48"), theirs.start())
        .expect("a root slot");
    tx.commit().expect("room in the log");
    let report = regions.orphans(None);
    assert_eq!((report.orphans.len(), report.foreign), (0, 2));
    let mut trace = |name: &mut dyn FnMut(ByteOffset)| name(theirs.start());
    let report = regions.orphans(Some(&mut trace));
    assert_eq!((report.orphans.len(), report.foreign), (1, 1));
    assert_eq!(report.orphans[0].range, lost);
    regions.free_orphans(Some(&mut trace)).expect("whole");
    assert_eq!(regions.orphans(None).foreign, 1);
}

#[test]
fn k4_nothing_is_freed_while_the_directory_is_damaged() {
    let victim = victim(128 << 10);
    let mut image = victim.image.clone();
    image[victim.directory[1].start as usize + 9] ^= 1;
    let regions = Regions::open(engine_of(&image)).expect("a directory");
    let report = regions.orphans(None);
    assert!(!report.certain && !report.orphans.is_empty());
    let refused = regions.free_orphans(None);
    assert!(
        matches!(refused, Err(RegionError::Corrupt(_))),
        "{refused:?}"
    );
    assert_eq!(regions.orphans(None), report);
}

#[test]
fn k5_everything_is_salvaged_from_a_whole_pool() {
    let victim = victim(512 << 10);
    let engine = engine_of(&victim.image);
    let found = salvage(&engine, &Origin::of(&engine));
    assert_eq!((found.way, found.notes.len()), (Way::Root, 0));
    assert_salvaged(&victim, &engine, &found, true);
}

/// Holds what was salvaged against what was there.
fn assert_salvaged(
    victim: &Victim,
    source: &(impl everline_region::salvage::Readable + ?Sized),
    found: &everline_region::salvage::Salvage,
    with_ids: bool,
) {
    assert_eq!(
        found.regions.len(),
        victim.regions.len(),
        "{:?}",
        found.notes
    );
    for region in &found.regions {
        assert!(region.is_complete(), "{region:?}");
        let known = victim.regions.iter().find(|(id, known)| match region.id {
            Some(found) => found == **id,
            None => known.name == region.name,
        });
        let (_, known) = known.expect("known");
        assert_eq!(region.id.is_some(), with_ids);
        assert_eq!(region.name, known.name);
        let mut bytes = vec![1; region.len as usize];
        region.read(source, 0, &mut bytes);
        assert!(bytes == known.bytes, "{:?}", region.name);
    }
}

#[test]
fn k5_regions_are_salvaged_without_superblocks_and_without_a_root() {
    let victim = victim(512 << 10);
    let root = victim.directory[0].start;
    // Both superblocks gone, and nothing else is known.
    let mut image = victim.image.clone();
    image[..8192].fill(0);
    let found = salvage(&image[..], &Origin::default());
    assert_eq!(found.way, Way::Root);
    assert_salvaged(&victim, &image[..], &found, false);
    // The root too: entries tell where they belong, headers of slabs what checksums begin with.
    image[root as usize..root as usize + 1640].fill(0);
    let found = salvage(&image[..], &Origin::default());
    assert_eq!(found.way, Way::Entries, "{:?}", found.notes);
    assert_salvaged(&victim, &image[..], &found, false);
    // The superblocks are there, and the root is not.
    let mut image = victim.image.clone();
    image[root as usize..root as usize + 1640].fill(0xEE);
    let engine = engine_of(&image);
    let found = salvage(&engine, &Origin::of(&engine));
    assert_eq!(found.way, Way::Entries);
    assert_salvaged(&victim, &engine, &found, false);
}

#[test]
fn k5_salvage_tells_what_it_does_not_know() {
    let victim = victim(512 << 10);
    let named = |name: &str| {
        let known = victim
            .regions
            .values()
            .find(|known| known.name.as_deref() == Some(name));
        known.expect("there").at as usize
    };
    let mut image = victim.image.clone();
    image[named("checked") + 10] ^= 1;
    let found = salvage(&image[..], &Origin::default());
    let checked = found
        .regions
        .iter()
        .find(|region| region.checked)
        .expect("there");
    assert!(!checked.is_complete());
    let first = &checked.pieces[0];
    assert_eq!(
        (first.range.clone(), first.trust.name()),
        (0..4096, "mismatch")
    );
    // A pool that was cut: what lies behind is told as unreadable.
    let at = named("mapped");
    let image = &victim.image[..at + 100_000];
    let found = salvage(image, &Origin::default());
    assert!(!found.notes.is_empty());
    let mapped = found
        .regions
        .iter()
        .find(|region| region.name.as_deref() == Some("mapped"));
    if let Some(mapped) = mapped {
        assert!(!mapped.is_complete(), "{mapped:?}");
    }
}
