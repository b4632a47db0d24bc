//! The engine against a map: whatever is done in whatever order, both say the same.
//!
//! `PROPTEST_CASES` says how many cases there are; 200 when it says nothing.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tempfile::TempDir;

use super::super::*;
use super::small;
use crate::tests::bench::{copy_of, in_memory};

/// Few keys, so that they meet; as long as the longest, now and then.
#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    Get(Vec<u8>),
    Scan(Vec<u8>, Vec<u8>, bool, usize),
    Reopen,
    /// The power fails: the engine opens what is in the folder while another has it open.
    CrashImage,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    let short = vec(0_u8..4, 0..4);
    let long = (0_u8..4).prop_map(|byte| vec![byte; KEY_MAX]);
    prop_oneof![9 => short, 1 => long]
}

fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
    let len = prop_oneof![6 => 0_usize..300, 1 => Just(VALUE_MAX)];
    prop_oneof![1 => Just(None), 3 => (any::<u8>(), len).prop_map(|(byte, len)| Some(vec![byte; len]))]
}

struct Map;

impl ReferenceStateMachine for Map {
    type State = BTreeMap<Vec<u8>, Vec<u8>>;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self::State> {
        Just(BTreeMap::new()).boxed()
    }

    fn transitions(_: &Self::State) -> BoxedStrategy<Step> {
        prop_oneof![
            6 => vec((key(), value()), 0..24).prop_map(Step::Commit),
            2 => key().prop_map(Step::Get),
            4 => (key(), key(), any::<bool>(), 0_usize..20)
                .prop_map(|(from, to, up, limit)| Step::Scan(from, to, up, limit)),
            1 => Just(Step::Reopen),
            1 => Just(Step::CrashImage),
        ]
        .boxed()
    }

    fn apply(mut map: Self::State, step: &Step) -> Self::State {
        if let Step::Commit(rows) = step {
            for (key, value) in rows {
                match value {
                    Some(value) => map.insert(key.clone(), value.clone()),
                    None => map.remove(key),
                };
            }
        }
        map
    }
}

struct Run {
    dir: TempDir,
    engine: Option<SledEngine>,
}

impl Run {
    fn engine(&self) -> &SledEngine {
        self.engine.as_ref().unwrap()
    }
}

fn all(engine: &SledEngine) -> Vec<Pair> {
    engine.scan(&[], &[0xff; KEY_MAX], Dir::Up, usize::MAX).unwrap()
}

impl StateMachineTest for Run {
    type SystemUnderTest = Self;
    type Reference = Map;

    fn init_test(_: &BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        let dir = in_memory();
        let engine = Some(small(dir.path()).unwrap());
        Self { dir, engine }
    }

    fn apply(mut run: Self, map: &BTreeMap<Vec<u8>, Vec<u8>>, step: Step) -> Self {
        match step {
            Step::Commit(rows) => {
                let mut batch = Batch::default();
                for (key, value) in rows {
                    match value {
                        Some(value) => batch.put(key, value),
                        None => batch.remove(key),
                    }
                }
                run.engine().commit(&batch).unwrap();
            }
            Step::Get(key) => assert_eq!(run.engine().get(&key).unwrap(), map.get(&key).cloned()),
            Step::Scan(from, to, up, limit) => {
                let bounds = (Bound::Included(&from), Bound::Excluded(&to));
                let rows =
                    if from < to { map.range::<Vec<u8>, _>(bounds).collect() } else { vec![] };
                let rows = rows.into_iter().map(|(key, value)| (key.clone(), value.clone()));
                let (dir, expected): (_, Vec<_>) = if up {
                    (Dir::Up, rows.take(limit).collect())
                } else {
                    (Dir::Down, rows.rev().take(limit).collect())
                };
                assert_eq!(run.engine().scan(&from, &to, dir, limit).unwrap(), expected);
            }
            Step::Reopen => {
                run.engine = None;
                run.engine = Some(opened(run.dir.path(), map));
            }
            Step::CrashImage => {
                let copy = copy_of(run.dir.path());
                opened(copy.path(), map);
            }
        }
        run
    }

    fn teardown(run: Self, map: BTreeMap<Vec<u8>, Vec<u8>>) {
        assert_eq!(all(run.engine()), map.into_iter().collect::<Vec<_>>());
    }
}

fn opened(home: &Path, map: &BTreeMap<Vec<u8>, Vec<u8>>) -> SledEngine {
    let engine = small(home).unwrap();
    assert_eq!(engine.report(), Report::default());
    assert_eq!(all(&engine), map.clone().into_iter().collect::<Vec<_>>());
    engine
}

fn config() -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config { cases: cases.unwrap_or(200), failure_persistence: None, ..Config::default() }
}

prop_state_machine! {
    #![proptest_config(config())]
    #[test]
    fn the_engine_does_what_a_map_does(sequential 1..16 => Run);
}
