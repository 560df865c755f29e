//! Every store of the comparison does the work that its rows time.

use std::collections::BTreeMap;

use everline_bench::kv::ycsb::{Load, Operation, Shape};
use everline_bench::kv::{KEY_BYTES, OURS, Promise, Store, VALUE_BYTES, key, load, peers};

/// All of them, in folders of their own.
fn each(work: impl Fn(&Store, Promise)) {
    for store in std::iter::once(OURS).chain(peers()) {
        for promise in [Promise::Memory, Promise::Synced] {
            work(&store, promise);
        }
    }
}

#[test]
fn every_store_has_what_was_put_and_scans_it_in_order() {
    const KEYS: u64 = 2_500;
    each(|store, promise| {
        let folder = tempfile::tempdir().expect("a folder");
        let open = (store.open)(folder.path(), promise);
        load(open.as_ref(), KEYS);
        let replaced = key(7);
        open.put(&replaced, b"short");
        let (name, mut value) = (open.name(), Vec::new());
        for number in 0..KEYS {
            assert!(open.get(&key(number), &mut value), "{name}");
            let len = if number == 7 { 5 } else { VALUE_BYTES };
            assert_eq!(value.len(), len, "{name}");
        }
        assert!(!open.get(&key(KEYS), &mut value), "{name}");
        let mut keys: Vec<_> = (0..KEYS).map(key).collect();
        keys.sort_unstable();
        for from in [0, 1_000, 2_450] {
            let expected: usize = keys[from..]
                .iter()
                .take(100)
                .map(|key| KEY_BYTES + if *key == replaced { 5 } else { VALUE_BYTES })
                .sum();
            assert_eq!(open.scan(&keys[from], 100), expected, "{name} from {from}");
        }
        // What is opened again has it all.
        drop(open);
        let open = (store.open)(folder.path(), promise);
        assert!(
            open.get(&replaced, &mut value) && value == b"short",
            "{name}"
        );
    });
}

#[test]
fn every_store_agrees_with_a_map_on_every_shape() {
    for shape in [Shape::A, Shape::B, Shape::C, Shape::D, Shape::E, Shape::F] {
        each(|store, promise| {
            if promise == Promise::Synced {
                return;
            }
            let folder = tempfile::tempdir().expect("a folder");
            let open = (store.open)(folder.path(), promise);
            let mut map: BTreeMap<_, _> = (0..300).map(|number| (key(number), 0)).collect();
            map.iter()
                .for_each(|(key, turn)| open.put(key, &[*turn; 20]));
            let mut operations = Load::new(300, 1, 9);
            let mut value = Vec::new();
            for turn in 0..400 {
                let turn = turn as u8;
                match operations.next(shape) {
                    Operation::Update(key) | Operation::Insert(key) => {
                        open.put(&key, &[turn; 20]);
                        map.insert(key, turn);
                    }
                    Operation::Scan(from, count) => {
                        let expected = map.range(from..).take(count).count() * (KEY_BYTES + 20);
                        assert_eq!(open.scan(&from, count), expected, "{}", open.name());
                    }
                    Operation::Read(key) | Operation::ReadUpdate(key) => {
                        assert!(open.get(&key, &mut value), "{}", open.name());
                        assert_eq!(value, [map[&key]; 20], "{}", open.name());
                    }
                }
            }
        });
    }
}
