//! The peers, each as its documentation opens it, and told how much to promise.

use std::ops::Bound;
use std::path::Path;
use std::sync::Mutex;

use super::{Key, KeyValue, Promise, Store};

/// Bytes of address space for LMDB's map.
const MAP_BYTES: usize = 1 << 30;

/// LMDB through heed: a writable map without syncs, or its default.
pub const LMDB: Store = Store {
    folder: "lmdb",
    open: lmdb,
};

/// fjall, its journal left to the page cache, or synced at each commit.
pub const FJALL: Store = Store {
    folder: "fjall",
    open: fjall,
};

/// redb with its default, durability `Immediate`: with less, a killed process loses what it committed.
pub const REDB: Store = Store {
    folder: "redb",
    open: redb,
};

/// SQLite with a write-ahead log, `synchronous` OFF or FULL.
pub const SQLITE: Store = Store {
    folder: "sqlite",
    open: sqlite,
};

struct Lmdb {
    env: heed::Env,
    entries: heed::Database<heed::types::Bytes, heed::types::Bytes>,
    promise: Promise,
}

fn lmdb(directory: &Path, promise: Promise) -> Box<dyn KeyValue> {
    let mut options = heed::EnvOpenOptions::new();
    options.map_size(MAP_BYTES);
    if promise == Promise::Memory {
        let flags = heed::EnvFlags::WRITE_MAP | heed::EnvFlags::NO_SYNC;
        // SAFETY: the flags weaken what a crash leaves, and no crash follows; no stray pointers write to the map.
        unsafe { options.flags(flags) };
    }
    // SAFETY: no other process has the file, and nobody else here changes it.
    let env = unsafe { options.open(directory) }.expect("an environment");
    let mut tx = env.write_txn().expect("no other writer");
    let entries = env.create_database(&mut tx, None).expect("room");
    tx.commit().expect("room");
    Box::new(Lmdb {
        env,
        entries,
        promise,
    })
}

impl KeyValue for Lmdb {
    fn name(&self) -> &'static str {
        match self.promise {
            Promise::Memory => "LMDB writemap, page cache",
            Promise::Synced => "LMDB, synced",
        }
    }

    fn put(&self, key: &Key, value: &[u8]) {
        self.put_all(std::slice::from_ref(key), value);
    }

    fn put_all(&self, keys: &[Key], value: &[u8]) {
        let mut tx = self.env.write_txn().expect("a writer");
        for key in keys {
            self.entries.put(&mut tx, key, value).expect("room");
        }
        tx.commit().expect("room");
    }

    fn get(&self, key: &Key, into: &mut Vec<u8>) -> bool {
        let tx = self.env.read_txn().expect("a reader");
        let found = self.entries.get(&tx, key).expect("no damage");
        into.clear();
        found.is_some_and(|value| {
            into.extend_from_slice(value);
            true
        })
    }

    fn scan(&self, key: &Key, count: usize) -> usize {
        let tx = self.env.read_txn().expect("a reader");
        let entries = self
            .entries
            .range(&tx, &(Bound::Included(key.as_slice()), Bound::Unbounded));
        let entries = entries.expect("no damage");
        let entries = entries.take(count).map(|entry| entry.expect("no damage"));
        entries.map(|(key, value)| key.len() + touch(value)).sum()
    }
}

const TABLE: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("entries");

struct Redb {
    database: redb::Database,
    promise: Promise,
}

fn redb(directory: &Path, promise: Promise) -> Box<dyn KeyValue> {
    let database = redb::Database::create(directory.join("entries.redb")).expect("a file");
    let tx = database.begin_write().expect("no other writer");
    tx.open_table(TABLE).expect("room");
    tx.commit().expect("room");
    Box::new(Redb { database, promise })
}

impl KeyValue for Redb {
    fn name(&self) -> &'static str {
        match self.promise {
            Promise::Memory => "redb, page cache",
            Promise::Synced => "redb, synced",
        }
    }

    fn put(&self, key: &Key, value: &[u8]) {
        self.put_all(std::slice::from_ref(key), value);
    }

    fn put_all(&self, keys: &[Key], value: &[u8]) {
        let tx = self.database.begin_write().expect("a writer");
        let mut table = tx.open_table(TABLE).expect("made before");
        for key in keys {
            table.insert(key.as_slice(), value).expect("room");
        }
        drop(table);
        tx.commit().expect("room");
    }

    fn get(&self, key: &Key, into: &mut Vec<u8>) -> bool {
        use redb::ReadableDatabase;
        let tx = self.database.begin_read().expect("a reader");
        let table = tx.open_table(TABLE).expect("made before");
        let found = table.get(key.as_slice()).expect("no damage");
        into.clear();
        found.is_some_and(|value| {
            into.extend_from_slice(value.value());
            true
        })
    }

    fn scan(&self, key: &Key, count: usize) -> usize {
        use redb::ReadableDatabase;
        let tx = self.database.begin_read().expect("a reader");
        let table = tx.open_table(TABLE).expect("made before");
        let entries = table.range(key.as_slice()..).expect("no damage");
        let entries = entries.take(count).map(|entry| entry.expect("no damage"));
        entries
            .map(|(key, value)| key.value().len() + touch(value.value()))
            .sum()
    }
}

struct Fjall {
    database: fjall::Database,
    entries: fjall::Keyspace,
    promise: Promise,
}

fn fjall(directory: &Path, promise: Promise) -> Box<dyn KeyValue> {
    let database = fjall::Database::builder(directory).open();
    let database = database.expect("a directory");
    let entries = database.keyspace("entries", fjall::KeyspaceCreateOptions::default);
    Box::new(Fjall {
        entries: entries.expect("room"),
        database,
        promise,
    })
}

impl KeyValue for Fjall {
    fn name(&self) -> &'static str {
        match self.promise {
            Promise::Memory => "fjall, page cache",
            Promise::Synced => "fjall, synced",
        }
    }

    fn put(&self, key: &Key, value: &[u8]) {
        self.entries.insert(key.as_slice(), value).expect("room");
        self.promised();
    }

    fn put_all(&self, keys: &[Key], value: &[u8]) {
        let mut batch = self.database.batch();
        for key in keys {
            batch.insert(&self.entries, key.as_slice(), value);
        }
        batch.commit().expect("room");
        self.promised();
    }

    fn get(&self, key: &Key, into: &mut Vec<u8>) -> bool {
        let found = self.entries.get(key).expect("no damage");
        into.clear();
        found.is_some_and(|value| {
            into.extend_from_slice(&value);
            true
        })
    }

    fn scan(&self, key: &Key, count: usize) -> usize {
        let entries = self.entries.range(key.as_slice()..).take(count);
        let entries = entries.map(|entry| entry.into_inner().expect("no damage"));
        entries.map(|(key, value)| key.len() + touch(&value)).sum()
    }
}

impl Fjall {
    fn promised(&self) {
        if self.promise == Promise::Synced {
            let synced = self.database.persist(fjall::PersistMode::SyncData);
            synced.expect("the sync succeeds");
        }
    }
}

/// Connections are not shared between threads: each takes one and gives it back.
struct Sqlite {
    path: std::path::PathBuf,
    promise: Promise,
    idle: Mutex<Vec<rusqlite::Connection>>,
}

fn sqlite(directory: &Path, promise: Promise) -> Box<dyn KeyValue> {
    let store = Sqlite {
        path: directory.join("entries.sqlite"),
        promise,
        idle: Mutex::default(),
    };
    let made =
        "CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID";
    store.with(|connection| connection.execute(made, ()).map(drop));
    Box::new(store)
}

impl Sqlite {
    fn connect(&self) -> rusqlite::Result<rusqlite::Connection> {
        let connection = rusqlite::Connection::open(&self.path)?;
        connection.busy_timeout(std::time::Duration::from_secs(60))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let synchronous = match self.promise {
            Promise::Memory => "OFF",
            Promise::Synced => "FULL",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        Ok(connection)
    }

    fn with<R>(&self, work: impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<R>) -> R {
        let idle = self.idle.lock().expect("no panic inside").pop();
        let connection = idle.map_or_else(|| self.connect(), Ok);
        let mut connection = connection.expect("a connection");
        let done = work(&mut connection).expect("no damage, and room");
        self.idle.lock().expect("no panic inside").push(connection);
        done
    }
}

const INSERT: &str = "INSERT OR REPLACE INTO entries VALUES (?1, ?2)";
const SELECT: &str = "SELECT value FROM entries WHERE key = ?1";
const RANGE: &str = "SELECT key, value FROM entries WHERE key >= ?1 ORDER BY key LIMIT ?2";

impl KeyValue for Sqlite {
    fn name(&self) -> &'static str {
        match self.promise {
            Promise::Memory => "SQLite WAL, page cache",
            Promise::Synced => "SQLite WAL FULL",
        }
    }

    fn put(&self, key: &Key, value: &[u8]) {
        self.with(|connection| connection.prepare_cached(INSERT)?.execute((key, value)));
    }

    fn put_all(&self, keys: &[Key], value: &[u8]) {
        self.with(|connection| {
            let tx = connection.transaction()?;
            let mut insert = tx.prepare_cached(INSERT)?;
            for key in keys {
                insert.execute((key, value))?;
            }
            drop(insert);
            tx.commit()
        });
    }

    fn get(&self, key: &Key, into: &mut Vec<u8>) -> bool {
        self.with(|connection| {
            let mut select = connection.prepare_cached(SELECT)?;
            let mut rows = select.query((key,))?;
            into.clear();
            let Some(row) = rows.next()? else {
                return Ok(false);
            };
            into.extend_from_slice(row.get_ref(0)?.as_blob().expect("a blob was stored"));
            Ok(true)
        })
    }

    fn scan(&self, key: &Key, count: usize) -> usize {
        self.with(|connection| {
            let mut select = connection.prepare_cached(RANGE)?;
            let mut rows = select.query((key, count as i64))?;
            let mut sum = 0;
            while let Some(row) = rows.next()? {
                let blob = |at| row.get_ref(at).map(|cell| cell.as_blob().expect("a blob"));
                sum += blob(0)?.len() + touch(blob(1)?);
            }
            Ok(sum)
        })
    }
}

/// Looks at the bytes, so that they are fetched, and answers how many.
fn touch(value: &[u8]) -> usize {
    std::hint::black_box(value.last());
    value.len()
}
