//! Random operations against a map.

mod tools;

use std::collections::HashMap;

use everline::media::Ram;
use everline_region::{RegionError, RegionId, Regions};
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
