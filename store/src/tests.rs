//! What a member's device is promised, through the public API alone.

pub(crate) mod bench;
mod chains;
mod checked;
pub(crate) mod cut;
mod damaged;
mod drafts;
mod edits;
mod forgetting;
mod messages;
mod taken_back;

use std::fs;
use std::path::Path;

use proto::{Change, GroupId};

use crate::engine::{Batch, Dir, Engine as _, SledEngine};
use crate::{Error, Home};
use bench::{Bench, PASSPHRASE, member};

/// Every file under `dir` but LOCK, with its bytes.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for file in fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.ends_with("LOCK") {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_profile_is_made_once_and_opens_with_its_passphrase_alone() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(&dir.path().join("a/b")).unwrap();
    assert!(!home.has_profile());
    assert!(matches!(home.unlock(PASSPHRASE), Err(Error::NoProfile)));
    let bench = Bench::create(home);
    assert!(bench.home.has_profile());
    let home = bench.close();
    assert!(matches!(home.create(PASSPHRASE), Err(Error::ProfileExists)));
    assert!(matches!(home.unlock("other"), Err(Error::WrongPassphrase)));
    assert!(matches!(home.unlock(""), Err(Error::WrongPassphrase)));
    assert!(home.unlock(PASSPHRASE).unwrap().reader().groups().unwrap().is_empty());
}

#[test]
fn a_calibrated_profile_opens_too() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    drop(home.create(PASSPHRASE).unwrap());
    home.unlock(PASSPHRASE).unwrap();
}

#[test]
fn a_wrong_passphrase_changes_nothing() {
    let mut bench = Bench::new();
    bench.join(1, &[]);
    let home = bench.close();
    fs::write(home.path().join("hdr.a"), b"damaged, so that there is something to mend").unwrap();
    let before = files(home.path());
    assert!(matches!(home.unlock("wrong"), Err(Error::WrongPassphrase)));
    assert!(files(home.path()) == before);
}

#[test]
fn a_new_passphrase_replaces_the_old_and_no_row_is_written() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[bench::op("stays")]);
    assert!(matches!(bench.home.change_passphrase("wrong", "new"), Err(Error::WrongPassphrase)));
    let keys = |bench: &Bench| {
        let files = files(bench.home.path()).into_iter();
        files.filter(|(name, _)| !name.contains("hdr.")).collect::<Vec<_>>()
    };
    let before = keys(&bench);
    bench.home.change_passphrase(PASSPHRASE, "new").unwrap();
    assert!(keys(&bench) == before);
    let home = bench.close();
    assert!(matches!(home.unlock(PASSPHRASE), Err(Error::WrongPassphrase)));
    for lost in ["hdr.a", "hdr.b"] {
        let path = home.path().join(lost);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, b"damaged").unwrap();
        assert!(matches!(home.check(PASSPHRASE), Err(Error::WrongPassphrase)), "{lost}");
        home.check("new").unwrap();
        fs::write(&path, whole).unwrap();
    }
    let store = home.unlock("new").unwrap();
    assert_eq!(store.reader().ops(&group).unwrap().len(), 1);
}

#[test]
fn a_change_that_the_power_cut_in_half_is_finished_by_the_new_passphrase() {
    let home = Bench::new().close();
    let (one, other) = (home.path().join("hdr.a"), home.path().join("hdr.b"));
    let old = fs::read(&other).unwrap();
    home.change_passphrase(PASSPHRASE, "new").unwrap();
    fs::write(&other, old).unwrap();
    assert!(matches!(home.unlock(PASSPHRASE), Err(Error::WrongPassphrase)));
    drop(home.unlock("new").unwrap());
    fs::write(&one, b"damaged").unwrap();
    assert!(matches!(home.unlock(PASSPHRASE), Err(Error::WrongPassphrase)), "no copy opens by it");
    drop(home.unlock("new").unwrap());
}

#[test]
fn a_passphrase_is_checked_while_keys_are_written() {
    let mut bench = Bench::new();
    std::thread::scope(|scope| {
        let check = || (0..4).all(|_| bench.home.check(PASSPHRASE).is_ok());
        let checks = scope.spawn(check);
        for n in 1..20 {
            bench.store.add_group(&member(n), &[]).unwrap();
        }
        assert!(checks.join().unwrap());
    });
    assert_eq!(bench.reopened().reader().groups().unwrap().len(), 19);
}

#[test]
fn an_erased_profile_leaves_nothing_and_another_can_be_made() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[bench::op("erased")]);
    let path = bench.home.path().to_owned();
    for own in ["holiday.jpg", "keys.kdbx", "erase.md", "store.zip"] {
        fs::write(path.join(own), b"somebody's own").unwrap();
    }
    fs::write(path.join("keys.9.new"), b"a draft").unwrap();
    assert!(matches!(bench.home.erase(), Err(Error::InUse)));
    let left = files(&path);
    let left = |name: &str| left.iter().any(|(path, _)| path.contains(name));
    let vault = ["hdr.", "keys.1", "erase.1", "keys.9"];
    assert!(!vault.iter().any(|name| left(name)) && left("store/"), "the vault at once");
    bench.store.set_port(&group, 5).unwrap();
    assert!(matches!(bench.store.add_group(&member(2), &[]), Err(Error::NoProfile)), "no keys");
    let home = bench.close();
    assert!(matches!(home.unlock(PASSPHRASE), Err(Error::Damaged(_))));
    home.erase().unwrap();
    home.erase().unwrap();
    assert_eq!(files(&path).len(), 4, "what is not ours stays");
    assert!(matches!(home.unlock(PASSPHRASE), Err(Error::NoProfile)));
    home.create_at_floor("another").unwrap();
}

#[test]
fn one_damaged_header_is_mended_and_two_are_damage() {
    let mut home = Bench::new().close();
    for name in ["hdr.a", "hdr.b"] {
        let path = home.path().join(name);
        for at in [0, 200, 4095] {
            let mut bytes = fs::read(&path).unwrap();
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            home = Bench::unlock(home).close();
        }
        fs::remove_file(&path).unwrap();
        home = Bench::unlock(home).close();
    }
    for name in ["hdr.a", "hdr.b"] {
        fs::write(home.path().join(name), [0; 4096]).unwrap();
    }
    assert!(matches!(home.unlock(PASSPHRASE), Err(Error::Damaged(_))));
    fs::remove_file(home.path().join("hdr.a")).unwrap();
    fs::remove_file(home.path().join("hdr.b")).unwrap();
    assert!(matches!(home.unlock(PASSPHRASE), Err(Error::Damaged(_))));
    assert!(matches!(home.create(PASSPHRASE), Err(Error::ProfileExists)), "never over old rows");
}

#[test]
fn a_folder_is_for_one_process_and_one_store_at_a_time() {
    let bench = Bench::new();
    let path = bench.home.path().to_owned();
    assert!(matches!(Home::open(&path), Err(Error::InUse)));
    assert!(matches!(bench.home.unlock(PASSPHRASE), Err(Error::InUse)));
    let Bench { home, store, dir, .. } = bench;
    let reader = store.reader();
    drop(store);
    assert!(matches!(home.unlock(PASSPHRASE), Err(Error::InUse)), "a reader still lives");
    drop(home);
    assert!(matches!(Home::open(&path), Err(Error::InUse)), "a reader still lives");
    drop(reader);
    Home::open(&path).unwrap().unlock(PASSPHRASE).unwrap();
    drop(dir);
}

#[cfg(unix)]
#[test]
fn nobody_else_may_look_into_the_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let dir = tempfile::tempdir().unwrap();
    let made = dir.path().join("made/below");
    let home = Home::open(&made).unwrap();
    assert_eq!((mode(&made), mode(made.parent().unwrap())), (0o700, 0o700));
    let given = dir.path().join("given");
    fs::create_dir(&given).unwrap();
    fs::set_permissions(&given, fs::Permissions::from_mode(0o755)).unwrap();
    Home::open(&given).unwrap();
    assert_eq!(mode(&given), 0o700);
    let full = dir.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::set_permissions(&full, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(full.join("holiday.jpg"), b"").unwrap();
    Home::open(&full).unwrap();
    assert_eq!(mode(&full), 0o755, "somebody's own folder is not closed to others");
    let bench = Bench::create(home);
    for name in ["LOCK", "hdr.a", "hdr.b", "keys.1", "erase.1"] {
        assert_eq!(mode(&made.join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&made.join("store")), 0o700);
    bench.close();
}

#[test]
fn a_path_that_cannot_be_a_folder_is_told_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(matches!(Home::open(&file), Err(Error::NotAFolder)));
    assert!(matches!(Home::open(&file.join("below")), Err(Error::NotAFolder)));
    if cfg!(target_os = "linux") {
        let error = Home::open(Path::new("/proc/kith/below")).unwrap_err();
        assert!(error.to_string().starts_with("the folder cannot be made: "), "{error}");
        let error = Home::open(Path::new("/proc/self")).unwrap_err();
        assert!(error.to_string().starts_with("the folder cannot be written to: "), "{error}");
    }
}

#[test]
fn nothing_stands_in_clear_in_any_file() {
    let mut bench = Bench::new();
    // Not one byte over and over, as what a closing engine fills its file with.
    let [group, local] =
        [0, 1].map(|n| std::array::from_fn(|at| b"name of random bytes"[at % 20] ^ n));
    let (group, one) = (GroupId(group), member(1));
    let me = proto::Member { group, id: one.secrets.public().member_id(&group), ..one };
    bench.store.add_group(&me, &[bench::op("PLAINREASON")]).unwrap();
    let entry = bench::entry(&me, 0, 1, "PLAINSIGNED");
    let id = entry.id;
    bench.commit(
        group,
        &[Change::Entry(Box::new(entry)), bench::written(local, 0, &"PLAINWRITTEN".repeat(900))],
    );
    bench.store.set_port(&group, 40_000).unwrap();
    let home = bench.close();
    let keys = me.secrets.public();
    let secret: [&[u8]; 11] = [
        b"PLAINNAME",
        b"PLAINREASON",
        b"PLAINSIGNED",
        b"PLAINWRITTEN",
        PASSPHRASE.as_bytes(),
        &group.0,
        &me.id.0,
        &id.0,
        &local,
        &keys.ik,
        me.secrets.noise_static(),
    ];
    let files = files(home.path());
    assert!(files.iter().any(|(name, bytes)| name.ends_with("store/db") && bytes.len() > 20_000));
    for (n, secret) in secret.iter().enumerate() {
        for (name, bytes) in &files {
            let clear = bytes.windows(secret.len()).any(|window| window == *secret);
            assert!(!clear, "secret {n} in {name}");
        }
    }
}

#[test]
fn rows_that_were_exchanged_or_changed_are_damage_and_not_read() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[bench::op("one"), bench::op("two")]);
    let home = bench.close();
    let dir = home.path().join("store");
    let engine = SledEngine::open(&dir).unwrap();
    let rows = engine.scan(&[0x21], &[0x22], Dir::Up, 9).unwrap();
    let [(first, one), (second, two)] = rows.as_slice() else { panic!("{} rows", rows.len()) };
    drop(engine);
    let put = |one: &[u8], two: &[u8]| {
        let mut batch = Batch::default();
        batch.put(first.clone(), one.to_vec());
        batch.put(second.clone(), two.to_vec());
        SledEngine::open(&dir).unwrap().commit(&batch).unwrap();
    };
    let mut flipped = one.clone();
    flipped[30] ^= 1;
    let mut home = home;
    for (n, (one, two)) in [(two, one), (&flipped, two), (one, &Vec::new())].iter().enumerate() {
        put(one, two);
        let bench = Bench::unlock(home);
        assert!(matches!(bench.reader().ops(&group), Err(Error::Damaged(_))), "case {n}");
        assert!(matches!(bench.reader().remembered(&group), Err(Error::Damaged(_))), "case {n}");
        home = bench.close();
    }
    put(one, two);
    assert_eq!(Bench::unlock(home).reader().ops(&group).unwrap().len(), 2);
}

#[test]
fn rows_that_are_gone_altogether_are_damage_and_not_an_empty_group() {
    let mut bench = Bench::new();
    bench.join(1, &[]);
    let home = bench.close();
    fs::remove_dir_all(home.path().join("store")).unwrap();
    assert!(matches!(home.unlock(PASSPHRASE), Err(Error::Damaged(_))));
}

#[test]
fn groups_come_back_in_order_with_their_keys_and_ports() {
    let mut bench = Bench::new();
    let groups: Vec<GroupId> = (1..=3).map(|n| bench.join(n, &[])).collect();
    assert!(matches!(bench.store.add_group(&member(2), &[]), Err(Error::GroupExists)));
    bench.store.set_port(&groups[1], 40_001).unwrap();
    bench.store.set_port(&groups[1], 40_002).unwrap();
    let home = bench.close();
    let bench = Bench::unlock(home);
    let reader = bench.reader();
    let members = reader.groups().unwrap();
    for (n, found) in (1..).zip(&members) {
        let made = member(n);
        assert_eq!((found.group, found.id, &*found.name), (made.group, made.id, "PLAINNAME"));
        assert_eq!(found.secrets.public(), made.secrets.public());
    }
    assert_eq!(members.len(), 3);
    assert_eq!(reader.port(&groups[0]).unwrap(), None);
    assert_eq!(reader.port(&groups[1]).unwrap(), Some(40_002));
    assert!(matches!(reader.port(&GroupId([9; 32])), Err(Error::NoSuchGroup)));
}

#[test]
fn a_group_of_which_only_the_keys_were_kept_is_not_shown_and_can_be_added_again() {
    let mut bench = Bench::new();
    let me = member(1);
    let bad = bench::chain([1; 32], 500_000);
    let done = bench.store.add_group(&me, &[bench::op("one"), bad]);
    assert!(matches!(done, Err(Error::TooLarge)));
    let mut bench = bench.reopened();
    assert!(bench.reader().groups().unwrap().is_empty());
    assert!(matches!(bench.store.commit(&me.group, &[]), Err(Error::NoSuchGroup)));
    bench.store.add_group(&me, &[bench::op("two")]).unwrap();
    let bench = bench.reopened();
    assert_eq!(bench.reader().groups().unwrap().len(), 1);
    assert_eq!(bench.reader().ops(&me.group).unwrap().len(), 1);
}

#[test]
fn whoever_keeps_what_ops_and_cards_mean_is_told_when_there_are_others() {
    let (mut bench, me) = (Bench::new(), member(1));
    let group = bench.join(1, &[bench::op("one")]);
    let version = |bench: &Bench| bench.reader().version(&group).unwrap();
    let mut before = version(&bench);
    for change in [bench::op("two"), Change::Card(bench::card(&me, 1_000))] {
        bench.commit(group, &[change]);
        assert!(version(&bench) > before);
        before = version(&bench);
    }
    bench.commit(group, &[bench::accepted(&bench::entry(&me, 0, 1, "words"))]);
    bench.store.set_port(&group, 4001).unwrap();
    assert_eq!(version(&bench), before, "neither words nor ports make others of them");
    let none = bench.reader().version(&GroupId([9; 32]));
    assert!(matches!(none, Err(Error::NoSuchGroup)));
}
