//! The program that `tests/powerloss` kills, cuts off and damages.
//!
//! ```text
//! store_child run DIR FIRST       opens or makes the profile in DIR, then commits the batches FIRST,
//!                                 FIRST + 1, .. until it is ended from outside
//!     BEGIN                       from now on files are touched
//!     OPEN                        the profile is open
//!     17                          batch 17 is durable, says the store
//!     STOP 18 the disk is full    batch 18 was refused: exit status 1
//!
//! store_child verify DIR ACKED    opens the profile, compares all that is in it with what was committed
//!                                 up to batch ACKED, and commits one batch more. ACKED is -1 when only
//!                                 OPEN was seen, and -2 when not even that
//!     VERIFY ok newest=18 open_ms=160     the newest batch that is there, with the one just written
//!     VERIFY FAIL <what> <why>            exit status 1
//! ```
//!
//! What may be wrong, in the order in which it is looked for:
//!
//! ```text
//! PANIC    a panic reached the caller of the store
//! OPEN     the profile does not open
//! WRONG    something is there that was never committed, or says something else
//! READ     something cannot be read, and the store says so
//! LOST     something is gone that was acknowledged, or is as it was before that
//! PARTIAL  the batch after ACKED is there in part
//! WRITE    no batch can be committed any more; the newest that is there is told
//! ```
//!
//! One batch may be there that was not acknowledged: the one that was under way.
//!
//! Read next: [`script`], for what is committed, and [`facts`], for how it is compared.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what cannot go on ends, and is reported"
)]

mod facts;
mod script;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use store::{Error, Home, Store};

use facts::{Facts, Verdict, judge};
use script::{DAY_MS, Script, Step};

fn main() -> ExitCode {
    // What sled panics with is caught by the store, and is its business.
    std::panic::set_hook(Box::new(|_| {}));
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    let done = match asked.as_slice() {
        ["run", dir, first] => run(Path::new(dir), first.parse().unwrap()),
        ["verify", dir, acked] => {
            let (dir, acked) = (Path::new(dir), acked.parse().unwrap());
            let verdict = catch_unwind(AssertUnwindSafe(|| verify(dir, acked)));
            verdict.unwrap_or_else(|panic| Err(format!("PANIC {}", message(&*panic)))).map(|ok| {
                println!("VERIFY ok {ok}");
            })
        }
        _ => Err("usage: store_child run DIR FIRST | verify DIR ACKED".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("{}{why}", if asked.first() == Some(&"verify") { "VERIFY FAIL " } else { "" });
            ExitCode::FAILURE
        }
    }
}

fn run(dir: &Path, first: u64) -> Result<(), String> {
    let mut script = Script::default();
    for _before in 0..first {
        script.next();
    }
    let mut next = script.next();
    println!("BEGIN");
    let opened = Profile::open(dir, &passphrases(&script, &next), true);
    let mut profile = opened.map_err(|error| format!("STOP open {error}"))?;
    println!("OPEN");
    for number in first.. {
        profile.commit(&next).map_err(|error| format!("STOP {number} {error}"))?;
        println!("{number}");
        next = script.next();
    }
    Ok(())
}

fn verify(dir: &Path, acked: i64) -> Result<String, String> {
    let mut script = Script::default();
    let mut facts = Facts::default();
    // What was acknowledged, and what may be there beyond it.
    let until = u64::try_from(acked + 1).unwrap_or(0);
    (0..until).for_each(|_| facts.learn(&script.next()));
    let old = facts.all();
    let next = script.next();
    facts.learn(&next);
    let new = facts.all();

    let begun = Instant::now();
    let opened = Profile::open(dir, &passphrases(&script, &next), acked == -2);
    let mut profile = opened.map_err(|error| format!("OPEN {error}"))?;
    let open_ms = begun.elapsed().as_millis();
    let seen = facts.seen(&profile.store.reader(), profile.passphrase);
    let (newest, next) = match judge(&seen, &old, &new, until) {
        Verdict::Old => (until, next),
        Verdict::New => (until + 1, script.next()),
        Verdict::Bad(why) => return Err(why),
    };
    let done = profile.commit(&next);
    done.map_err(|error| format!("WRITE newest={} {error}", newest.cast_signed() - 1))?;
    Ok(format!("newest={newest} open_ms={open_ms}"))
}

/// What may open the profile: the passphrase, and the one that it may be changed to by now.
fn passphrases(script: &Script, next: &Step) -> Vec<u64> {
    match next {
        Step::Passphrase { old, new } => vec![*old, *new],
        Step::Add { .. }
        | Step::Commit { .. }
        | Step::Port { .. }
        | Step::Forget
        | Step::EndDays { .. }
        | Step::Erase { .. } => vec![script.passphrase()],
    }
}

/// An open profile, and the number of what opened it.
struct Profile {
    home: Home,
    store: Store,
    passphrase: u64,
}

impl Profile {
    fn open(dir: &Path, passphrases: &[u64], may_create: bool) -> Result<Self, Error> {
        let home = Home::open(dir)?;
        for passphrase in passphrases.iter().copied() {
            let store = if may_create && !home.has_profile() {
                home.create_at_floor(&words(passphrase))
            } else {
                home.unlock(&words(passphrase))
            };
            match store {
                Err(Error::WrongPassphrase) => {}
                store => return Ok(Self { store: store?, home, passphrase }),
            }
        }
        Err(Error::WrongPassphrase)
    }

    fn commit(&mut self, step: &Step) -> Result<(), Error> {
        let store = &mut self.store;
        match step {
            Step::Add { me, changes } => store.add_group(me, changes),
            Step::Commit { group, changes } => store.commit(group, changes),
            Step::Port { group, port } => store.set_port(group, *port),
            Step::Forget => store.forget().map(drop),
            Step::EndDays { today } => store.end_days(today * DAY_MS).map(drop),
            Step::Erase { group } => store.erase_group(group),
            Step::Passphrase { old, new } => {
                self.home.change_passphrase(&words(*old), &words(*new))
            }
        }
    }
}

fn words(passphrase: u64) -> String {
    format!("correct horse {passphrase}")
}

fn message(panic: &(dyn core::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
