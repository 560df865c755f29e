//! The black-box flows that a user of a region service runs, over every kind of target, waiting and not waiting.
#![cfg(unix)]

mod tools;

use everline_region::{
    Extent, Provider, RegionError, RegionId, Target, TargetConfig, TargetKind, WriteMode, wait_all,
};
use serde_json::json;
use tools::backends::for_each_backend;
use tools::*;

const MIB: u64 = 1 << 20;

/// Flow 1: create, write, read, persist, erase, with the offsets 100 and 500.
#[test]
fn b1_b6_b14_b23_wt_create_write_read_and_erase() {
    for_each_backend(|backend| {
        let target = backend.open(10 * MIB);
        let data = pattern(196, 1);
        let id = target.create(1000, &UNNAMED).expect("space");
        for at in [100, 500] {
            target.write(id, at, &data).expect("inside");
            let mut read = vec![0; 196];
            target.read(id, at, &mut read).expect("inside");
            assert_eq!(read, data);
            target.persist(id, at, 196).expect("inside");
        }
        let bytes = target.read_all(id).expect("there");
        for (at, byte) in bytes.iter().enumerate() {
            let expected = match at {
                100..296 => data[at - 100],
                500..696 => data[at - 500],
                _ => 0,
            };
            assert_eq!(*byte, expected, "at {at}");
        }
        let with = target.create_with(&data, &UNNAMED).expect("space");
        assert_eq!(target.read_all(with).expect("there"), data);
        for id in [id, with] {
            target.destroy(id).expect("there");
            assert_eq!(
                target.read(id, 0, &mut [0]),
                Err(RegionError::InvalidRegion { id })
            );
        }
    });
}

/// Flow 2: one buffer scattered over ranges, and gathered again.
#[test]
fn b7_b8_wt_scatter_and_gather() {
    for_each_backend(|backend| {
        let target = backend.open(10 * MIB);
        let data = pattern(196, 2);
        let id = target.create(1000, &UNNAMED).expect("space");
        let list = [
            Extent::new(600, 96),
            Extent::new(10, 60),
            Extent::new(300, 40),
        ];
        target
            .scatter(id, &data, &list, WriteMode::Durable)
            .expect("inside");
        let mut read = vec![0; 196];
        target.gather(id, &list, &mut read).expect("inside");
        assert_eq!(read, data);
        let bytes = target.read_all(id).expect("there");
        assert_eq!(bytes[600..696], data[..96]);
        assert_eq!(bytes[10..70], data[96..156]);
        assert_eq!(bytes[300..340], data[156..]);
        assert_eq!(
            bytes.iter().filter(|byte| **byte != 0).count(),
            data.iter().filter(|byte| **byte != 0).count()
        );
    });
}

/// Flow 3: identifiers that are none.
#[test]
fn b26_wt_invalid_identifiers_are_refused_by_every_operation() {
    for_each_backend(|backend| {
        let target = backend.open(10 * MIB);
        target.put("a", b"something is there").expect("space");
        for bytes in [[234; 16], [0; 16], [0xFF; 16]] {
            let id = RegionId::from_bytes(bytes);
            let invalid = Err(RegionError::InvalidRegion { id });
            assert_eq!(target.write(id, 0, b"x"), invalid);
            assert_eq!(target.read(id, 0, &mut [0]), invalid);
            assert_eq!(target.persist(id, 0, 1), invalid);
            assert_eq!(target.destroy(id), invalid);
            assert_eq!(target.size(id).map(drop), invalid);
            let list = [Extent::new(0, 1)];
            assert_eq!(target.scatter(id, b"x", &list, WriteMode::Durable), invalid);
            assert_eq!(target.gather(id, &list, &mut [0]), invalid);
        }
    });
}

/// Flow 4: the same without waiting.
#[test]
fn c1_wt_the_flows_without_waiting() {
    for_each_backend(|backend| {
        let target = backend.open(10 * MIB);
        let requests = target.requests().expect("threads");
        let data = pattern(196, 4);
        let id = requests
            .create(1000, &UNNAMED)
            .into_output()
            .expect("once")
            .expect("space");
        let writes = [100, 500].map(|at| requests.write(id, at, data.clone()));
        let reads = [100, 500].map(|at| requests.read(id, at, vec![0; 196]));
        wait_all(&writes).expect("inside");
        for read in reads {
            assert_eq!(read.into_output(), Some((Ok(()), data.clone())));
        }
        let list = vec![Extent::new(0, 96), Extent::new(800, 100)];
        let scattered = requests.scatter(id, data.clone(), list.clone(), WriteMode::Durable);
        let gathered = requests.gather(id, list, vec![0; 196]);
        scattered.wait().expect("inside");
        assert_eq!(gathered.into_output(), Some((Ok(()), data.clone())));
        requests.persist(id, 0, 1000).wait().expect("inside");
        let (with, _) = requests
            .create_with(data.clone(), &UNNAMED)
            .into_output()
            .expect("once");
        let with = with.expect("space");
        assert_eq!(
            requests.read_all(with).into_output(),
            Some(Ok(data.clone()))
        );
        requests.destroy(with).wait().expect("there");
        let stranger = RegionId::from_bytes([234; 16]);
        for at in [id, with, stranger] {
            let outcome = requests.read(at, 0, vec![0]).wait();
            assert_eq!(outcome.is_ok(), at == id);
        }
        assert!(requests.write(stranger, 0, vec![1]).wait().is_err());
        assert!(requests.persist(stranger, 0, 1).wait().is_err());
        assert!(requests.destroy(stranger).wait().is_err());
    });
}

/// Flow 5: sixteen regions of 196 bytes in another root, by the same identifiers, each copied as well.
#[test]
fn b28_b37_wt_sixteen_regions_are_found_in_another_root() {
    for_each_backend(|backend| {
        let target = backend.open(10 * MIB);
        let made: Vec<(RegionId, Vec<u8>)> = (0..16u8)
            .map(|number| {
                let data = pattern(196, number);
                (target.create_with(&data, &UNNAMED).expect("space"), data)
            })
            .collect();
        let other = Target::open(TargetConfig::memory(10 * MIB)).expect("memory");
        for (id, data) in &made {
            let copy = target.copy_to(*id, &other, None).expect("space");
            assert_eq!(other.read_all(copy).expect("there"), *data);
            assert_eq!(target.read_all(*id).expect("kept"), *data);
            assert_eq!(
                other.read_all(*id),
                Err(RegionError::InvalidRegion { id: *id })
            );
        }
        if backend.kind == TargetKind::Memory {
            return;
        }
        target.close().expect("whole");
        let root = backend.home().join("another/root");
        std::fs::create_dir_all(&root).expect("made");
        std::fs::rename(backend.path(), root.join("pool.pmem")).expect("moved");
        let gone = TargetConfig {
            size: None,
            ..backend.config(10 * MIB)
        };
        assert!(Target::open(gone).is_err(), "the source is gone");
        // Either kind opens what the other made.
        for moved in [TargetConfig::pmem(&root), TargetConfig::file(&root)] {
            let target = Target::open(moved).expect("there");
            assert_eq!(target.count(), Ok(16));
            for (id, data) in &made {
                assert_eq!(target.read_all(*id).expect("the same identifier"), *data);
            }
            target.close().expect("whole");
        }
    });
}

/// Flow 6: a provider tells its configuration, and that opens it again.
#[test]
fn a17_wt_a_provider_is_opened_again_by_its_own_configuration() {
    for_each_backend(|backend| {
        let document = json!({
            "target": backend.config(10 * MIB),
            "transfer_manager": {"type": "pipeline", "config": {
                "num_pools": 4, "num_buffers_per_pool": 4,
                "first_buffer_size": 128, "buffer_size_multiplier": 2,
            }},
        });
        let provider = Provider::new(42, &document.to_string()).expect("documented");
        let target = provider.target(0).expect("the only one");
        let id = target.put("a", b"data").expect("space");
        let told = provider.config_json();
        let first = &told["targets"][0];
        assert_eq!(first["type"], backend.name());
        assert_eq!(first["config"]["size"], 10 * MIB);
        assert_eq!(first["transfer_manager"]["type"], "pipeline");
        assert_eq!(
            first["transfer_manager"]["config"]["first_buffer_size"],
            128
        );
        provider.close().expect("whole");
        let again = Provider::new(42, &told.to_string()).expect("its own");
        assert_eq!(again.config_json(), told);
        let target = again.target(0).expect("the only one");
        let there = target.read_all(id);
        assert_eq!(
            there.is_ok(),
            backend.kind != TargetKind::Memory,
            "memory begins empty"
        );
    });
}
