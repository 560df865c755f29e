//! Random operations against a map.

mod tools;

use std::collections::HashMap;

use everline::media::Ram;
use everline_region::{RegionError, RegionId, RegionOptions, Regions, WriteMode};
use proptest::prelude::*;
use tools::*;

#[derive(Clone, Debug)]
enum Step {
    Put(u8, usize),
    Create(u8, usize),
    Rename(u8, u8),
    Destroy(u8),
    Write(u8, u64, usize),
    Batch(u8, u8, usize),
    Close,
    Abandon,
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..24u8;
    prop_oneof![
        4 => (name.clone(), 0..5000usize).prop_map(|(name, len)| Step::Put(name, len)),
        2 => (name.clone(), 1..40_000usize).prop_map(|(name, len)| Step::Create(name, len)),
        2 => (name.clone(), name.clone()).prop_map(|(old, new)| Step::Rename(old, new)),
        3 => name.clone().prop_map(Step::Destroy),
        3 => (name.clone(), 0..3000u64, 1..600usize).prop_map(|(name, at, len)| Step::Write(name, at, len)),
        2 => (name.clone(), name, 1..300usize).prop_map(|(a, b, len)| Step::Batch(a, b, len)),
        1 => Just(Step::Close),
        1 => Just(Step::Abandon),
    ]
}

#[derive(Default)]
struct Model {
    regions: HashMap<String, (RegionId, Vec<u8>)>,
    gone: Vec<RegionId>,
}

impl Model {
    fn put(&mut self, name: &str, id: RegionId, bytes: Vec<u8>) {
        if let Some((old, _)) = self.regions.insert(name.to_owned(), (id, bytes)) {
            self.gone.push(old);
        }
    }

    fn agree(&self, regions: &Regions<Ram>) {
        let list = regions.list().expect("a directory");
        assert_eq!(list.len(), self.regions.len());
        assert_eq!(regions.count(), Ok(self.regions.len() as u64));
        for (name, (id, bytes)) in &self.regions {
            assert_eq!(regions.by_name(name), Ok(*id));
            assert_eq!(regions.read_all(*id).as_ref(), Ok(bytes), "{name}");
        }
        assert!(self.gone.iter().all(|id| !regions.exists(*id)));
        assert_clean(regions);
    }
}

fn take(regions: &Regions<Ram>, model: &mut Model, step: &Step, turn: u8) {
    let full = |error: &RegionError<_>| matches!(error, RegionError::NoSpace { .. });
    match *step {
        Step::Put(name, len) => {
            let (name, data) = (name.to_string(), pattern(len, turn));
            match regions.put(&name, &data) {
                Ok(id) => model.put(&name, id, data),
                Err(error) => assert!(full(&error), "{error}"),
            }
        }
        Step::Create(name, len) => {
            let name = name.to_string();
            let known = model.regions.contains_key(&name);
            match regions.create(len as u64, &named(&name)) {
                Ok(id) if !known => model.put(&name, id, vec![0; len]),
                Ok(id) => panic!("{name} was there already, and is {id} now"),
                Err(RegionError::AlreadyExists { .. }) if known => {}
                Err(error) => assert!(full(&error), "{error}"),
            }
        }
        Step::Rename(old, new) => {
            let (old, new) = (old.to_string(), new.to_string());
            let Some((id, _)) = model.regions.get(&old) else {
                let missing = regions.by_name(&old);
                assert_eq!(missing, Err(RegionError::NotFound { name: old }));
                return;
            };
            match regions.rename(*id, &new) {
                Ok(()) => {
                    assert!(old == new || !model.regions.contains_key(&new));
                    let region = model.regions.remove(&old).expect("just found");
                    model.regions.insert(new, region);
                }
                Err(RegionError::AlreadyExists { .. }) => {
                    assert!(model.regions.contains_key(&new))
                }
                Err(error) => panic!("{error}"),
            }
        }
        Step::Destroy(name) => {
            if let Some((id, _)) = model.regions.remove(&name.to_string()) {
                regions.destroy(id).expect("there");
                model.gone.push(id);
            }
        }
        Step::Write(name, at, len) => {
            if let Some((id, bytes)) = model.regions.get_mut(&name.to_string()) {
                let data = pattern(len, turn);
                let end = at as usize + len;
                match regions.write(*id, at, &data) {
                    Ok(()) => bytes[at as usize..end].copy_from_slice(&data),
                    Err(RegionError::OutOfBounds { .. }) => assert!(end > bytes.len()),
                    Err(error) => panic!("{error}"),
                }
            }
        }
        Step::Batch(first, second, len) => batch(regions, model, [first, second], len, turn),
        Step::Close | Step::Abandon => unreachable!("done by the caller"),
    }
}

/// Two puts and perhaps a destroy in one transaction, aborted every third time.
fn batch(regions: &Regions<Ram>, model: &mut Model, names: [u8; 2], len: usize, turn: u8) {
    let [first, second] = names.map(|name| name.to_string());
    let data = pattern(len, turn);
    let mut batch = regions.batch().expect("a lane");
    let outcome = batch
        .put(&first, &data)
        .and_then(|one| Ok((one, batch.put(&second, &data[..len / 2])?)));
    let Ok((one, two)) = outcome else {
        return;
    };
    let destroyed = turn % 2 == 0 && first != second;
    if destroyed {
        batch.destroy(one).expect("made in the batch");
    }
    if turn % 3 == 0 {
        return batch.abort().expect("nothing to restore");
    }
    batch.commit().expect("room in the log");
    model.put(&first, one, data.clone());
    model.put(&second, two, data[..len / 2].to_vec());
    if destroyed {
        let (id, _) = model.regions.remove(&first).expect("just put");
        model.gone.push(id);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn regions_do_what_a_map_does(steps in proptest::collection::vec(step(), 1..80)) {
        let mut regions = ram(512 << 10);
        let mut model = Model::default();
        for (turn, step) in steps.iter().enumerate() {
            match step {
                Step::Close => {
                    let ram = regions.into_engine().close().expect("no failing fence");
                    regions = open(ram).0;
                }
                Step::Abandon => regions = open(regions.into_engine().abandon()).0,
                step => take(&regions, &mut model, step, turn as u8),
            }
            if turn % 8 == 0 {
                model.agree(&regions);
            }
        }
        model.agree(&regions);
    }
}

/// What a region should be.
#[derive(Clone, Default)]
struct Twin {
    id: Option<RegionId>,
    bytes: Vec<u8>,
    attributes: Vec<u8>,
    growable: bool,
    /// Written volatilely since the last persist.
    loose: bool,
}

struct Play {
    regions: Option<Regions<Ram>>,
    twins: HashMap<String, Twin>,
    random: Random,
    refused: u64,
}

impl Play {
    fn regions(&self) -> &Regions<Ram> {
        self.regions.as_ref().expect("open")
    }

    fn full(&mut self, error: &RegionError<std::convert::Infallible>) {
        assert!(matches!(error, RegionError::NoSpace { .. }), "{error}");
        self.refused += 1;
    }

    fn make(&mut self, name: &str, turn: u8) {
        let kind = self.random.below(4);
        let len = self.random.size(18) as usize;
        let options = RegionOptions {
            growable: kind == 1,
            checked: self.random.below(3) == 0,
            ..named(name)
        };
        let filled = kind == 2;
        let data = pattern(len, turn);
        let outcome = match filled {
            true => self.regions().create_with(&data, &options),
            false => self.regions().create(len as u64, &options),
        };
        match outcome {
            Ok(id) => {
                assert!(!self.twins.contains_key(name));
                let twin = Twin {
                    id: Some(id),
                    bytes: if filled { data } else { vec![0; len] },
                    growable: options.growable,
                    ..Twin::default()
                };
                self.twins.insert(name.to_owned(), twin);
            }
            Err(RegionError::AlreadyExists { .. }) => assert!(self.twins.contains_key(name)),
            Err(RegionError::InvalidSize) => assert!(len == 0 && !filled && !options.growable),
            Err(error) => self.full(&error),
        }
    }

    fn write(&mut self, name: &str, twin: &mut Twin, turn: u8) {
        let id = twin.id.expect("there");
        let mode = [WriteMode::Durable, WriteMode::Volatile, WriteMode::Atomic]
            [self.random.below(3) as usize];
        let at = self.random.below(twin.bytes.len() as u64 + 2);
        let len = self.random.size(15) as usize;
        let data = pattern(len, turn);
        let cut = self.random.below(len as u64 + 1) as usize;
        let gap = self.random.below(100);
        let pieces = [(at, &data[..cut]), (at + gap, &data[cut..])];
        let end = (at as usize + cut).max((at + gap) as usize + len - cut);
        let outcome = self.regions().write_list(id, &pieces, mode);
        match outcome {
            Ok(()) => {
                let real: Vec<_> = pieces
                    .iter()
                    .filter(|(_, bytes)| !bytes.is_empty())
                    .collect();
                for (at, bytes) in real {
                    let (at, len) = (*at as usize, twin.bytes.len());
                    assert!(twin.growable || at + bytes.len() <= len, "{name}");
                    twin.bytes.resize(len.max(at + bytes.len()), 0);
                    twin.bytes[at..at + bytes.len()].copy_from_slice(bytes);
                }
                twin.loose |= mode == WriteMode::Volatile;
            }
            Err(RegionError::OutOfBounds { .. }) => {
                assert!(!twin.growable && end > twin.bytes.len(), "{name}");
            }
            Err(error) => self.full(&error),
        }
    }

    fn change(&mut self, name: &str, other: &str, turn: u8) {
        let Some(mut twin) = self.twins.remove(name) else {
            return self.make(name, turn);
        };
        let id = twin.id.expect("there");
        match self.random.below(16) {
            0 => {
                self.regions().destroy(id).expect("there");
                assert!(!self.regions().exists(id));
                return;
            }
            1 => {
                let len = 1 + self.random.size(18) as usize;
                match self.regions().resize(id, len as u64) {
                    Ok(()) => twin.bytes.resize(len, 0),
                    Err(error) => self.full(&error),
                }
            }
            2 => match self.regions().copy(id) {
                Ok(copy) if self.twins.contains_key(other) || other == name => {
                    self.regions().destroy(copy).expect("there");
                }
                Ok(copy) => match self.regions().rename(copy, other) {
                    Ok(()) => {
                        let copied = Twin {
                            id: Some(copy),
                            loose: false,
                            ..twin.clone()
                        };
                        self.twins.insert(other.to_owned(), copied);
                    }
                    Err(error) => {
                        self.full(&error);
                        self.regions().destroy(copy).expect("there");
                    }
                },
                Err(error) => self.full(&error),
            },
            3 => {
                let attributes = pattern(self.random.below(1025) as usize, turn);
                match self.regions().set_attributes(id, &attributes) {
                    Ok(()) => twin.attributes = attributes,
                    Err(error) => self.full(&error),
                }
            }
            4 => drop(self.regions().compact(id).expect("nobody looks")),
            5 => match self.regions().persist(id, 0, twin.bytes.len() as u64) {
                Ok(()) => twin.loose = false,
                Err(error) => panic!("{error}"),
            },
            6 => {
                let failed = self.regions().view(id).err();
                if let Some(error) = failed {
                    self.full(&error);
                }
            }
            _ => self.write(name, &mut twin, turn),
        }
        assert!(
            self.regions().read_all(id).expect("there") == twin.bytes,
            "{name}"
        );
        self.twins.insert(name.to_owned(), twin);
    }

    fn reopen(&mut self, close: bool) {
        // A recovery may redo an atomic write over a volatile one that nobody persisted.
        for twin in self.twins.values_mut().filter(|twin| twin.loose) {
            let (id, len) = (twin.id.expect("there"), twin.bytes.len() as u64);
            self.regions
                .as_ref()
                .expect("open")
                .persist(id, 0, len)
                .expect("inside");
            twin.loose = false;
        }
        let engine = self.regions.take().expect("open").into_engine();
        let ram = match close {
            true => engine.close().expect("no failing fence"),
            false => engine.abandon(),
        };
        self.regions = Some(open(ram).0);
    }

    fn agree(&self) {
        let list = self.regions().list().expect("a directory");
        assert_eq!(list.len(), self.twins.len());
        for info in list {
            let name = info.name.expect("all are named");
            let twin = &self.twins[&name];
            assert_eq!((Some(info.id), info.growable), (twin.id, twin.growable));
            assert!(
                self.regions().read_all(info.id).expect("there") == twin.bytes,
                "{name}"
            );
            assert_eq!(
                self.regions().attributes(info.id).as_ref(),
                Ok(&twin.attributes)
            );
        }
        let scrubbed = self.regions().scrub_all(|_, _| (), |bad| panic!("{bad:?}"));
        scrubbed.expect("tables that are right");
        assert_clean(self.regions());
    }
}

#[test]
fn a_hundred_thousand_operations_do_what_a_map_does() {
    for (seed, pool) in [(1, 256 << 10), (2, 512 << 10)] {
        let mut play = Play {
            regions: Some(ram(pool)),
            twins: HashMap::new(),
            random: Random(seed),
            refused: 0,
        };
        for turn in 0..50_000u32 {
            let names = [play.random.below(24), play.random.below(24)].map(|name| name.to_string());
            match play.random.below(200) {
                0 => play.reopen(true),
                1 => play.reopen(false),
                _ => play.change(&names[0], &names[1], turn as u8),
            }
            if turn % 500 == 0 {
                play.agree();
            }
        }
        play.agree();
        assert!(
            play.refused > 100,
            "the pool was full {} times",
            play.refused
        );
    }
}
