//! Several targets from one document: the documented JSON as it stands, in this process.
#![cfg(unix)]

use everline_region::{ConfigError, Provider, RegionError, RegionOptions, TargetError, TargetKind};
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

fn provider(value: &Value) -> Result<Provider, TargetError> {
    Provider::new(42, &value.to_string())
}

fn refused(value: &Value) -> String {
    provider(value).expect_err("wrong").to_string()
}

#[test]
fn l3_the_documented_json_opens_as_it_stands() {
    let home = tempfile::tempdir().expect("a directory for tests");
    let directory = home.path().join("warabi");
    std::fs::create_dir(&directory).expect("made");
    let target = json!({"type": "pmem", "config": {"path": directory, "size": 8 * MIB}});
    let of_target = json!({"type": "pmem", "config": {
        "path": directory.join("pool.pmem"),
        "create_if_missing_with_size": 8 * MIB,
        "override_if_exists": false,
    }});
    let inner = json!({"targets": [target]});
    let envelope =
        json!({"type": "warabi", "name": "my_provider", "provider_id": 42, "config": inner});
    let deployment = json!({
        "libraries": {"warabi": "libwarabi-bedrock-module.so"},
        "providers": [
            {"type": "yokan", "name": "metadata", "provider_id": 42, "config": {"databases": []}},
            envelope,
        ],
    });
    let pipeline =
        json!({"type": "pipeline", "config": {"num_threads": 8, "pipeline_size": 16 * MIB}});
    let mut id = None;
    for document in [
        inner.clone(),
        json!({"config": inner}),
        json!({"target": of_target}),
        json!({"targets": [target], "transfer_manager": pipeline}),
        envelope,
        deployment,
    ] {
        let provider = provider(&document).unwrap_or_else(|error| panic!("{document}: {error}"));
        assert_eq!((provider.id(), provider.targets().len()), (42, 1));
        let target = provider.target(0).expect("the only one");
        assert_eq!(target.report().created, id.is_none());
        let id = *id.get_or_insert_with(|| target.put("a", b"data").expect("space"));
        assert_eq!(
            target.read_all(id).expect("one pool, six documents"),
            b"data"
        );
        assert!(provider.target(1).is_none());
        provider.close().expect("whole");
    }
    assert!(directory.join("pool.pmem").is_file());
}

#[test]
fn l3_identifiers_of_two_targets_do_not_cross() {
    let home = tempfile::tempdir().expect("a directory for tests");
    let document = json!({"targets": [
        {"type": "memory", "config": {}},
        {"type": "pmem", "config": {"path": home.path(), "size": MIB}},
    ]});
    let provider = provider(&document).expect("two targets");
    let [memory, pmem] = provider.targets() else {
        panic!("two targets")
    };
    assert_eq!(
        (memory.report().kind, pmem.report().kind),
        (TargetKind::Memory, TargetKind::Pmem)
    );
    let here = memory
        .create_with(b"hot", &RegionOptions::default())
        .expect("space");
    let there = pmem
        .create_with(b"warm", &RegionOptions::default())
        .expect("space");
    assert_eq!(memory.read_all(here).expect("its own"), b"hot");
    assert_eq!(pmem.read_all(there).expect("its own"), b"warm");
    assert_eq!(
        memory.read_all(there),
        Err(RegionError::InvalidRegion { id: there })
    );
    assert_eq!(
        pmem.write(here, 0, b"x"),
        Err(RegionError::InvalidRegion { id: here })
    );
    let in_force = provider.config_json();
    assert_eq!(in_force["targets"].as_array().map(Vec::len), Some(2));
    provider.close().expect("whole");
    let again = Provider::new(7, &in_force.to_string()).expect("a document like any other");
    assert_eq!(
        again
            .target(1)
            .expect("pmem")
            .read_all(there)
            .expect("there"),
        b"warm"
    );
}

#[test]
fn l3_a_shared_transfer_manager_reaches_each_target_that_has_none() {
    let pipeline = |pools| {
        json!({"type": "pipeline", "config": {"num_pools": pools, "num_buffers_per_pool": 4,
            "first_buffer_size": 128, "buffer_size_multiple": 2}})
    };
    let document = json!({
        "targets": [
            {"type": "memory", "config": {}},
            {"type": "memory", "config": {}, "transfer_manager": pipeline(3)},
        ],
        "transfer_manager": pipeline(4),
    });
    let provider = provider(&document).expect("documented");
    let pools = provider
        .targets()
        .iter()
        .map(|target| target.config().transfer);
    let pools: Vec<_> = pools
        .map(|transfer| transfer.expect("a pipeline").num_pools)
        .collect();
    assert_eq!(pools, [4, 3]);
}

#[test]
fn l3_invalid_documents_and_targets_are_named() {
    let good = json!({"type": "memory", "config": {}});
    let text = refused(&json!({"targets": [good, {"type": "bla", "config": {}}]}));
    assert_eq!(
        text,
        "target 1 of provider 42: Unknown target type: bla; the types are pmem (or pmdk), file (or abt-io) and memory"
    );
    let text = refused(&json!({"targets": [{"type": "pmem", "config": {}}]}));
    assert!(
        text.contains("target 0 of provider 42") && text.contains("\"path\""),
        "{text}"
    );
    let text =
        refused(&json!({"targets": [good, {"type": "pmem", "config": {"path": "/none/such"}}]}));
    assert!(
        text.contains("target 1 of provider 42 (pmem): /none/such") && text.contains("size"),
        "{text}"
    );
    for (document, word) in [
        (json!({}), "targets"),
        (json!({"targets": {}}), "array"),
        (json!({"targets": [], "target": {}}), "exclude"),
        (
            json!({"target": good, "targets_": []}),
            "did you mean \"targets\"?",
        ),
        (json!({"providers": []}), "provider_id"),
        (
            json!({"providers": [{"type": "warabi", "provider_id": 41, "config": {}}]}),
            "42",
        ),
        (json!({"providers": 3}), "array of providers"),
        (
            json!({"provider_id": 41, "config": {"target": good}}),
            "provider_id",
        ),
        (
            json!({"type": "yokan", "provider_id": 42, "config": {}}),
            "yokan",
        ),
        (json!({"provider_id": 42}), "config"),
        (json!([]), "object"),
    ] {
        let text = refused(&document);
        assert!(text.contains(word), "{document}: {text}");
    }
    let error = Provider::new(42, "{").expect_err("cut short");
    assert!(
        matches!(error, TargetError::Config(ConfigError::NotJson { .. })),
        "{error}"
    );
    let none = provider(&json!({"targets": []})).expect("no target, and none was asked for");
    assert!(none.targets().is_empty());
}
