//! A look at everything: nothing is said of a whole profile, and of a damaged one what cannot be read.

use proto::Change;

use super::bench::{Bench, accepted, copy_of, entry, member};
use crate::engine::{Batch, Dir, Engine as _, SledEngine};
use crate::rows::{BODY, EV};
use crate::{Checked, Home};

const PASSPHRASE: &str = super::bench::PASSPHRASE;

fn group_of_ops(bench: &mut Bench) -> proto::GroupId {
    let founding = proto::Founding {
        name: "Tuesday".into(),
        reason: "Company.".into(),
        pseudonym: "Wren".into(),
        ..proto::Founding::default()
    };
    let mut rng = rand::rng();
    let now = proto::Now { unix_ms: 1_795_176_000_000, ..proto::Now::default() };
    let (me, genesis) = founding.begin(now, &mut rng).unwrap();
    bench.store.add_group(&me, &[Change::Op(genesis)]).unwrap();
    me.group
}

#[test]
fn a_whole_profile_has_no_problems_and_a_damaged_one_names_them() {
    let mut bench = Bench::new();
    let group = group_of_ops(&mut bench);
    let mut author = member(2);
    author.group = group;
    // More than are looked at together.
    for n in 0..1_100 {
        bench.commit(group, &[accepted(&entry(&author, n, u64::from(n) + 1, "words"))]);
    }
    let whole = bench.store.reader().check().unwrap();
    assert_eq!(whole, Checked { entries: 1_100, problems: Vec::new() });

    // A bit of one body, a bit of one entry without its body, and one body that is gone.
    let home = bench.close();
    for (table, is_gone, expected) in [(BODY, false, 1_100), (EV, false, 7), (BODY, true, 1_100)] {
        let dir = copy_of(home.path());
        {
            let engine = SledEngine::open(&dir.path().join("store")).unwrap();
            let rows =
                engine.scan(&[table.tag()], &[table.tag() + 1], Dir::Up, usize::MAX).unwrap();
            let (key, mut value) = rows[7].clone();
            value[30] ^= 1;
            let mut batch = Batch::default();
            if is_gone {
                batch.remove(key);
            } else {
                batch.put(key, value);
            }
            engine.commit(&batch).unwrap();
        }
        let store = Home::open(dir.path()).unwrap().unlock(PASSPHRASE).unwrap();
        let checked = store.reader().check().unwrap();
        assert_eq!(checked.problems.len(), 1, "{checked:?}");
        assert_eq!(checked.entries, expected, "{checked:?}");
    }
}
