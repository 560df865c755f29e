//! The persistent memory module: its README, its operations under two executors, its lifetime, its configuration.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use everline::media::file::FileError;
use everline_kv::module::{
    Initialized, ModuleError, PMEMConfig, PMEMMetrics, PersistenceMode, PersistentMemoryModule,
};
use everline_kv::{KvError, ManualClock, SpaceKey, TxState};
use everline_region::{ConfigError, RecoveryMode, Target, TargetConfig, TargetError};
use serde_json::{Value, json};

/// Wakes a thread that is parked: all of a runtime that the module needs.
struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The barest executor.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn tokio() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).build().expect("a runtime")
}

/// Runs a scenario under the barest executor and under tokio, each time in a directory of its own.
fn everywhere<F: Future<Output = ()> + Send + 'static>(scenario: impl Fn(Home) -> F) {
    block_on(scenario(Home::new()));
    tokio().block_on(async { tokio::spawn(scenario(Home::new())).await.expect("no panic") });
}

/// A storage path that is gone with the test.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let made = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        Home(made.expect("a directory for tests"))
    }

    /// Not there yet.
    fn path(&self) -> PathBuf {
        self.0.path().join("pmem")
    }

    fn file(&self) -> PathBuf {
        self.path().join("pool.pmem")
    }

    fn config(&self) -> PMEMConfig {
        PMEMConfig {
            storage_path: self.path(),
            size: 4 << 20,
            ..PMEMConfig::default()
        }
    }

    fn module(&self) -> PersistentMemoryModule {
        PersistentMemoryModule::new(self.config())
    }

    async fn open(&self) -> PersistentMemoryModule {
        let module = self.module();
        module.initialize().await.expect("opens");
        module
    }

    /// The value of `key` in a copy of the file as it is now: the most that a power cut leaves.
    fn after_crash(&self, key: &str) -> Option<Vec<u8>> {
        let copy = Home::new();
        fs::create_dir(copy.path()).expect("made");
        fs::copy(self.file(), copy.file()).expect("copied");
        block_on(async {
            let module = copy.open().await;
            module.get(key, None).await.expect("readable")
        })
    }
}

fn some(bytes: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, ModuleError> {
    Ok(Some(bytes.as_ref().to_vec()))
}

#[test]
fn the_quick_start_of_the_readme_runs() {
    everywhere(|home| async move {
        let config = PMEMConfig {
            storage_path: home.path(),
            size: 1024 * 1024 * 100,
            persistence_mode: PersistenceMode::Sync,
            enable_wal: true,
            ..PMEMConfig::default()
        };
        let module = PersistentMemoryModule::new(config);
        assert_eq!(module.initialize().await, Ok(Initialized::Created));

        // Simple operations.
        let alice = br#"{"name": "Alice"}"#;
        module.put("user:1", alice, None).await.expect("stored");
        assert_eq!(module.get("user:1", None).await, some(alice));

        // A transaction, aborted where anything in it fails.
        let (one, two) = (br#"{"balance": 1000}"#, br#"{"balance": 2000}"#);
        let tx = module.begin_transaction().await.expect("begun");
        let work = async {
            module.put("account:1", one, Some(&tx)).await?;
            module.put("account:2", two, Some(&tx)).await?;
            module.commit(&tx).await
        };
        if work.await.is_err() {
            module.abort(&tx).await.expect("aborted");
        }
        module.shutdown().await.expect("closed");

        let module = PersistentMemoryModule::new(module.config().clone());
        assert_eq!(module.initialize().await, Ok(Initialized::Opened));
        assert_eq!(module.get("account:1", None).await, some(one));
        assert_eq!(module.get("account:2", None).await, some(two));
    });
}

#[test]
fn the_transaction_api_of_the_readme_runs() {
    everywhere(|home| async move {
        let module = home.open().await;
        let tx_id = module.begin_transaction().await.expect("begun");
        module
            .put("key1", b"value1", Some(&tx_id))
            .await
            .expect("kept");
        module
            .put("key2", b"value2", Some(&tx_id))
            .await
            .expect("kept");
        assert_eq!(module.get("key1", Some(&tx_id)).await, some("value1"));
        assert_eq!(
            module.get("key1", None).await,
            Ok(None),
            "nobody else sees it"
        );
        assert_eq!(module.commit(&tx_id).await, Ok(true));
        assert_eq!(module.get("key2", None).await, some("value2"));

        let tx_id = module.begin_transaction().await.expect("begun");
        module
            .put("key1", b"other", Some(&tx_id))
            .await
            .expect("kept");
        assert_eq!(module.abort(&tx_id).await, Ok(true));
        assert_eq!(module.get("key1", None).await, some("value1"));
    });
}

#[test]
fn the_example_of_the_original_runs() {
    everywhere(|home| async move {
        let config = PMEMConfig {
            size: 1024 * 1024,
            ..home.config()
        };
        let module = PersistentMemoryModule::new(config);
        module.initialize().await.expect("made");
        module.put("key1", b"value1", None).await.expect("stored");
        let tx = module.begin_transaction().await.expect("begun");
        module
            .put("key2", b"value2", Some(&tx))
            .await
            .expect("kept");
        module
            .put("key3", b"value3", Some(&tx))
            .await
            .expect("kept");
        assert_eq!(module.commit(&tx).await, Ok(true));
        let tx = module.begin_transaction().await.expect("begun");
        module
            .put("key4", b"value4", Some(&tx))
            .await
            .expect("kept");
        assert_eq!(module.abort(&tx).await, Ok(true));
        assert_eq!(module.get("key4", None).await, Ok(None));
        let metrics = module.get_metrics().expect("sound");
        assert_eq!(metrics.num_transactions, 2);
        module.shutdown().await.expect("closed");
    });
}

#[test]
fn f1_identifiers_are_unique_and_states_observable() {
    everywhere(|home| async move {
        let module = home.open().await;
        let mut ids = BTreeSet::new();
        for round in 0..2 {
            let mut own = BTreeSet::new();
            for _ in 0..100 {
                own.insert(module.begin_transaction().await.expect("begun"));
            }
            let open = module.transactions().expect("open");
            assert_eq!((own.len(), open.len()), (100, 100), "round {round}");
            for (id, info) in &open {
                assert!(
                    own.contains(id) && info.state == TxState::Active,
                    "{id}: {info:?}"
                );
                assert_eq!(id.len(), 36, "{id}");
            }
            assert!(ids.is_disjoint(&own), "round {round}");
            ids.append(&mut own);
            module.shutdown().await.expect("closed");
            module.initialize().await.expect("again");
        }
        // One of another time is not taken for one of now.
        module.begin_transaction().await.expect("begun");
        for id in &ids {
            assert_eq!(module.commit(id).await, Ok(false));
        }
    });
}

#[test]
fn f4_f12_an_abort_leaves_nothing_and_deletes_are_real() {
    everywhere(|home| async move {
        let module = home.open().await;
        module.put("kept", b"1", None).await.expect("stored");
        let tx = module.begin_transaction().await.expect("begun");
        module.put("kept", b"2", Some(&tx)).await.expect("kept");
        assert_eq!(module.delete("kept", Some(&tx)).await, Ok(true));
        assert_eq!(module.delete("kept", Some(&tx)).await, Ok(false));
        assert_eq!(module.get("kept", Some(&tx)).await, Ok(None));
        assert_eq!(module.abort(&tx).await, Ok(true));
        assert_eq!(module.get("kept", None).await, some("1"));
        let tx = module.begin_transaction().await.expect("begun");
        assert_eq!(module.delete("kept", Some(&tx)).await, Ok(true));
        assert_eq!(module.commit(&tx).await, Ok(true));
        assert_eq!(home.after_crash("kept"), None);
        assert_eq!(module.delete("kept", None).await, Ok(false));
    });
}

#[test]
fn f8_of_two_writers_one_is_told_of_the_conflict() {
    everywhere(|home| async move {
        let module = home.open().await;
        let one = module.begin_transaction().await.expect("begun");
        let two = module.begin_transaction().await.expect("begun");
        for tx in [&one, &two] {
            module.put("n", tx, Some(tx)).await.expect("kept");
        }
        assert_eq!(module.commit(&one).await, Ok(true));
        let lost = module.commit(&two).await;
        let is_conflict =
            |error: &ModuleError| matches!(error, ModuleError::Store(KvError::Conflict { .. }));
        assert!(lost.as_ref().is_err_and(is_conflict), "{lost:?}");
        assert_eq!(module.commit(&two).await, Ok(false), "it has ended");
        assert_eq!(module.get("n", None).await, some(one));
    });
}

#[test]
fn f10_an_unknown_or_finished_transaction_is_refused_by_every_operation() {
    everywhere(|home| async move {
        let module = home.open().await;
        let ended = module.begin_transaction().await.expect("begun");
        assert_eq!(module.commit(&ended).await, Ok(true));
        let aborted = module.begin_transaction().await.expect("begun");
        assert_eq!(module.abort(&aborted).await, Ok(true));
        for id in [
            ended.as_str(),
            &aborted,
            "",
            "no such transaction",
            "00000000-0000",
        ] {
            assert_eq!(module.commit(id).await, Ok(false), "{id}");
            assert_eq!(module.abort(id).await, Ok(false), "{id}");
            let missing = || ModuleError::NoTransaction { id: id.to_owned() };
            assert_eq!(module.put("k", b"v", Some(id)).await, Err(missing()));
            assert_eq!(module.get("k", Some(id)).await, Err(missing()));
            assert_eq!(module.delete("k", Some(id)).await, Err(missing()));
            assert!(
                missing()
                    .to_string()
                    .contains(&format!("Transaction {id} not found"))
            );
        }
        assert_eq!(module.get("k", None).await, Ok(None));
        let metrics = module.get_metrics().expect("sound");
        assert_eq!(
            (metrics.committed_transactions, metrics.aborted_transactions),
            (1, 1)
        );
    });
}

#[test]
fn f13_what_is_open_is_aborted_at_shutdown_and_on_drop() {
    everywhere(|home| async move {
        let module = home.open().await;
        module.put("k", b"old", None).await.expect("stored");
        let tx = module.begin_transaction().await.expect("begun");
        module.put("k", b"new", Some(&tx)).await.expect("kept");
        module.put("later", b"kept", None).await.expect("stored");
        let last = module.shutdown().await.expect("closed");
        assert_eq!(
            (last.aborted_transactions, last.active_transactions),
            (1, 0)
        );
        assert_eq!(module.get_metrics(), Ok(last), "the last ones stay");
        module.initialize().await.expect("again");
        assert_eq!(module.commit(&tx).await, Ok(false));
        assert_eq!(module.get("k", None).await, some("old"));
        assert_eq!(module.get("later", None).await, some("kept"));

        let tx = module.begin_transaction().await.expect("begun");
        module.put("k", b"new", Some(&tx)).await.expect("kept");
        drop(module);
        let module = home.open().await;
        assert_eq!(module.get("k", None).await, some("old"));
    });
}

#[test]
fn f13_i5_a_commit_beside_a_shutdown_is_told_how_it_ended_and_metrics_never_vanish() {
    let home = Home::new();
    let module = home.module();
    let mut committed = 0;
    for round in 0..30_u8 {
        block_on(module.initialize()).expect("opens");
        block_on(module.put("known", [round], None)).expect("stored");
        let open: Vec<String> = (0..8)
            .map(|_| block_on(module.begin_transaction()).expect("begun"))
            .collect();
        for (number, id) in open.iter().enumerate() {
            let key = format!("{round} {number}");
            block_on(module.put(key, b"value", Some(id))).expect("kept");
        }
        let start = std::sync::Barrier::new(3);
        std::thread::scope(|scope| {
            let committer = scope.spawn(|| {
                start.wait();
                let ends = open
                    .iter()
                    .enumerate()
                    .map(|(number, id)| match number % 4 {
                        0 => (number, block_on(module.abort(id)).map(|_| false)),
                        _ => (number, block_on(module.commit(id))),
                    });
                ends.collect::<Vec<_>>()
            });
            scope.spawn(|| {
                start.wait();
                loop {
                    let open = module.is_initialized();
                    let seen = module.get_metrics().expect("sound");
                    assert!(seen.num_writes > 0 && seen.total_size > 0, "{seen:?}");
                    if !open {
                        break;
                    }
                }
            });
            start.wait();
            block_on(module.shutdown()).expect("closed");
            let ends = committer.join().expect("no panic");
            block_on(module.initialize()).expect("opens");
            for (number, end) in ends {
                let there = block_on(module.get(format!("{round} {number}"), None));
                assert_eq!(there.expect("sound").is_some(), end == Ok(true), "{end:?}");
                committed += u32::from(end == Ok(true));
                assert!(
                    matches!(end, Ok(_) | Err(ModuleError::NotInitialized)),
                    "{end:?}"
                );
            }
            block_on(module.shutdown()).expect("closed");
        });
    }
    println!("{committed} of 180 were committed");
}

#[test]
fn i1_initializing_twice_changes_nothing_and_says_so() {
    everywhere(|home| async move {
        let module = home.module();
        assert!(!module.is_initialized());
        assert_eq!(module.initialize().await, Ok(Initialized::Created));
        module.put("k", b"v", None).await.expect("stored");
        let tx = module.begin_transaction().await.expect("begun");
        let before = module.get_metrics().expect("sound");
        assert_eq!(module.initialize().await, Ok(Initialized::Already));
        assert!(module.is_initialized());
        assert_eq!(module.get_metrics(), Ok(before));
        assert_eq!(module.transactions().expect("open").len(), 1);
        assert_eq!(module.commit(&tx).await, Ok(true));
        assert_eq!(module.get("k", None).await, some("v"));
    });
}

const OPERATIONS: [&str; 8] = [
    "begin_transaction",
    "commit",
    "abort",
    "get",
    "put",
    "delete",
    "checkpoint",
    "get_metrics",
];

/// Every operation of a module that is not initialized.
async fn assert_refused(module: &PersistentMemoryModule) {
    let no = || ModuleError::NotInitialized;
    assert_eq!(module.put("k", b"v", None).await, Err(no()));
    assert_eq!(module.put("k", b"v", Some("id")).await, Err(no()));
    assert_eq!(module.get("k", None).await, Err(no()));
    assert_eq!(module.delete("k", None).await, Err(no()));
    assert_eq!(module.begin_transaction().await, Err(no()));
    assert_eq!(module.commit("id").await, Err(no()));
    assert_eq!(module.abort("id").await, Err(no()));
    assert_eq!(module.checkpoint().await, Err(no()));
    assert_eq!(module.shutdown().await, Err(no()));
    assert_eq!(module.log_bytes(), Err(no()));
    assert!(module.transactions().is_err());
    for operation in OPERATIONS {
        let params = json!({"operation": operation, "key": "k", "value": "v"});
        assert_eq!(module.execute(params).await, Err(no()), "{operation}");
    }
    assert!(no().to_string().contains("not initialized"));
}

#[test]
fn i2_operations_outside_the_lifetime_are_refused_with_a_type() {
    everywhere(|home| async move {
        let module = home.module();
        assert_refused(&module).await;
        assert_eq!(module.get_metrics(), Ok(PMEMMetrics::default()));
        assert!(!home.path().exists(), "nothing was touched");
        module.initialize().await.expect("made");
        module.put("k", b"v", None).await.expect("stored");
        module.shutdown().await.expect("closed");
        assert_refused(&module).await;
    });
}

#[test]
fn i3_shutdown_leaves_nothing_to_replay_and_no_lock() {
    everywhere(|home| async move {
        for mode in PersistenceMode::ALL {
            let module = PersistentMemoryModule::new(PMEMConfig {
                persistence_mode: mode,
                flush_interval: 1000.0,
                ..home.config()
            });
            module.initialize().await.expect("opens");
            let key = |number| format!("{} {number}", mode.name());
            for number in 0..50 {
                module
                    .put(key(number), b"value", None)
                    .await
                    .expect("stored");
            }
            let tx = module.begin_transaction().await.expect("begun");
            module.put("open", b"x", Some(&tx)).await.expect("kept");
            module.shutdown().await.expect("closed");

            let target = Target::open(TargetConfig::pmem(home.file())).expect("nobody has it");
            let recovery = target.report().recovery;
            assert_eq!(
                (recovery.redone, recovery.undone, recovery.log_bytes),
                (0, 0, 0)
            );
            drop(target);
            let module = home.open().await;
            for number in 0..50 {
                assert_eq!(
                    module.get(key(number), None).await,
                    some("value"),
                    "{number}"
                );
            }
            assert_eq!(module.get("open", None).await, Ok(None));
        }
    });
}

#[test]
fn i4_initialized_again_the_background_works_again() {
    let home = Home::new();
    let module = PersistentMemoryModule::new(PMEMConfig {
        checkpoint_interval: 0.02,
        ..home.config()
    });
    for round in 0..2 {
        block_on(module.initialize()).expect("opens");
        block_on(module.put("k", [round], None)).expect("stored");
        let begun = Instant::now();
        while module.log_bytes().expect("open") > 0 {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "no checkpoint in round {round}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        block_on(module.shutdown()).expect("closed");
    }
    block_on(module.initialize()).expect("opens");
    assert_eq!(block_on(module.get("k", None)), some([1]));
}

#[test]
fn i5_metrics_have_their_names_and_count_a_known_mix() {
    everywhere(|home| async move {
        let module = home.open().await;
        for key in ["a", "b", "c"] {
            module.put(key, b"value", None).await.expect("stored");
        }
        assert_eq!(module.delete("c", None).await, Ok(true));
        let tx = module.begin_transaction().await.expect("begun");
        module.put("d", b"value", Some(&tx)).await.expect("kept");
        module.put("e", b"value", Some(&tx)).await.expect("kept");
        assert_eq!(module.commit(&tx).await, Ok(true));
        let tx = module.begin_transaction().await.expect("begun");
        module.put("f", b"value", Some(&tx)).await.expect("kept");
        assert_eq!(module.abort(&tx).await, Ok(true));
        let open = module.begin_transaction().await.expect("begun");
        for key in ["a", "f"] {
            module.get(key, None).await.expect("readable");
        }
        module.get("a", Some(&open)).await.expect("readable");

        let told = module.execute(json!({"operation": "get_metrics"})).await;
        let told = told.expect("sound");
        let object = told.as_object().expect("an object");
        let names: BTreeSet<&str> = object.keys().map(String::as_str).collect();
        let expected = [
            "total_size",
            "used_size",
            "num_writes",
            "num_reads",
            "num_transactions",
            "committed_transactions",
            "aborted_transactions",
            "active_transactions",
            "avg_write_latency_us",
            "recovery_time_ms",
        ];
        assert_eq!(names, BTreeSet::from(expected));
        for (name, value) in [
            ("total_size", 4 << 20),
            ("num_writes", 6),
            ("num_reads", 3),
            ("num_transactions", 3),
            ("committed_transactions", 1),
            ("aborted_transactions", 1),
            ("active_transactions", 1),
        ] {
            assert_eq!(told[name], value, "{name} of {told}");
        }
        let used = told["used_size"].as_u64().expect("a number");
        assert!(used > 0 && used < 4 << 20, "{told}");
        for name in ["avg_write_latency_us", "recovery_time_ms"] {
            assert!(
                told[name].as_f64().is_some_and(|value| value > 0.0),
                "{name} of {told}"
            );
        }
    });
}

#[test]
fn i6_the_dispatcher_knows_eight_operations_and_names_others() {
    everywhere(|home| async move {
        let module = home.open().await;
        let (ok, no) = (json!({"success": true}), json!({"success": false}));
        let put = json!({"operation": "put", "key": "k", "value": "v"});
        assert_eq!(module.execute(put).await, Ok(ok.clone()));
        let get = |key: &str| json!({"operation": "get", "key": key});
        assert_eq!(module.execute(get("k")).await, Ok(json!({"value": "v"})));
        assert_eq!(
            module.execute(get("none")).await,
            Ok(json!({"value": null}))
        );
        let begun = module
            .execute(json!({"operation": "begin_transaction"}))
            .await;
        let begun = begun.expect("begun");
        let id = begun["transaction_id"].clone();
        assert!(
            id.is_string() && begun == json!({"transaction_id": id}),
            "{begun}"
        );
        let put = json!({"operation": "put", "key": "k", "value": "", "transaction_id": id});
        assert_eq!(module.execute(put).await, Ok(ok.clone()));
        let inside = json!({"operation": "get", "key": "k", "transaction_id": id});
        assert_eq!(
            module.execute(inside).await,
            Ok(json!({"value": ""})),
            "empty is not absent"
        );
        let commit = json!({"operation": "commit", "transaction_id": id});
        assert_eq!(module.execute(commit.clone()).await, Ok(ok.clone()));
        assert_eq!(module.execute(commit).await, Ok(no.clone()));
        let abort = json!({"operation": "abort", "transaction_id": id});
        assert_eq!(module.execute(abort).await, Ok(no.clone()));
        let delete = json!({"operation": "delete", "key": "k"});
        assert_eq!(module.execute(delete.clone()).await, Ok(ok.clone()));
        assert_eq!(module.execute(delete).await, Ok(no));
        assert_eq!(
            module.execute(json!({"operation": "checkpoint"})).await,
            Ok(ok.clone())
        );
        let metrics = module.execute(json!({"operation": "get_metrics"})).await;
        assert_eq!(metrics.expect("sound")["num_transactions"], 1);

        // Any bytes, in the key and in the value.
        let binary = json!({"hex": "fffe00"});
        let put = json!({"operation": "put", "key": binary, "value": binary});
        assert_eq!(module.execute(put).await, Ok(ok));
        let get = json!({"operation": "get", "key": binary});
        assert_eq!(module.execute(get).await, Ok(json!({"value": binary})));
        assert_eq!(
            module.get([0xFF, 0xFE, 0], None).await,
            some([0xFF, 0xFE, 0])
        );

        for (params, words) in [
            (
                json!({"operation": "drop_table"}),
                "Unknown operation: drop_table",
            ),
            (json!({}), "Unknown operation: None"),
            (json!({"operation": 7}), "Unknown operation: 7"),
            (json!("put"), "must be a JSON object"),
            (json!({"operation": "get"}), "get: \"key\" is missing"),
            (
                json!({"operation": "put", "key": "k"}),
                "put: \"value\" is missing",
            ),
            (
                json!({"operation": "commit"}),
                "\"transaction_id\" is missing",
            ),
            (
                json!({"operation": "get", "key": 1}),
                "\"key\" must be a text",
            ),
            (
                json!({"operation": "get", "key": {"hex": "0"}}),
                "two digits",
            ),
            (
                json!({"operation": "get", "key": "k", "transactionId": "id"}),
                "\"transactionId\" is no parameter",
            ),
            (
                json!({"operation": "get", "key": "k", "transaction_id": 1}),
                "\"transaction_id\" must be a text",
            ),
        ] {
            let refused = module.execute(params.clone()).await.expect_err("refused");
            assert!(refused.to_string().contains(words), "{params}: {refused}");
        }
    });
}

#[test]
fn i7_defaults_are_the_documented_ones() {
    let config = PMEMConfig::default();
    let told: Value = config.clone().into();
    let documented = json!({
        "storage_path": "/tmp/omnixan_pmem",
        "size": 104857600,
        "persistence_mode": "sync",
        "recovery_mode": "checkpoint",
        "enable_wal": true,
        "checkpoint_interval": 60.0,
        "flush_interval": 1.0,
        "max_log_size": 10485760,
    });
    assert_eq!(told, documented);
    assert_eq!(PMEMConfig::from_json("{}"), Ok(config.clone()));
    assert_eq!(PMEMConfig::from_json(&told.to_string()), Ok(config.clone()));
    let text = serde_json::to_string(&config).expect("text");
    assert_eq!(
        serde_json::from_str::<PMEMConfig>(&text).expect("its own"),
        config
    );
    for (mode, word) in PersistenceMode::ALL
        .into_iter()
        .zip(["sync", "async", "periodic"])
    {
        let text = json!({"persistence_mode": word}).to_string();
        let read = PMEMConfig::from_json(&text).expect("known");
        assert_eq!((read.persistence_mode, mode.name()), (mode, word));
    }
    for (mode, word) in RecoveryMode::ALL
        .into_iter()
        .zip(["full", "checkpoint", "none"])
    {
        let text = json!({"recovery_mode": word}).to_string();
        let read = PMEMConfig::from_json(&text).expect("known");
        assert_eq!((read.recovery_mode, mode.name()), (mode, word));
    }
}

#[test]
fn i7_each_bad_value_is_named_with_its_range() {
    let bad = [
        ("storage_path", json!(""), "path"),
        ("storage_path", json!(7), "path"),
        ("size", json!(1_048_575), "at least 1048576"),
        ("size", json!(-1), "at least 1048576"),
        ("size", json!("big"), "at least 1048576"),
        ("size", json!(2e9), "whole number"),
        (
            "persistence_mode",
            json!("later"),
            "sync, async or periodic",
        ),
        ("recovery_mode", json!("fast"), "full, checkpoint or none"),
        ("enable_wal", json!("yes"), "true or false"),
        ("checkpoint_interval", json!(0.0), "above 0"),
        ("checkpoint_interval", json!(-1), "above 0"),
        ("checkpoint_interval", json!(1e300), "at most 31536000"),
        ("flush_interval", json!(0), "above 0"),
        ("flush_interval", json!("1s"), "above 0"),
        ("max_log_size", json!(0), "at least 1"),
        ("max_log_size", json!(1.5), "at least 1"),
    ];
    for (field, value, range) in bad {
        let error = PMEMConfig::from_json(&json!({field: value}).to_string());
        let error = error.expect_err(field);
        let named = matches!(&error, ConfigError::Value { field: named, .. } if named == field);
        let text = error.to_string();
        assert!(named && text.contains(range), "{text}");
    }
    let unknown = PMEMConfig::from_json("{\"flush_intervall\": 1}").expect_err("unknown");
    assert!(unknown.to_string().contains("flush_intervall"), "{unknown}");
    assert!(PMEMConfig::from_json("[").is_err() && PMEMConfig::from_json("[]").is_err());

    // A value that was set in Rust is told by initialize, before any file is touched.
    let home = Home::new();
    let wrong = |change: fn(&mut PMEMConfig)| {
        let mut config = home.config();
        change(&mut config);
        let module = PersistentMemoryModule::new(config);
        let refused = block_on(module.initialize());
        assert!(
            matches!(refused, Err(ModuleError::Config(_))),
            "{refused:?}"
        );
        assert!(!module.is_initialized() && !home.path().exists());
    };
    wrong(|config| config.size = 0);
    wrong(|config| config.checkpoint_interval = f64::NAN);
    wrong(|config| config.flush_interval = f64::INFINITY);
    wrong(|config| config.max_log_size = 0);
    wrong(|config| config.storage_path = PathBuf::new());
}

#[test]
fn l4_async_is_durable_before_the_tick_and_periodic_only_at_it() {
    let durable_before_the_tick = |mode| {
        let home = Home::new();
        let clock = ManualClock::new();
        let config = PMEMConfig {
            persistence_mode: mode,
            flush_interval: 10.0,
            ..home.config()
        };
        let module = PersistentMemoryModule::with_clock(config, clock.clock());
        block_on(module.initialize()).expect("made");
        let pass = |time| {
            clock.advance(time);
            module.run_due().expect("the medium works");
        };
        pass(Duration::from_secs(6));
        block_on(module.put("k", b"v", None)).expect("kept");
        assert_eq!(block_on(module.get("k", None)), some("v"));
        assert_eq!(home.after_crash("k"), None, "it may wait");
        pass(Duration::from_secs(4) - Duration::from_millis(1));
        let before_the_tick = home.after_crash("k").is_some();
        pass(Duration::from_millis(1));
        assert_eq!(
            home.after_crash("k"),
            Some(b"v".to_vec()),
            "{mode:?}: at the tick"
        );
        before_the_tick
    };
    assert!(durable_before_the_tick(PersistenceMode::Async));
    assert!(!durable_before_the_tick(PersistenceMode::Periodic));
}

#[test]
fn g6_l5_full_and_checkpoint_differ_and_none_changes_nothing() {
    let home = Home::new();
    let of = |recovery_mode| {
        PersistentMemoryModule::new(PMEMConfig {
            recovery_mode,
            ..home.config()
        })
    };
    let bytes = || fs::read(home.file()).expect("readable");
    // Killed with something in the log.
    let module = block_on(home.open());
    for number in 0..200 {
        block_on(module.put(format!("key {number}"), [7; 100], None)).expect("stored");
    }
    drop(module);
    let before = bytes();
    let refused = block_on(of(RecoveryMode::None).initialize());
    let is_refusal =
        |error: &ModuleError| matches!(error, ModuleError::Target(TargetError::Open { .. }));
    assert!(refused.as_ref().is_err_and(is_refusal), "{refused:?}");
    assert!(bytes() == before, "not a byte");
    let full = of(RecoveryMode::Full);
    assert_eq!(block_on(full.initialize()), Ok(Initialized::Opened));
    assert_eq!(block_on(full.get("key 199", None)), some([7; 100]));
    block_on(full.shutdown()).expect("closed");

    // Closed: it opens without recovery, shows everything, and changes nothing.
    let closed = bytes();
    let none = of(RecoveryMode::None);
    assert_eq!(block_on(none.initialize()), Ok(Initialized::Opened));
    assert_eq!(block_on(none.get("key 7", None)), some([7; 100]));
    let refused = block_on(none.put("k", b"v", None));
    assert_eq!(refused, Err(ModuleError::Store(KvError::ReadOnly)));
    block_on(none.shutdown()).expect("nothing to do");
    assert!(bytes() == closed, "not a byte");

    // A value that nobody has read since it was damaged.
    let mut damaged = closed;
    // The last one lies in the heap: the rings are in front of it.
    let value = damaged.windows(100).rposition(|bytes| bytes == [7; 100]);
    let value = value.expect("there");
    damaged[value + 50] ^= 1;
    fs::write(home.file(), &damaged).expect("writable");
    let checkpoint = of(RecoveryMode::Checkpoint);
    assert_eq!(block_on(checkpoint.initialize()), Ok(Initialized::Opened));
    block_on(checkpoint.shutdown()).expect("closed");
    let refused = block_on(of(RecoveryMode::Full).initialize()).expect_err("damaged");
    let ModuleError::Target(TargetError::Unsound { at, .. }) = &refused else {
        panic!("{refused}");
    };
    let at = at.expect("one place").get() as usize;
    assert!(
        at <= value && value - at < 64,
        "{at:#x} for {value:#x}: {refused}"
    );
}

#[test]
fn l6_storage_path_holds_exactly_one_file() {
    everywhere(|home| async move {
        let holds_one_file = || {
            let entries = fs::read_dir(home.path()).expect("a directory");
            let names: Vec<_> = entries
                .map(|entry| entry.expect("an entry").file_name())
                .collect();
            assert_eq!(names, ["pool.pmem"]);
        };
        let module = home.open().await;
        holds_one_file();
        let tx = module.begin_transaction().await.expect("begun");
        module
            .put("k", vec![1; 100_000], Some(&tx))
            .await
            .expect("kept");
        holds_one_file();
        assert_eq!(module.commit(&tx).await, Ok(true));
        module.checkpoint().await.expect("the medium works");
        holds_one_file();
        module.shutdown().await.expect("closed");
        holds_one_file();
    });
}

#[test]
fn l7_open_transactions_are_listed_with_what_they_read_and_wrote() {
    everywhere(|home| async move {
        let module = home.open().await;
        module.put("read", b"x", None).await.expect("stored");
        let one = module.begin_transaction().await.expect("begun");
        let two = module.begin_transaction().await.expect("begun");
        module.get("read", Some(&one)).await.expect("readable");
        module.put("written", b"x", Some(&one)).await.expect("kept");
        module.put("other", b"x", Some(&two)).await.expect("kept");
        let open = module.transactions().expect("open");
        let keys = |set: &[SpaceKey]| -> Vec<String> {
            let text = |key: &SpaceKey| String::from_utf8(key.key.clone()).expect("text");
            set.iter().map(text).collect()
        };
        let listed: Vec<_> = open
            .iter()
            .map(|(id, info)| {
                (
                    id.clone(),
                    info.state,
                    keys(&info.reads),
                    keys(&info.writes),
                )
            })
            .collect();
        let set =
            |keys: &[&str]| -> Vec<String> { keys.iter().map(|key| key.to_string()).collect() };
        assert_eq!(
            listed,
            [
                (
                    one.clone(),
                    TxState::Active,
                    set(&["read"]),
                    set(&["written"])
                ),
                (two.clone(), TxState::Active, set(&[]), set(&["other"])),
            ]
        );
        module.commit(&one).await.expect("committed");
        module.abort(&two).await.expect("aborted");
        assert!(module.transactions().expect("open").is_empty());
    });
}

#[test]
fn another_module_is_told_that_the_pool_is_in_use() {
    let home = Home::new();
    let one = block_on(home.open());
    let busy = block_on(home.module().initialize());
    let is_busy = |error: &ModuleError| {
        matches!(
            error,
            ModuleError::Target(TargetError::File(FileError::Busy { .. }))
        )
    };
    assert!(busy.as_ref().is_err_and(is_busy), "{busy:?}");
    block_on(one.shutdown()).expect("closed");
    block_on(home.module().initialize()).expect("free now");
}

#[test]
fn tasks_share_a_module_and_their_commits() {
    let home = Home::new();
    let module = Arc::new(block_on(home.open()));
    tokio().block_on(async {
        let mut tasks = Vec::new();
        for task in 0..8u32 {
            let module = Arc::clone(&module);
            tasks.push(tokio::spawn(async move {
                for number in 0..50u32 {
                    let key = format!("{task}/{number}");
                    module
                        .put(&key, number.to_le_bytes(), None)
                        .await
                        .expect("stored");
                }
            }));
        }
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    assert_eq!(module.get_metrics().expect("sound").num_writes, 400);
    // A future that is dropped gives up the answer and not the work (P3).
    let mut put = Box::pin(module.put("dropped", b"v", None));
    assert!(
        put.as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    drop(put);
    let begun = Instant::now();
    while block_on(module.get("dropped", None)) == Ok(None) {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the work was given up"
        );
    }
    block_on(module.shutdown()).expect("closed");
    block_on(module.initialize()).expect("opens");
    assert_eq!(
        block_on(module.get("7/49", None)),
        some(49u32.to_le_bytes())
    );
}

#[test]
fn the_pool_is_free_when_shutdown_answers_whatever_was_under_way() {
    let home = Home::new();
    for round in 0..12_u8 {
        let module = PersistentMemoryModule::new(PMEMConfig {
            persistence_mode: PersistenceMode::Async,
            ..home.config()
        });
        let opened = block_on(module.initialize());
        assert!(opened.is_ok(), "round {round}: {opened:?}");
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                let module = &module;
                scope.spawn(move || {
                    // Refused from the shutdown on.
                    for number in 0..50_u8 {
                        drop(block_on(module.put([thread, number], [round; 100], None)));
                    }
                });
            }
            block_on(module.shutdown()).expect("initialized");
            let next = PersistentMemoryModule::new(home.config());
            let opened = block_on(next.initialize());
            assert!(opened.is_ok(), "round {round}: {opened:?}");
            block_on(next.shutdown()).expect("initialized");
        });
    }
}
