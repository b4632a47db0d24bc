//! A practice group on this machine: three real members with stores of their own, over loopback, who
//! say a few scripted words. Shows what each of them holds, and leaves nothing behind.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use net::Config;
use proto::GroupId;

use crate::backend::{Backend as _, NewGroup, Trouble};
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
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs it to its end.
///
/// # Errors
/// What did not come about.
pub(crate) fn run() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("kith-demo-").tempdir()?;
    say(&format!(
        "Three members on this machine, each with a store under {}.",
        folder.path().display()
    ));
    let people = start(folder.path())?;
    let (founder, newcomers) = people.split_first().context("someone must begin")?;
    let group = founder
        .create_group(&NewGroup {
            name: "Practice".into(),
            reason: "To see how it goes.".into(),
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
    talk(&people, &group)?;
    for (name, person) in PEOPLE.iter().zip(&people) {
        let held = words_of(person, &group)?;
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
    drop(people);
    folder.close().context("the demo's folder could not be removed")?;
    say("That was all; its folder is gone.");
    Ok(())
}

/// Three clients with fresh profiles, made side by side: each takes a second on purpose.
fn start(folder: &std::path::Path) -> Result<Vec<Client>> {
    let listen = "/ip4/127.0.0.1/tcp/0".parse::<net::Multiaddr>()?;
    let make = |at: usize| {
        let config = Config { listen: vec![listen.clone()], mdns: false };
        let home = folder.join(format!("member-{at}"));
        thread::spawn(move || -> Result<Client> {
            let client = Client::new(&home, config).map_err(trouble)?;
            client.create_profile("only practice").map_err(trouble)?;
            Ok(client)
        })
    };
    let making: Vec<_> = (0..PEOPLE.len()).map(make).collect();
    making
        .into_iter()
        .map(|thread| thread.join().map_err(|_panicked| anyhow!("a member could not start"))?)
        .collect()
}

fn talk(people: &[Client], group: &GroupId) -> Result<()> {
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

#[expect(clippy::print_stdout, reason = "the conversation is what the demo is for")]
fn say(line: &str) {
    println!("{line}");
}
