//! redb on a simulated disk: a control. Its commits are durable and whole at every crash point; a backend that does not
//! sync is caught at once, so the control can fail.

use std::io::Result;

use everline::units::ByteLen;
use everline_crash::files::{CrashDisk, DiskOptions, FileSystem};
use everline_crash::{Explorer, Point, Report, fs};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

const TABLE: TableDefinition<u64, u64> = TableDefinition::new("numbers");

#[derive(Debug)]
struct Backend {
    file: fs::File,
    syncs: bool,
}

impl redb::StorageBackend for Backend {
    fn len(&self) -> Result<u64> {
        Ok(self.file.metadata()?.len())
    }
    fn read(&self, at: u64, into: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(into, at)
    }
    fn set_len(&self, len: u64) -> Result<()> {
        self.file.set_len(len)
    }
    fn sync_data(&self) -> Result<()> {
        if self.syncs {
            self.file.sync_data()
        } else {
            Ok(())
        }
    }
    fn write(&self, at: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, at)
    }
}

fn open(syncs: bool) -> Database {
    let mut options = fs::OpenOptions::new();
    let file = options.read(true).write(true).create(true).open("db");
    let file = file.expect("the simulated disk has room");
    let backend = Backend { file, syncs };
    Database::builder()
        .create_with_backend(backend)
        .expect("a database")
}

fn commit(db: &Database, number: u64) {
    let transaction = db.begin_write().expect("one writer");
    let mut table = transaction.open_table(TABLE).expect("the table");
    table.insert(number, number * number).expect("room");
    drop(table);
    transaction.commit().expect("no fault asked for");
}

fn numbers(db: &Database) -> Vec<u64> {
    let transaction = db.begin_read().expect("a snapshot");
    let table = transaction.open_table(TABLE).expect("made before the mark");
    let rows = table.iter().expect("a readable tree");
    rows.map(|row| {
        let (key, value) = row.expect("a readable row");
        assert_eq!(value.value(), key.value() * key.value());
        key.value()
    })
    .collect()
}

/// Three acknowledged commits on a database that is there already.
fn report(file_system: FileSystem, syncs: bool) -> Report {
    let options = DiskOptions::new()
        .sector(4096)
        .file_capacity(ByteLen::new(8 << 20))
        .files(40)
        .file_system(file_system);
    let work = |disk: &CrashDisk| {
        let db = open(syncs);
        commit(&db, 0);
        disk.mark();
        for number in 1..=3 {
            disk.invoke(number);
            commit(&db, number);
            disk.ack(number);
        }
        // Closing would write more; the power goes while it is open.
        std::mem::forget(db);
    };
    let recover = |_: &CrashDisk| numbers(&open(syncs));
    Explorer::new().check_files(options, work, recover, |point: &Point<'_>, seen| {
        let acked = point.acked.len();
        let whole: Vec<u64> = (0..seen.len() as u64).collect();
        let possible = 1 + acked..=1 + acked + point.in_flight.len();
        match *seen == whole && possible.contains(&seen.len()) {
            true => Ok(()),
            false => Err(format!("{acked} were acknowledged, {seen:?} are left")),
        }
    })
}

#[test]
fn commits_of_redb_survive_every_crash() {
    for file_system in [FileSystem::Posix, FileSystem::Ext4] {
        let report = report(file_system, true);
        report.assert_clean();
        assert!(report.exhaustive && report.nested_points > 0, "{report}");
    }
}

#[test]
fn redb_on_a_backend_that_does_not_sync_is_caught() {
    assert!(!report(FileSystem::Posix, false).is_clean());
}
