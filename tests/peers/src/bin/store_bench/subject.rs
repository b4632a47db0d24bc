//! What is measured: something that keeps entries of 300 bytes.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// What people say in an entry, in bytes.
pub const WORDS: usize = 300;
/// Entries of a page.
pub const PAGE: usize = 50;
/// What each may hold in its cache.
pub const CACHE: usize = 64 << 20;

/// Something that keeps entries.
pub trait Subject {
    /// What it is called in a table.
    fn name(&self) -> &'static str;

    /// How many entries it holds.
    fn len(&self) -> usize;

    /// Makes so many more entries, to be committed next.
    fn prepare(&mut self, count: usize);

    /// Commits them at once; durable when it returns.
    fn commit(&mut self);

    /// Reads the entry that came as the `nth`.
    fn point(&mut self, nth: usize);

    /// Reads the newest page.
    fn newest_page(&mut self);

    /// Reads the page before the entry that came as the `nth`.
    fn page_before(&mut self, nth: usize);

    /// Closes it: how long it takes to open it again and to read the newest page.
    fn reopen(&mut self) -> Duration;

    /// What it takes on the disk.
    fn disk_bytes(&self) -> u64;
}

/// The rows of one entry.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Lengths of those beside the words; they stand in no order.
    pub others: &'static [usize],
    /// What the words take.
    pub words: usize,
    /// What it is called.
    pub suffix: &'static str,
}

impl Shape {
    /// The words alone.
    pub const ONE: Self = Self { others: &[], words: WORDS, suffix: "" };
    /// Four rows as long as ours are when they are sealed: body, header and signature, and two ways to it.
    pub const AS_OURS: Self =
        Self { others: &[552, 104, 104], words: 552, suffix: ", rows as ours" };
}

/// A key and a value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Rows for those who know nothing of entries.
pub struct Rows {
    shape: Shape,
    rng: ChaCha12Rng,
    pub len: usize,
    pub prepared: Vec<Pair>,
}

impl Rows {
    pub fn new(shape: Shape) -> Self {
        Self { shape, rng: ChaCha12Rng::seed_from_u64(7), len: 0, prepared: Vec::new() }
    }

    pub fn prepare(&mut self, count: usize) {
        self.prepared.clear();
        for _ in 0..count {
            let mut value = vec![0; self.shape.words];
            self.rng.fill_bytes(&mut value);
            self.prepared.push((key(self.len), value));
            for len in self.shape.others {
                let (mut key, mut value) = (vec![0xff; 24], vec![0; *len]);
                self.rng.fill_bytes(&mut key[1..]);
                self.rng.fill_bytes(&mut value);
                self.prepared.push((key, value));
            }
            self.len += 1;
        }
    }
}

/// The key of the entry that came as the `nth`: a group, and a number.
pub fn key(nth: usize) -> Vec<u8> {
    [&[1; 16][..], &(nth as u64).to_be_bytes()].concat()
}

/// Appends to a file and syncs it: what nothing durable is faster than.
pub struct Floor {
    file: File,
    rows: Rows,
    path: PathBuf,
}

impl Floor {
    pub fn new(path: &Path) -> Self {
        let file = File::create(path).expect("a file");
        Self { file, rows: Rows::new(Shape::ONE), path: path.to_owned() }
    }
}

impl Subject for Floor {
    fn name(&self) -> &'static str {
        "append, fdatasync"
    }

    fn len(&self) -> usize {
        self.rows.len
    }

    fn prepare(&mut self, count: usize) {
        self.rows.prepare(count);
    }

    fn commit(&mut self) {
        let bytes: Vec<u8> = self.rows.prepared.drain(..).flat_map(|(_, value)| value).collect();
        self.file.write_all(&bytes).expect("it is written");
        self.file.sync_data().expect("it is synced");
    }

    fn point(&mut self, _nth: usize) {}

    fn newest_page(&mut self) {}

    fn page_before(&mut self, _nth: usize) {}

    fn reopen(&mut self) -> Duration {
        Duration::ZERO
    }

    fn disk_bytes(&self) -> u64 {
        disk_bytes(&self.path)
    }
}

/// How long something took, each time.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Does something and keeps how long it took.
    pub fn take(&mut self, call: impl FnOnce()) {
        let began = Instant::now();
        call();
        self.push(began.elapsed());
    }

    pub fn push(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// The time that so many in a hundred are not above, in microseconds.
    pub fn micros(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(at).map_or(f64::NAN, |took| took.as_secs_f64() * 1e6)
    }
}

/// Lets the subjects do something so often in turns, each with the same random entries.
pub fn sample(
    subjects: &mut [&mut dyn Subject],
    times: usize,
    call: impl Fn(&mut dyn Subject, usize),
) -> Vec<Samples> {
    const TURN: usize = 100;
    let mut rng = ChaCha12Rng::seed_from_u64(3);
    let mut samples = vec![Samples::default(); subjects.len()];
    for _ in 0..times / TURN {
        let entries: Vec<u64> = (0..TURN).map(|_| rng.next_u64()).collect();
        for (subject, samples) in subjects.iter_mut().zip(&mut samples) {
            for entry in &entries {
                let nth = usize::try_from(entry % subject.len() as u64).unwrap_or_default();
                samples.take(|| call(*subject, nth));
            }
        }
    }
    samples
}

/// How long it takes to open two rows, as long as ours are, for each entry of a page: what no page of ours
/// is faster than.
pub fn opening() -> Samples {
    let cipher = || XChaCha20Poly1305::new(&[7; 32].into());
    let (nonce, mut sealed) = (XNonce::from([1; 24]), vec![0; 512]);
    let tag: Tag = cipher()
        .encrypt_inout_detached(&nonce, b"place", sealed.as_mut_slice().into())
        .expect("short enough");
    let mut samples = Samples::default();
    for _ in 0..1000 {
        samples.take(|| {
            for _ in 0..2 * PAGE {
                let mut plain = sealed.clone();
                let row = plain.as_mut_slice().into();
                cipher().decrypt_inout_detached(&nonce, b"place", row, &tag).expect("it opens");
                std::hint::black_box(plain);
            }
        });
    }
    samples
}

/// What a file or folder takes on the disk.
pub fn disk_bytes(path: &Path) -> u64 {
    let Ok(found) = fs::metadata(path) else { return 0 };
    if found.is_dir() {
        let files = fs::read_dir(path).into_iter().flatten().flatten();
        files.map(|file| disk_bytes(&file.path())).sum()
    } else {
        std::os::unix::fs::MetadataExt::blocks(&found) * 512
    }
}
