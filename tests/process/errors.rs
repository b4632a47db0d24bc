//! Every error that one can bring about, by the name that scripts rely on, with a sentence; and that nothing is
//! half done by it.

use std::fs;
use std::process::Output;

use super::*;

const PASS: &str = "correct horse";

fn named(asked: Result<Value, String>) -> String {
    asked.unwrap_err()
}

fn created(home: &Path) -> Member {
    let mut member = Member::start(home);
    member.ask("profile.create", json!({"passphrase": PASS})).unwrap();
    member
}

fn group_of(member: &mut Member) -> Value {
    let new = json!({"name": "Tuesday", "reason": "Company.", "pseudonym": "Wren"});
    member.ask("group.create", new).unwrap()["group"].clone()
}

#[test]
fn every_error_about_a_profile_a_group_and_a_message_has_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut wren = Member::start(&folder.path().join("wren"));
    for method in ["group.list", "profile.lock", "net.status"] {
        assert_eq!(named(wren.ask(method, json!({}))), "no_profile", "{method}");
    }
    assert_eq!(named(wren.ask("profile.unlock", json!({"passphrase": PASS}))), "no_profile");
    assert_eq!(named(wren.ask("profile.create", json!({"passphrase": ""}))), "bad_params");
    wren.ask("profile.create", json!({"passphrase": PASS})).unwrap();
    assert_eq!(named(wren.ask("profile.create", json!({"passphrase": PASS}))), "profile_exists");
    assert_eq!(named(wren.ask("profile.unlock", json!({"passphrase": "x"}))), "wrong_passphrase");
    let change = json!({"old": "x", "new": "y"});
    assert_eq!(named(wren.ask("profile.change_passphrase", change)), "wrong_passphrase");
    assert_eq!(named(wren.ask("profile.erase", json!({"confirm": "yes"}))), "bad_params");

    let group = group_of(&mut wren);
    let nobody = "ab".repeat(32);
    let me = wren.ask("group.list", json!({})).unwrap()[0]["me"].clone();
    for (method, params, name) in [
        ("member.list", json!({"group": nobody}), "no_such_group"),
        ("group.leave", json!({"group": nobody}), "no_such_group"),
        ("invite.create", json!({"group": nobody}), "no_such_group"),
        ("completeness", json!({"space": nobody}), "no_such_group"),
        ("message.send", json!({"space": nobody, "text": "x"}), "no_such_group"),
        ("member.safety_words", json!({"group": group, "member": nobody}), "no_such_member"),
        ("member.safety_words", json!({"group": group, "member": me}), "no_such_member"),
        ("member.verify", json!({"group": group, "member": nobody}), "no_such_member"),
        ("message.list", json!({"space": group, "before": nobody}), "no_such_message"),
        ("message.where", json!({"space": group, "id": nobody}), "no_such_message"),
        ("message.edit", json!({"space": group, "id": nobody, "text": "x"}), "no_such_message"),
        ("message.take_back", json!({"space": group, "id": nobody}), "no_such_message"),
        (
            "message.send",
            json!({"space": group, "text": "x", "reply_to": nobody}),
            "no_such_message",
        ),
        ("message.send", json!({"space": group, "text": "x".repeat(65_537)}), "too_large"),
        ("message.send", json!({"space": group, "text": ""}), "bad_params"),
        ("message.list", json!({"space": group, "limit": 0}), "bad_params"),
        ("message.list", json!({"space": "ABC"}), "bad_params"),
        ("message.list", json!({"space": group, "colour": "blue"}), "bad_params"),
        ("group.create", json!({"name": " ", "reason": "x", "pseudonym": "x"}), "bad_params"),
        ("invite.create", json!({"group": group, "uses": 2}), "bad_params"),
        ("invite.create", json!({"group": group, "expires_s": 0}), "bad_params"),
        ("invite.revoke", json!({"group": group, "invite": nobody}), "bad_params"),
        ("net.dial", json!({"address": "over there"}), "bad_params"),
        ("net.dial", json!({"address": "/ip4/127.0.0.1/tcp/1"}), "unreachable"),
        ("decision.list", json!({"group": group}), "not_yet"),
        ("net.doctor", json!({}), "not_yet"),
    ] {
        assert_eq!(named(wren.ask(method, params.clone())), name, "{method} {params}");
    }
    wren.ask("profile.lock", json!({})).unwrap();
    assert_eq!(named(wren.ask("completeness", json!({"space": group}))), "locked");
    wren.ask("profile.unlock", json!({"passphrase": PASS})).unwrap();
    assert_eq!(wren.texts(&group), Vec::<String>::new(), "nothing of it was done");
    wren.ask("message.send", json!({"space": group, "text": "one"})).unwrap();
    let checked = wren.ask("store.check", json!({})).unwrap();
    assert_eq!((&checked["ok"], &checked["events"]), (&json!(true), &json!(1)), "{checked}");
    assert!(
        checked["bytes"].as_u64().unwrap() > 1_000_000,
        "the ballast alone is 8 MiB: {checked}"
    );
}

#[test]
fn every_error_about_an_invitation_has_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let [mut wren, mut alder] = ["wren", "alder"].map(|name| created(&folder.path().join(name)));
    let group = group_of(&mut wren);
    let accept = |alder: &mut Member, link: &Value| {
        let accept = json!({"link": link, "pseudonym": "Alder", "timeout_s": 5});
        alder.ask("invite.accept", accept)
    };
    assert_eq!(named(accept(&mut alder, &json!("kith:nonsense"))), "invite_unreadable");
    assert_eq!(named(alder.ask("invite.look", json!({"link": ""}))), "invite_unreadable");

    let made = wren.ask("invite.create", json!({"group": group})).unwrap();
    let nameless = json!({"link": made["link"], "pseudonym": " "});
    assert_eq!(named(alder.ask("invite.accept", nameless)), "bad_params");
    let revoke = json!({"group": group, "invite": made["invite"]});
    wren.ask("invite.revoke", revoke).unwrap();
    assert_eq!(named(accept(&mut alder, &made["link"])), "invite_revoked");

    let made = wren.ask("invite.create", json!({"group": group})).unwrap();
    accept(&mut alder, &made["link"]).unwrap();
    assert_eq!(named(accept(&mut alder, &made["link"])), "already_member");
    let revoke = json!({"group": group, "invite": made["invite"]});
    assert_eq!(named(wren.ask("invite.revoke", revoke.clone())), "invite_used");
    alder.until("both hold the same", |alder| {
        alder.ask("completeness", json!({"space": group})).unwrap()["complete"] == true
    });
    let theirs = wren.ask("invite.create", json!({"group": group})).unwrap()["invite"].clone();
    alder.until("the invitation came", |alder| {
        let revoke = json!({"group": group, "invite": theirs});
        alder.ask("invite.revoke", revoke) == Err("not_yours".into())
    });
    let mut moss = created(&folder.path().join("moss"));
    assert_eq!(named(accept(&mut moss, &made["link"])), "invite_used");

    let made = wren.ask("invite.create", json!({"group": group})).unwrap();
    wren.kill();
    alder.kill();
    assert_eq!(named(accept(&mut moss, &made["link"])), "unreachable");
    // A minute is the shortest there is, so this one is made by hand: an invitation of long ago.
    let ended = proto::Invitation::from_text(made["link"].as_str().unwrap()).unwrap();
    assert_eq!(named(accept(&mut moss, &json!(with_end(&ended.to_text(), 1)))), "invite_expired");
}

/// The same invitation with another end, in minutes since 1970, and a check that fits.
fn with_end(link: &str, minutes: u32) -> String {
    let mut invitation = proto::Invitation::from_text(link).unwrap();
    invitation.expires = minutes;
    invitation.to_text()
}

#[test]
fn two_compare_words_and_say_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (group, [mut wren, mut alder]) = two_in_a_group(folder.path());
    let other = |member: &mut Member| {
        let members = member.ask("member.list", json!({"group": group})).unwrap();
        let others = members.as_array().unwrap().iter().find(|of| of["me"] == false);
        others.unwrap().clone()
    };
    let words = |member: &mut Member| {
        let params = json!({"group": group, "member": other(member)["member"]});
        member.ask("member.safety_words", params).unwrap()
    };
    let of_wren = words(&mut wren);
    assert_eq!(of_wren, words(&mut alder));
    assert_eq!(of_wren["words"].as_array().unwrap().len(), 12);
    assert_eq!(of_wren["joined_with"].as_array().unwrap().len(), 4, "one let the other in");
    let params = json!({"group": group, "member": other(&mut wren)["member"]});
    wren.ask("member.verify", params).unwrap();
    assert_eq!(other(&mut wren)["verified"], true);
    assert_eq!(other(&mut alder)["verified"], false);
    alder.until("it has met the inviter", |alder| {
        alder.ask("group.list", json!({})).unwrap()[0]["arriving"] == false
    });
    for member in [&mut wren, &mut alder] {
        let known = member.ask("completeness", json!({"space": group})).unwrap();
        assert_eq!(known, json!({"complete": true, "missing": [], "waiting": 0}));
    }
}

/// Raises the version in a header, with a checksum that fits (store/src/vault/header.rs).
fn as_a_newer_version(header: &Path) {
    let mut bytes = fs::read(header).unwrap();
    bytes[9] += 1;
    let checked = bytes.len() - 32;
    let sum = blake3::hash(&bytes[..checked]);
    bytes[checked..].copy_from_slice(sum.as_bytes());
    fs::write(header, bytes).unwrap();
}

#[test]
fn what_newcomers_could_read_by_an_edit_is_too_late_to_edit() {
    let folder = tempfile::tempdir().unwrap();
    let [mut wren, mut alder] = ["wren", "alder"].map(|name| created(&folder.path().join(name)));
    let group = group_of(&mut wren);
    let say = json!({"space": group, "text": "before anyone came"});
    let id = wren.ask("message.send", say).unwrap()["id"].clone();
    let link = wren.ask("invite.create", json!({"group": group})).unwrap()["link"].clone();
    alder.ask("invite.accept", json!({"link": link, "pseudonym": "Alder"})).unwrap();
    let edit = json!({"space": group, "id": id, "text": "otherwise"});
    wren.until("it is too late", |wren| {
        wren.ask("message.edit", edit.clone()) == Err("too_late".into())
    });
    assert_eq!(wren.texts(&group), ["before anyone came"]);
}

#[test]
fn more_under_way_than_is_waited_for_is_busy_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let [mut wren, mut alder] = ["wren", "alder"].map(|name| created(&folder.path().join(name)));
    let group = group_of(&mut wren);
    let link = wren.ask("invite.create", json!({"group": group})).unwrap()["link"].clone();
    wren.kill();
    for id in 1_000..1_040 {
        let look =
            json!({"jsonrpc": "2.0", "id": id, "method": "invite.look", "params": {"link": link}});
        writeln!(alder.input.as_mut().unwrap(), "{look}").unwrap();
    }
    let busy = (0..8).map(|_| alder.lines.recv_timeout(PATIENCE).unwrap());
    let busy: Vec<_> = busy.map(|line| line["error"]["data"]["name"].clone()).collect();
    assert_eq!(busy, vec![json!("busy"); 8], "32 are under way");
    assert_eq!(alder.ask("group.list", json!({})).unwrap(), json!([]), "all else is answered");
}

/// The program with this home and no input.
fn run(home: &Path) -> Output {
    let arguments = ["rpc", "--no-mdns", "--home"];
    Command::new(KITH).args(arguments).arg(home).stdin(Stdio::null()).output().unwrap()
}

fn says(output: &Output) -> String {
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let says = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(says.lines().count(), 1, "one sentence: {says}");
    assert!(!says.contains("panicked"), "{says}");
    says
}

#[test]
fn a_home_that_cannot_be_used_gets_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    assert!(says(&run(&file)).contains("no folder"));
    assert_eq!(fs::read(&file).unwrap(), b"not a folder", "and stays as it is");
    // Nobody may write here, not even root.
    says(&run(Path::new("/proc/kith")));
    let home = folder.path().join("in use");
    let member = created(&home);
    assert!(says(&run(&home)).contains("uses this folder already"));
    drop(member);
}

#[test]
fn a_profile_of_a_newer_version_is_left_alone_with_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    created(&home).kill();
    let headers = ["hdr.a", "hdr.b"].map(|name| home.join(name));
    for header in headers.iter().filter(|header| header.exists()) {
        as_a_newer_version(header);
    }
    let before: Vec<_> = headers.iter().map(|header| fs::read(header).ok()).collect();
    let mut member = Member::start(&home);
    assert_eq!(named(member.ask("profile.unlock", json!({"passphrase": PASS}))), "newer");
    assert_eq!(named(member.ask("profile.create", json!({"passphrase": PASS}))), "profile_exists");
    let after: Vec<_> = headers.iter().map(|header| fs::read(header).ok()).collect();
    assert_eq!(before, after);
}

#[test]
fn no_keys_of_connections_are_written_where_a_variable_says() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let mut member =
        Member::start_with(&folder.path().join("home"), &[("SSLKEYLOGFILE", keys.as_path())]);
    member.ask("profile.create", json!({"passphrase": PASS})).unwrap();
    group_of(&mut member);
    assert!(!keys.exists());
}

/// Where that is glibc's: each of some twenty threads kept what was freed for itself, and memory rose for hours.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn threads_share_what_was_freed_unless_someone_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let arenas_of = |env: &[(&str, &Path)]| {
        let mut member = Member::start_with(&folder.path().join("home"), env);
        member.ask("rpc.methods", json!({})).unwrap();
        let environ = fs::read(format!("/proc/{}/environ", member.process.id())).unwrap();
        let mut all = environ.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        all.find(|one| one.starts_with("MALLOC_ARENA_MAX=")).map(std::borrow::Cow::into_owned)
    };
    assert_eq!(arenas_of(&[]).as_deref(), Some("MALLOC_ARENA_MAX=2"));
    let own = Path::new("9");
    let keys = folder.path().join("keys");
    let asked = [("MALLOC_ARENA_MAX", own), ("SSLKEYLOGFILE", keys.as_path())];
    assert_eq!(arenas_of(&asked).as_deref(), Some("MALLOC_ARENA_MAX=9"));
}
