//! Real processes: `kith rpc` driven as a script would, over real sockets, on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

#[path = "process/errors.rs"]
mod errors;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const KITH: &str = env!("CARGO_BIN_EXE_kith");
const PATIENCE: Duration = Duration::from_secs(60);

/// One member's process. Killed when dropped.
struct Member {
    process: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Value>,
    next_id: u64,
    events: Vec<Value>,
}

impl Member {
    fn start(home: &Path) -> Self {
        Self::start_with(home, &[])
    }

    fn start_with(home: &Path, variables: &[(&str, &Path)]) -> Self {
        let mut process = Command::new(KITH)
            .envs(variables.iter().copied())
            .args(["rpc", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0", "--home"])
            .arg(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (line, lines) = sync_channel(1024);
        std::thread::spawn(move || {
            for text in output.lines().map_while(Result::ok) {
                if line.send(serde_json::from_str(&text).unwrap()).is_err() {
                    return;
                }
            }
        });
        let input = process.stdin.take();
        Self { process, input, lines, next_id: 0, events: Vec::new() }
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<Value, String> {
        self.next_id += 1;
        let request =
            json!({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params});
        writeln!(self.input.as_mut().unwrap(), "{request}").unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            let line = match self.lines.recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no answer to {method}")
                }
            };
            if line["method"] == "event" {
                self.events.push(line["params"].clone());
            } else if line["id"] == self.next_id {
                return match line.get("error") {
                    Some(error) => Err(error["data"]["name"].to_string().replace('"', "")),
                    None => Ok(line["result"].clone()),
                };
            }
        }
    }

    fn texts(&mut self, group: &Value) -> Vec<String> {
        let page = self.ask("message.list", json!({"space": group})).unwrap();
        let texts = page["messages"].as_array().unwrap().iter();
        texts.map(|message| message["text"].as_str().unwrap().to_owned()).collect()
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < end, "waited in vain until {what}");
            // Asking is a round trip through the process: no sleep is needed between two.
            std::thread::yield_now();
        }
    }

    /// As a power cut ends it.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        drop(self.input.take());
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn two_processes_talk_and_nothing_acknowledged_is_lost_to_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let homes = ["wren", "alder"].map(|name| folder.path().join(name));
    let [mut wren, mut alder] = homes.each_ref().map(|home| Member::start(home));
    for member in [&mut wren, &mut alder] {
        member.ask("profile.create", json!({"passphrase": "correct horse"})).unwrap();
    }
    let new = json!({"name": "Tuesday", "reason": "Company.", "pseudonym": "Wren"});
    let group = wren.ask("group.create", new).unwrap()["group"].clone();
    let link = wren.ask("invite.create", json!({"group": group})).unwrap()["link"].clone();
    let look = alder.ask("invite.look", json!({"link": link})).unwrap();
    assert_eq!(look["reason"], "Company.");
    let joined = alder.ask("invite.accept", json!({"link": link, "pseudonym": "Alder"})).unwrap();
    assert_eq!(joined["group"], group);
    let again = alder.ask("invite.accept", json!({"link": link, "pseudonym": "Alder"}));
    assert_eq!(again, Err("already_member".into()));

    // A cursor from the future is answered with the newest there is, and silences nothing after it.
    let since = alder.ask("rpc.since", json!({"cursor": 1_u64 << 52})).unwrap();
    assert!(since["cursor"].as_u64().unwrap() < 100, "{since}");
    alder.events.clear();

    alder.ask("message.send", json!({"space": group, "text": "hello, Wren"})).unwrap();
    wren.until("the first word came", |wren| wren.texts(&group) == ["hello, Wren"]);
    wren.ask("message.send", json!({"space": group, "text": "hello, Alder"})).unwrap();
    wren.kill();

    let mut wren = Member::start(&homes[0]);
    let locked = wren.ask("group.list", json!({}));
    assert_eq!(locked, Err("locked".into()));
    let wrong = wren.ask("profile.unlock", json!({"passphrase": "wrong"}));
    assert_eq!(wrong, Err("wrong_passphrase".into()));
    wren.ask("profile.unlock", json!({"passphrase": "correct horse"})).unwrap();
    assert_eq!(wren.texts(&group), ["hello, Wren", "hello, Alder"]);
    alder.until("both words are there", |alder| alder.texts(&group).len() == 2);
    assert_eq!(alder.texts(&group), ["hello, Wren", "hello, Alder"]);

    let heard = alder.events.iter().filter(|event| event["kind"] == "message").count();
    assert_eq!(heard, 2, "each message is heard of once: {:?}", alder.events);
    let cursors: Vec<_> =
        alder.events.iter().map(|event| event["cursor"].as_u64().unwrap()).collect();
    assert!(cursors.is_sorted_by(|a, b| a < b), "{cursors:?}");
}

/// Two members of a group, who see each other.
fn two_in_a_group(folder: &Path) -> (Value, [Member; 2]) {
    let [mut wren, mut alder] = ["wren", "alder"].map(|name| Member::start(&folder.join(name)));
    for member in [&mut wren, &mut alder] {
        member.ask("profile.create", json!({"passphrase": "correct horse"})).unwrap();
    }
    let new = json!({"name": "Tuesday", "reason": "Company.", "pseudonym": "Wren"});
    let group = wren.ask("group.create", new).unwrap()["group"].clone();
    let link = wren.ask("invite.create", json!({"group": group})).unwrap()["link"].clone();
    alder.ask("invite.accept", json!({"link": link, "pseudonym": "Alder"})).unwrap();
    (group, [wren, alder])
}

#[test]
fn what_is_edited_reads_so_at_the_other_end_and_what_is_taken_back_is_gone_there() {
    let folder = tempfile::tempdir().unwrap();
    let (group, [mut wren, mut alder]) = two_in_a_group(folder.path());
    let say = json!({"space": group, "text": "see you at six"});
    let id = wren.ask("message.send", say).unwrap()["id"].clone();
    alder.until("it came", |alder| alder.texts(&group) == ["see you at six"]);
    let this = json!({"space": group, "id": id});
    wren.until("it is known to be there", |wren| {
        wren.ask("message.where", this.clone()).unwrap() == json!({"held_by": 1, "of": 1})
    });

    let edit = json!({"space": group, "id": id, "text": "see you at seven"});
    assert_eq!(alder.ask("message.edit", edit.clone()), Err("not_yours".into()));
    wren.ask("message.edit", edit).unwrap();
    for member in [&mut wren, &mut alder] {
        member.until("the new words came", |member| member.texts(&group) == ["see you at seven"]);
        let page = member.ask("message.list", json!({"space": group})).unwrap();
        assert_eq!(page["messages"][0]["edited"], true);
    }
    assert_eq!(alder.ask("message.take_back", this.clone()), Err("not_yours".into()));
    wren.ask("message.take_back", this).unwrap();
    for member in [&mut wren, &mut alder] {
        member.until("it is gone", |member| member.texts(&group) == [""]);
        let page = member.ask("message.list", json!({"space": group})).unwrap();
        assert_eq!(page["messages"][0]["state"], "gone");
    }
    let edit = json!({"space": group, "id": id, "text": "after all"});
    assert_eq!(wren.ask("message.edit", edit), Err("no_such_message".into()));

    alder.ask("rpc.since", json!({"cursor": 0})).unwrap();
    let changed = alder.events.iter().filter(|event| event["kind"] == "message_changed");
    let changed: Vec<_> = changed.map(|event| event["message"]["state"].clone()).collect();
    assert!(changed.len() >= 2 && changed.last().unwrap() == "gone", "{changed:?}");
}

#[test]
fn whoever_left_reads_what_was_said_and_says_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let (group, [mut wren, mut alder]) = two_in_a_group(folder.path());
    alder.ask("message.send", json!({"space": group, "text": "goodbye"})).unwrap();
    wren.until("it came", |wren| wren.texts(&group) == ["goodbye"]);
    let leave = |more: Value| {
        let mut leave = json!({"group": group});
        leave.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        leave
    };
    for more in [json!({"ask_removal": true}), json!({"erase": true})] {
        assert_eq!(alder.ask("group.leave", leave(more)), Err("not_yet".into()));
    }
    alder.ask("group.leave", leave(json!({"ask_removal": false}))).unwrap();
    wren.until("one is left", |wren| {
        let members = wren.ask("member.list", json!({"group": group})).unwrap();
        members.as_array().unwrap().len() == 1
    });
    wren.ask("message.send", json!({"space": group, "text": "alone now"})).unwrap();

    let link = wren.ask("invite.create", json!({"group": group})).unwrap()["link"].clone();
    for restarted in [false, true] {
        if restarted {
            alder.kill();
            alder = Member::start(&folder.path().join("alder"));
            alder.ask("profile.unlock", json!({"passphrase": "correct horse"})).unwrap();
        }
        assert_eq!(alder.ask("group.list", json!({})).unwrap(), json!([]));
        assert_eq!(alder.texts(&group), ["goodbye"]);
        let say = json!({"space": group, "text": "one more thing"});
        assert_eq!(alder.ask("message.send", say), Err("not_a_member".into()));
        let back = json!({"link": link, "pseudonym": "Alder"});
        assert_eq!(alder.ask("invite.accept", back), Err("left".into()));
    }
}

#[test]
fn the_end_of_input_ends_the_process_with_status_0() {
    let folder = tempfile::tempdir().unwrap();
    let mut member = Member::start(&folder.path().join("home"));
    member.ask("profile.create", json!({"passphrase": "x"})).unwrap();
    drop(member.input.take());
    assert!(member.process.wait().unwrap().success());
}

/// A practice group without a display, whose folder is made here.
fn practice_in(folder: &Path) -> Child {
    let mut demo = Command::new(KITH);
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        demo.env_remove(name);
    }
    demo.arg("demo").env("TMPDIR", folder).stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_practice_group_that_nobody_listens_to_any_more_ends_as_it_would() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = practice_in(folder.path());
    drop(demo.stdout.take());
    assert!(demo.wait().unwrap().success());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Nothing of the practice group stays, also when it is stopped from the keyboard in the middle.
#[cfg(unix)]
#[test]
fn a_practice_group_that_is_stopped_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = practice_in(folder.path());
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    lines.by_ref().find(|line| line.as_ref().unwrap().contains("joins")).unwrap().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // The shell's own: a bare system has no program of that name.
    let kill = format!("kill -INT {}", demo.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(demo.wait().unwrap().code(), Some(130));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn without_a_display_one_sentence_names_the_other_ways() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(KITH);
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        command.env_remove(name);
    }
    let output = command.arg("--home").arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let says = String::from_utf8(output.stderr).unwrap();
    assert!(
        says.lines().count() == 1 && says.contains("kith rpc") && says.contains("kith demo"),
        "{says}"
    );
}
