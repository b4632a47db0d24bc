//! redb: rows as they are, without sealing.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::{Builder, Database, Durability, ReadableDatabase as _, TableDefinition};

use crate::subject::{CACHE, PAGE, Rows, Shape, Subject, disk_bytes, key};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("r");

/// redb at its most durable.
pub struct Redb {
    db: Option<Database>,
    path: PathBuf,
    rows: Rows,
    name: &'static str,
}

impl Redb {
    pub fn new(path: &Path, shape: Shape) -> Self {
        let mut redb =
            Self { db: None, path: path.to_owned(), rows: Rows::new(shape), name: "redb" };
        if !shape.suffix.is_empty() {
            redb.name = "redb, rows as ours";
        }
        redb.db = Some(Builder::new().set_cache_size(CACHE).create(path).expect("a database"));
        redb.rows.prepare(0);
        redb.commit();
        redb
    }

    fn page(&self, to: &[u8]) {
        let read = self.db.as_ref().expect("open").begin_read().expect("a read");
        let table = read.open_table(TABLE).expect("the table");
        let from = key(0);
        let range = table.range::<&[u8]>(from.as_slice()..to).expect("a range");
        let rows = range.rev().take(PAGE).map(|row| {
            let (key, value) = row.expect("a row");
            (key.value().to_vec(), value.value().to_vec())
        });
        assert!(rows.collect::<Vec<_>>().len() <= PAGE);
    }
}

impl Subject for Redb {
    fn name(&self) -> &'static str {
        self.name
    }

    fn len(&self) -> usize {
        self.rows.len
    }

    fn prepare(&mut self, count: usize) {
        self.rows.prepare(count);
    }

    fn commit(&mut self) {
        let mut write = self.db.as_ref().expect("open").begin_write().expect("a write");
        write.set_durability(Durability::Immediate).expect("durable");
        {
            let mut table = write.open_table(TABLE).expect("the table");
            for (key, value) in self.rows.prepared.drain(..) {
                table.insert(key.as_slice(), value.as_slice()).expect("a row");
            }
        }
        write.commit().expect("a commit");
    }

    fn point(&mut self, nth: usize) {
        let read = self.db.as_ref().expect("open").begin_read().expect("a read");
        let table = read.open_table(TABLE).expect("the table");
        let value = table.get(key(nth).as_slice()).expect("a row");
        assert!(!value.expect("it is there").value().to_vec().is_empty());
    }

    fn newest_page(&mut self) {
        self.page(&key(usize::MAX));
    }

    fn page_before(&mut self, nth: usize) {
        self.page(&key(nth));
    }

    fn reopen(&mut self) -> Duration {
        self.db = None;
        let began = Instant::now();
        self.db = Some(Builder::new().set_cache_size(CACHE).open(&self.path).expect("it opens"));
        self.newest_page();
        began.elapsed()
    }

    fn disk_bytes(&self) -> u64 {
        disk_bytes(&self.path)
    }
}
