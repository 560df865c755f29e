//! Configurations: what is accepted, what is refused, and what the refusal says.
#![cfg(unix)]

use everline::media::Domain;
use everline_region::{
    ConfigError, RecoveryMode, RequestConfig, TargetConfig, TargetKind, TransferConfig,
};
use serde_json::{Value, json};

fn refused(value: Value) -> (ConfigError, String) {
    let error = TargetConfig::from_json(&value.to_string()).expect_err("wrong");
    let text = error.to_string();
    (error, text)
}

#[test]
fn a15_an_unknown_key_is_refused_with_the_key_it_resembles() {
    for (value, key, suggestion) in [
        (json!({"sise": 1}), "sise", Some("size")),
        (
            json!({"type": "pmem", "config": {"path": "p", "sise": 1}}),
            "sise",
            Some("size"),
        ),
        (json!({"path": "p", "laness": 1}), "laness", Some("lanes")),
        (
            json!({"path": "p", "overide_if_exists": true}),
            "overide_if_exists",
            Some("override_if_exists"),
        ),
        (json!({"typ": "pmem", "path": "p"}), "typ", Some("type")),
        (
            json!({"type": "memory", "config": {}, "transfer_maneger": {}}),
            "transfer_maneger",
            Some("transfer_manager"),
        ),
        (json!({"path": "p", "zzz": 1}), "zzz", None),
    ] {
        let (error, text) = refused(value);
        let ConfigError::UnknownKey {
            key: found,
            suggestion: suggested,
            ..
        } = &error
        else {
            panic!("{text}");
        };
        assert_eq!((found.as_str(), *suggested), (key, suggestion));
        assert!(text.contains(key) && text.contains("known are"), "{text}");
        if let Some(suggestion) = suggestion {
            assert!(
                text.contains(&format!("did you mean \"{suggestion}\"?")),
                "{text}"
            );
        }
    }
}

#[test]
fn a15_aliases_are_accepted_and_two_values_for_one_field_are_not() {
    let config = TargetConfig::from_json(
        r#"{"type": "pmdk", "config": {"path": "p", "create_if_missing_with_size": 8388608,
            "destroy": true, "capacity": "1GiB", "num_threads": 8, "require": "eadr"}}"#,
    )
    .expect("aliases");
    assert_eq!(config.kind, TargetKind::Pmem);
    assert_eq!(
        (config.size, config.max_size),
        (Some(8 << 20), Some(1 << 30))
    );
    assert!(config.override_if_exists && config.makes_missing());
    assert_eq!(config.requests.workers, 8);
    assert_eq!(config.require, Some(Domain::CpuCache));
    for alias in ["erase", "destroy", "overwrite", "override_if_exists"] {
        let value = json!({"path": "p", "size": "1MiB", alias: true});
        let config = TargetConfig::from_json(&value.to_string()).expect("an alias");
        assert!(config.override_if_exists, "{alias}");
    }
    let (error, text) = refused(json!({"path": "p", "size": 1, "create_if_missing_with_size": 2}));
    assert!(matches!(error, ConfigError::Twice { .. }), "{text}");
    let same = json!({"path": "p", "size": 7, "create_if_missing_with_size": 7});
    TargetConfig::from_json(&same.to_string()).expect("one value");
}

#[test]
fn every_field_says_what_it_must_be() {
    for (field, value) in [
        ("path", json!(7)),
        ("size", json!(-1)),
        ("size", json!("16 melons")),
        ("size", json!(1.5)),
        ("create_if_missing", json!("yes")),
        ("override_if_exists", json!(1)),
        ("grow_if_smaller", json!([])),
        ("max_size", json!(true)),
        ("read_only", json!("no")),
        ("layout", json!("x".repeat(65))),
        ("require", json!("lots")),
        ("reserve", json!(0)),
        ("assume_persistent", json!({})),
        ("allow_foreign_fs", json!(0)),
        ("prefault", json!("p")),
        ("catch_sigbus", json!(3)),
        ("lanes", json!(1u64 << 40)),
        ("workers", json!("four")),
        ("workers", json!(0)),
        ("workers", json!(1025)),
        ("queue_depth", json!(0)),
        ("eager_threshold", json!(-4)),
    ] {
        let mut object = json!({"path": "p"});
        object[field] = value.clone();
        let (error, text) = refused(object);
        let ConfigError::Value {
            field: named,
            value: told,
            rule,
        } = &error
        else {
            panic!("{field}: {text}");
        };
        assert_eq!(
            (named.as_str(), told.as_str()),
            (field, value.to_string().as_str())
        );
        assert!(rule.starts_with("must be") && text.contains(rule), "{text}");
    }
    for value in [
        json!(7),
        json!("text"),
        json!([1]),
        json!({"type": "pmem", "config": 7}),
    ] {
        let (error, text) = refused(value);
        assert!(matches!(error, ConfigError::Value { .. }), "{text}");
    }
    let error = TargetConfig::from_json("{\"path\": ").expect_err("cut short");
    assert!(error.to_string().contains("line 1"), "{error}");
}

#[test]
fn fields_that_contradict_each_other_are_named() {
    for (value, first, second) in [
        (json!({}), "path", "file"),
        (json!({"path": ""}), "path", "file"),
        (
            json!({"path": "p", "override_if_exists": true}),
            "size",
            "override_if_exists",
        ),
        (
            json!({"path": "p", "create_if_missing": true}),
            "size",
            "create_if_missing",
        ),
        (
            json!({"path": "p", "grow_if_smaller": true}),
            "size",
            "grow_if_smaller",
        ),
        (
            json!({"path": "p", "size": 1, "read_only": true, "erase": true}),
            "read_only",
            "override_if_exists",
        ),
        (
            json!({"path": "p", "size": 1, "read_only": true, "grow_if_smaller": true}),
            "read_only",
            "grow_if_smaller",
        ),
        (
            json!({"type": "memory", "read_only": true}),
            "read_only",
            "memory",
        ),
    ] {
        let (_, text) = refused(value);
        assert!(text.contains(first) && text.contains(second), "{text}");
    }
}

fn pipeline() -> Value {
    json!({
        "num_pools": 4, "num_buffers_per_pool": 8,
        "first_buffer_size": 1048576, "buffer_size_multiplier": 2,
    })
}

fn manager(config: Value) -> Value {
    json!({"type": "memory", "config": {}, "transfer_manager": {"type": "pipeline", "config": config}})
}

#[test]
fn c9_each_bad_value_of_a_transfer_configuration_is_named() {
    let good = TargetConfig::from_json(&manager(pipeline()).to_string()).expect("documented");
    let expected = TransferConfig {
        num_pools: 4,
        num_buffers_per_pool: 8,
        first_buffer_size: 1 << 20,
        buffer_size_multiplier: 2,
    };
    assert_eq!(good.transfer, Some(expected));
    assert_eq!(expected.largest_buffer(), Some(8 << 20));

    for field in [
        "num_pools",
        "num_buffers_per_pool",
        "first_buffer_size",
        "buffer_size_multiplier",
    ] {
        for bad in [json!(0), json!(-1), json!("many"), json!(1.5)] {
            let mut config = pipeline();
            config[field] = bad;
            let (error, text) = refused(manager(config));
            assert!(
                matches!(&error, ConfigError::Value { field: named, .. } if named == field),
                "{text}"
            );
            assert!(text.contains(field), "{text}");
        }
        let mut config = pipeline();
        config.as_object_mut().expect("an object").remove(field);
        let (error, text) = refused(manager(config));
        assert!(
            matches!(error, ConfigError::Missing { field: named, .. } if named == field),
            "{text}"
        );
        assert!(
            text.starts_with(&format!("\"{field}\" is missing")),
            "{text}"
        );
    }
    let mut config = pipeline();
    config["buffer_size_multiplier"] = json!(1);
    let (_, text) = refused(manager(config));
    assert_eq!(
        text,
        "\"buffer_size_multiplier\" is 1: it must be more than 1"
    );
    let mut config = pipeline();
    config["num_pools"] = json!(64);
    let (_, text) = refused(manager(config));
    assert!(text.contains("first_buffer_size"), "{text}");
    let mut config = pipeline();
    config["num_pool"] = json!(1);
    let (_, text) = refused(manager(config));
    assert!(text.contains("did you mean \"num_pools\"?"), "{text}");
    let (_, text) = refused(json!({"type": "memory", "transfer_manager": {"type": "teleport"}}));
    assert!(
        text.contains("teleport") && text.contains("pipeline"),
        "{text}"
    );
}

#[test]
fn c9_both_spellings_of_a_pipeline_are_read() {
    let older = manager(json!({"num_threads": 4, "pipeline_size": 8388608}));
    let config = TargetConfig::from_json(&older.to_string()).expect("documented");
    let expected = TransferConfig {
        num_pools: 1,
        num_buffers_per_pool: 4,
        first_buffer_size: 2 << 20,
        buffer_size_multiplier: 2,
    };
    assert_eq!(config.transfer, Some(expected));
    let (_, text) = refused(manager(json!({"num_threads": 4})));
    assert!(text.contains("pipeline_size"), "{text}");
    let mut multiple = pipeline();
    multiple["buffer_size_multiple"] = json!(3);
    multiple
        .as_object_mut()
        .expect("an object")
        .remove("buffer_size_multiplier");
    let config = TargetConfig::from_json(&manager(multiple).to_string()).expect("an alias");
    assert_eq!(
        config.transfer.expect("a pipeline").buffer_size_multiplier,
        3
    );
    for none in [
        json!({}),
        json!({"type": "__default__"}),
        json!({"type": "default", "config": {}}),
    ] {
        let value = json!({"type": "memory", "transfer_manager": none});
        let config = TargetConfig::from_json(&value.to_string()).expect("no pipeline");
        assert_eq!(config.transfer, None);
    }
}

#[test]
fn every_field_survives_its_own_json() {
    let config = TargetConfig {
        path: Some("p".into()),
        size: Some(7),
        create_if_missing: Some(false),
        override_if_exists: true,
        grow_if_smaller: true,
        recovery: RecoveryMode::Full,
        max_size: Some(70),
        layout: everline::layout::LayoutName::new("mine"),
        require: Some(Domain::Device),
        reserve: true,
        assume_persistent: true,
        allow_foreign_fs: true,
        prefault: true,
        catch_sigbus: true,
        lanes: Some(3),
        requests: RequestConfig {
            workers: 9,
            queue_depth: 8,
            eager_threshold: 7,
        },
        transfer: Some(TransferConfig {
            num_pools: 1,
            num_buffers_per_pool: 2,
            first_buffer_size: 3,
            buffer_size_multiplier: 4,
        }),
        ..TargetConfig::default()
    };
    let text = serde_json::to_string(&config).expect("text");
    assert_eq!(TargetConfig::from_json(&text).expect("its own"), config);
    let memory = TargetConfig::memory(9);
    let text = serde_json::to_string(&memory).expect("text");
    assert_eq!(TargetConfig::from_json(&text).expect("its own"), memory);
    let error = serde_json::from_str::<TargetConfig>(r#"{"sise": 1}"#).expect_err("unknown");
    assert!(error.to_string().contains("size"), "{error}");
}
