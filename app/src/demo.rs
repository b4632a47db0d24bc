//! A practice group on this machine: three real members with stores of their own, over loopback, who
//! say a few scripted words. Leaves nothing behind.
//!
//! Without a display it prints what is said, and what each of them holds. With one there is a window on the
//! first of them, and the other two answer.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use net::Config;
use proto::GroupId;

use crate::backend::{Backend, NewGroup, Trouble};
use crate::client::Client;

const PEOPLE: [&str; 3] = ["Wren", "Alder", "Moss"];
const WORDS: [(usize, &str); 6] = [
    (0, "Hello. This is practice: none of us is real, but everything below us is."),
    (1, "I hear you, Wren. These words came to me over a link that only we two can open."),
    (2, "And to me over another. No server saw them."),
    (0, "When someone is away, any of us who holds these words gives them to them later."),
    (2, "And whoever joins next week gets nothing of what we said today."),
    (1, "Then let us stop here. Nothing of this stays."),
];
/// How often the others listen.
const LISTEN: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(60);
/// The exit status of a program that was stopped from the keyboard, as shells have it.
const STOPPED: i32 = 130;

/// Shows the window of a member until it is closed.
pub(crate) type Window = fn(Arc<dyn Backend>) -> Result<(), String>;

/// What the others answer, in this order, to whatever is said.
const ANSWERS: [(usize, &str); 6] = [
    (
        1,
        "I hear you. I am only practice, so I say the same to everyone. But your words did reach me over a real connection.",
    ),
    (2, "I am practice too. Nothing of this leaves your computer, and nothing of it stays."),
    (
        1,
        "You can answer one message: point at it, and press the three dots. Or use the Tab and arrow keys.",
    ),
    (
        2,
        "You can change your words, or take them back. We forget them then, as real people's devices do.",
    ),
    (1, "Try Undo after you send something. It waits ten seconds before it leaves."),
    (2, "We have nothing more to say. Close the window when you like."),
];

/// Runs it to its end; with a window, if there is one to show.
///
/// # Errors
/// What did not come about.
pub(crate) fn run(window: Option<Window>) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("kith-demo-").tempdir()?;
    say(&format!(
        "Three members on this machine, each with a store under {}.",
        folder.path().display()
    ));
    let is_stopped = go_when_stopped(folder.path())?;
    let done = practice(folder.path(), window).and_then(|()| {
        folder.close().context("the demo's folder could not be removed")?;
        say("That was all; its folder is gone.");
        Ok(())
    });
    while is_stopped.load(Ordering::SeqCst) {
        // What failed, failed because the folder is going: whoever removes it ends the program when it is gone.
        thread::park();
    }
    done
}

fn practice(folder: &Path, window: Option<Window>) -> Result<()> {
    let people = start(folder)?;
    let (founder, newcomers) = people.split_first().context("someone must begin")?;
    let group = founder
        .create_group(&NewGroup {
            name: "Practice".into(),
            reason:
                "To see how it goes. If you lock this window: the passphrase is \"only practice\"."
                    .into(),
            agreement: "What is said here stays here.".into(),
            pseudonym: PEOPLE[0].into(),
            consent_hours: None,
            words_stay_days: None,
        })
        .map_err(trouble)?;
    say(&format!("{} begins a group and makes an invitation for each of the others.", PEOPLE[0]));
    for (name, newcomer) in PEOPLE.iter().skip(1).zip(newcomers) {
        let link = founder.invite(&group, 3600, true).map_err(trouble)?.link;
        let look = newcomer.look(&link).map_err(trouble)?;
        say(&format!("{name} reads why the group meets (\"{}\") and joins.", look.reason));
        newcomer.accept(&link, name, 60).map_err(trouble)?;
    }
    until("everyone is linked to everyone", || {
        people.iter().all(|person| {
            let members = person.members(&group).unwrap_or_default();
            members.len() == PEOPLE.len()
                && members
                    .iter()
                    .all(|member| member.me || member.linked && !member.pseudonym.is_empty())
        })
    })?;
    if let Some(window) = window {
        practise(&people, group, window)?;
    } else {
        hold(&people, &group)?;
    }
    for person in &people {
        // Whoever erased the profile in the window has nothing left to close.
        person.lock().ok();
    }
    Ok(())
}

/// Whoever stops the program in the terminal is to find nothing of it either. Gives what tells that they did.
#[expect(clippy::exit, reason = "a stop is not waited for: nothing of it stays in any case")]
fn go_when_stopped(folder: &Path) -> Result<Arc<AtomicBool>> {
    let (folder, is_stopped) = (folder.to_owned(), Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&is_stopped);
    ctrlc::set_handler(move || {
        stopped.store(true, Ordering::SeqCst);
        remove(&folder);
        std::process::exit(STOPPED);
    })
    .context("a stop could not be waited for")?;
    Ok(is_stopped)
}

/// Removes the folder under the hands of members who still write into it.
///
/// Where it stood stands a file meanwhile, so that none of them can make a file or a folder there, and
/// nobody knows where it went. It is moved inside its own parent, which is one step.
fn remove(folder: &Path) {
    let gone = folder.with_extension("gone");
    if fs::rename(folder, &gone).is_err() {
        fs::remove_dir_all(folder).ok();
        return;
    }
    let kept = fs::File::create(folder).is_ok();
    fs::remove_dir_all(&gone).ok();
    if kept {
        fs::remove_file(folder).ok();
    }
}

/// What is said without a window, and who holds it.
fn hold(people: &[Arc<Client>], group: &GroupId) -> Result<()> {
    talk(people, group)?;
    for (name, person) in PEOPLE.iter().zip(people) {
        let held = words_of(person, group)?;
        ensure!(
            held.len() == WORDS.len(),
            "{name} holds {} of {} messages",
            held.len(),
            WORDS.len()
        );
        say(&format!(
            "{name} holds {} messages, the same and in the same order as everyone.",
            held.len()
        ));
    }
    Ok(())
}

/// A window on the first member, while the others answer.
fn practise(people: &[Arc<Client>], group: GroupId, window: Window) -> Result<()> {
    let (first, others) = people.split_first().context("someone must begin")?;
    let hello = "Hello. This is practice: I am a script, but everything below me is real. Say something, and we answer.";
    let one = others.first().context("someone answers")?;
    one.send(&group, hello, None).map_err(trouble)?;
    say(
        "A window opens on Wren, who is you. Alder and Moss are scripts. Close it to end. Should you lock it, its passphrase is: only practice",
    );
    let is_over = Arc::new(AtomicBool::new(false));
    let answering = {
        let (people, is_over) = (people.to_vec(), Arc::clone(&is_over));
        thread::spawn(move || answer(&people, &group, &is_over))
    };
    let shown = window(Arc::clone(first) as Arc<dyn Backend>);
    is_over.store(true, Ordering::Relaxed);
    let answered = answering.join().map_err(|_panicked| anyhow!("the others broke off"))?;
    shown.map_err(|error| anyhow!("the window could not be opened: {error}"))?;
    answered
}

/// Answers what the first member says, as the others hear it.
fn answer(people: &[Arc<Client>], group: &GroupId, is_over: &AtomicBool) -> Result<()> {
    let mut heard = 0;
    let mut answers = ANSWERS.iter();
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(LISTEN);
        let Some(listener) = people.get(1) else { return Ok(()) };
        let page = listener.messages(group, None, 100).map_err(trouble)?;
        let said = page.messages.iter().filter(|message| message.pseudonym == PEOPLE[0]).count();
        if said <= heard {
            continue;
        }
        heard = said;
        if let Some((who, text)) = answers.next()
            && let Some(speaker) = people.get(*who)
        {
            speaker.send(group, text, None).map_err(trouble)?;
        }
    }
    Ok(())
}

/// Three clients with fresh profiles, made side by side: each takes a second on purpose.
fn start(folder: &Path) -> Result<Vec<Arc<Client>>> {
    let listen = "/ip4/127.0.0.1/tcp/0".parse::<net::Multiaddr>()?;
    let make = |at: usize| {
        let config = Config { listen: vec![listen.clone()], mdns: false };
        let home = folder.join(format!("member-{at}"));
        thread::spawn(move || -> Result<Arc<Client>> {
            let client = Client::new(&home, config).map_err(trouble)?;
            client.create_profile("only practice").map_err(trouble)?;
            Ok(Arc::new(client))
        })
    };
    let making: Vec<_> = (0..PEOPLE.len()).map(make).collect();
    making
        .into_iter()
        .map(|thread| thread.join().map_err(|_panicked| anyhow!("a member could not start"))?)
        .collect()
}

fn talk(people: &[Arc<Client>], group: &GroupId) -> Result<()> {
    for (at, (who, text)) in WORDS.iter().enumerate() {
        let (name, speaker) = PEOPLE.iter().zip(people).nth(*who).context("someone speaks")?;
        let begin = Instant::now();
        speaker.send(group, text, None).map_err(trouble)?;
        let mut order = None;
        until("everyone holds it", || {
            let held: Vec<_> =
                people.iter().filter_map(|person| words_of(person, group).ok()).collect();
            order = held.first().cloned();
            held.len() == people.len()
                && held.iter().all(|words| Some(words) == order.as_ref() && words.len() == at + 1)
        })?;
        say(&format!(
            "\n  {name}: {text}\n    held by {} after {} ms",
            PEOPLE.join(", "),
            begin.elapsed().as_millis()
        ));
    }
    say("");
    Ok(())
}

fn words_of(person: &Client, group: &GroupId) -> Result<Vec<String>> {
    let page = person.messages(group, None, 100).map_err(trouble)?;
    Ok(page.messages.into_iter().map(|message| message.text).collect())
}

fn until(what: &str, mut done: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !done() {
        ensure!(Instant::now() < end, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn trouble(trouble: Trouble) -> anyhow::Error {
    anyhow!("{} ({})", trouble.says.trim_end_matches('.'), trouble.name)
}

fn say(line: &str) {
    // Whoever listened may have gone: it ends as it would, and leaves nothing.
    writeln!(io::stdout(), "{line}").ok();
}
