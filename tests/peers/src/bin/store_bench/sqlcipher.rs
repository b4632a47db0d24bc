//! SQLCipher: pages sealed with AES-256 and HMAC-SHA512, under a raw key.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::subject::{CACHE, PAGE, Rows, Shape, Subject, disk_bytes, key};

/// SQLCipher with WAL and `synchronous = FULL`: every commit is synced.
pub struct SqlCipher {
    db: Option<Connection>,
    folder: PathBuf,
    rows: Rows,
    name: &'static str,
}

impl SqlCipher {
    pub fn new(folder: &Path, shape: Shape) -> Self {
        std::fs::create_dir(folder).expect("a folder");
        let db = open(folder);
        db.execute_batch("CREATE TABLE r (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID")
            .expect("a table");
        let cipher: String =
            db.query_row("PRAGMA cipher_version", [], |row| row.get(0)).expect("it is SQLCipher");
        assert!(!cipher.is_empty());
        let one = shape.suffix.is_empty();
        let name = if one { "SQLCipher" } else { "SQLCipher, rows as ours" };
        Self { db: Some(db), folder: folder.to_owned(), rows: Rows::new(shape), name }
    }

    fn page(&self, to: &[u8]) {
        let sql = "SELECT k, v FROM r WHERE k < ?1 ORDER BY k DESC LIMIT ?2";
        let mut page = self.db.as_ref().expect("open").prepare_cached(sql).expect("a query");
        let limit = u32::try_from(PAGE).unwrap_or_default();
        let rows = page.query_map(params![to, limit], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
        });
        let rows: Vec<_> = rows.expect("a page").collect::<Result<_, _>>().expect("rows");
        assert!(rows.len() <= PAGE);
    }
}

fn open(folder: &Path) -> Connection {
    let db = Connection::open(folder.join("db")).expect("a database");
    let pragmas = format!(
        "PRAGMA key = \"x'{}'\"; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA cache_size = -{}",
        "5a".repeat(32),
        CACHE >> 10
    );
    db.execute_batch(&pragmas).expect("pragmas");
    db
}

impl Subject for SqlCipher {
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
        let db = self.db.as_mut().expect("open");
        let write = db.transaction().expect("a write");
        {
            let mut insert =
                write.prepare_cached("INSERT INTO r (k, v) VALUES (?1, ?2)").expect("a query");
            for (key, value) in self.rows.prepared.drain(..) {
                insert.execute(params![key, value]).expect("a row");
            }
        }
        write.commit().expect("a commit");
    }

    fn point(&mut self, nth: usize) {
        let db = self.db.as_ref().expect("open");
        let mut get = db.prepare_cached("SELECT v FROM r WHERE k = ?1").expect("a query");
        let value: Vec<u8> = get.query_row([key(nth)], |row| row.get(0)).expect("it is there");
        assert!(!value.is_empty());
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
        self.db = Some(open(&self.folder));
        self.newest_page();
        began.elapsed()
    }

    fn disk_bytes(&self) -> u64 {
        disk_bytes(&self.folder)
    }
}
