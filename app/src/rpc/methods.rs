//! The methods of the contract: what each does, and which are not there yet.

use proto::GroupId;
use serde_json::{Map, Value, json};

use super::params::{self, bad};
use super::{Server, events};
use crate::backend::{Backend as _, MessageView, NewGroup, Trouble};
use crate::client::Client;
use crate::times;

/// The contract's version; a new major one may break clients.
const RPC_VERSION: &str = "1.0";
/// Messages in one answer.
const LIMIT_MAX: u64 = 500;
/// How long an accept may wait.
const ACCEPT_SECS_MAX: u64 = 3600;

/// Whether a method may take long enough that others must not wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speed {
    /// Answered in the order in which it came.
    Quick,
    /// Answered when it is done; others go on meanwhile.
    Slow,
}

/// Every method of the contract, what it does, and whether it is there.
const METHODS: &[(&str, &str, bool)] = &[
    ("rpc.version", "the version of this contract and of the program", true),
    ("rpc.methods", "every method, with one line of help", true),
    ("rpc.since", "replays every notification after a cursor", true),
    ("profile.create", "makes a profile in this home and opens it", true),
    ("profile.unlock", "opens the profile with its passphrase", true),
    ("profile.lock", "closes it: keys gone from memory, network down", true),
    ("profile.change_passphrase", "replaces the passphrase", true),
    ("profile.erase", "erases all that this home holds", true),
    ("group.create", "begins a group", true),
    ("group.list", "the groups this profile is in", true),
    ("group.leave", "leaves a group", true),
    ("invite.create", "makes a link that lets one person in", true),
    ("invite.revoke", "takes an invitation back", true),
    ("invite.look", "what an invitation shows before agreeing", true),
    ("invite.accept", "joins with an invitation", true),
    ("member.list", "who is in a group", true),
    ("member.safety_words", "words to compare out loud", true),
    ("member.verify", "remembers that the words were the same", true),
    ("message.send", "says something", true),
    ("message.list", "what was said, in order", true),
    ("message.edit", "changes a message of one's own", true),
    ("message.take_back", "takes a message of one's own back", true),
    ("message.acknowledge", "tells the writer, and nobody else, a word", false),
    ("message.search", "finds messages", false),
    ("message.where", "on how many devices a message is known to be", true),
    ("file.send", "sends a file", false),
    ("file.save", "saves a file", false),
    ("pair.open", "the space of two members", false),
    ("decision.propose", "proposes a change", false),
    ("decision.answer", "answers a proposal", false),
    ("decision.list", "the proposals of a group", false),
    ("completeness", "whether anything is known to be missing", true),
    ("net.status", "where this device listens and which links are up", true),
    ("net.dial", "connects to an address", true),
    ("net.meeting_point.add", "uses a meeting point", false),
    ("net.meeting_point.remove", "no longer uses a meeting point", false),
    ("net.meeting_point.list", "the meeting points in use", false),
    ("net.doctor", "why someone cannot be seen, in plain sentences", false),
    ("store.check", "checks what is stored", true),
    ("backup.export", "writes a backup", false),
    ("backup.import", "reads a backup", false),
];

/// How a method is run; none when there is no such method.
pub(super) fn speed(method: &str) -> Option<Speed> {
    METHODS.iter().find(|(name, ..)| *name == method).map(|_| match method {
        "invite.look" | "invite.accept" | "net.dial" | "store.check" => Speed::Slow,
        _ => Speed::Quick,
    })
}

/// Runs a method.
pub(super) fn call(server: &Server, method: &str, params: Value) -> Result<Value, Trouble> {
    let client = &server.client;
    match method {
        "rpc.version" => {
            params::read::<params::None>(params)?;
            Ok(json!({"version": RPC_VERSION, "kith": env!("CARGO_PKG_VERSION")}))
        }
        "rpc.methods" => {
            params::read::<params::None>(params)?;
            let describe = |(name, help, available): &(&str, &str, bool)| json!({"name": name, "help": help, "available": available});
            Ok(METHODS.iter().map(describe).collect())
        }
        "rpc.since" => {
            let since: params::Since = params::read(params)?;
            Ok(json!({"cursor": server.replay(since.cursor.unwrap_or(0))?}))
        }
        "profile.create"
        | "profile.unlock"
        | "profile.lock"
        | "profile.change_passphrase"
        | "profile.erase" => profile(client, method, params),
        "group.create" => create_group(server, params),
        "group.list" => list_groups(server, params),
        "group.leave" => leave(server, params),
        "invite.create" => create_invite(server, params),
        "invite.revoke" => {
            let revoke: params::Revoke = params::read(params)?;
            client.revoke(revoke.group, revoke.invite).map(|()| json!({}))
        }
        "invite.look" => look(server, params),
        "invite.accept" => accept(server, params),
        "member.list" => list_members(server, params),
        "member.safety_words" => safety_words(server, params),
        "member.verify" => {
            let of: params::Member = params::read(params)?;
            client.verify(&of.group, of.member).map(|()| json!({}))
        }
        "completeness" => completeness(server, params),
        "message.send" => send(server, params),
        "message.list" => list_messages(server, params),
        "message.edit" => {
            let edit: params::Edit = params::read(params)?;
            client.edit(&edit.space, &edit.id, &edit.text).map(|()| json!({}))
        }
        "message.take_back" => {
            let of: params::Message = params::read(params)?;
            client.take_back(&of.space, &of.id).map(|()| json!({}))
        }
        "message.where" => {
            let of: params::Message = params::read(params)?;
            let held = client.held(&of.space, &of.id)?;
            Ok(json!({"held_by": held.by, "of": held.of}))
        }
        "store.check" => {
            params::read::<params::None>(params)?;
            let (checked, bytes) = client.check()?;
            let (ok, events) = (checked.problems.is_empty(), checked.entries);
            Ok(json!({"ok": ok, "events": events, "bytes": bytes, "problems": checked.problems}))
        }
        "net.status" => status(server, params),
        "net.dial" => dial(server, params),
        _ => Err(not_yet()),
    }
}

/// What is done with a profile as a whole.
fn profile(client: &Client, method: &str, params: Value) -> Result<Value, Trouble> {
    match method {
        "profile.create" => {
            let profile: params::Passphrase = params::read(params)?;
            client.create_profile(&profile.passphrase).map(|()| json!({}))
        }
        "profile.unlock" => {
            let profile: params::Passphrase = params::read(params)?;
            client.unlock(&profile.passphrase).map(|()| json!({}))
        }
        "profile.lock" => {
            params::read::<params::None>(params)?;
            client.lock().map(|()| json!({}))
        }
        "profile.change_passphrase" => {
            let change: params::ChangePassphrase = params::read(params)?;
            client.change_passphrase(&change.old, &change.new).map(|()| json!({}))
        }
        "profile.erase" => {
            let erase: params::Erase = params::read(params)?;
            if erase.confirm != "erase everything" {
                return Err(bad("confirm says \"erase everything\", word for word"));
            }
            client.erase().map(|()| json!({}))
        }
        _ => Err(not_yet()),
    }
}

fn not_yet() -> Trouble {
    Trouble::new("not_yet", "This version of Kith cannot do that yet.")
}

fn create_group(server: &Server, params: Value) -> Result<Value, Trouble> {
    let new: params::CreateGroup = params::read(params)?;
    let group = server.client.create_group(&NewGroup {
        name: new.name,
        reason: new.reason,
        agreement: new.agreement,
        pseudonym: new.pseudonym,
        consent_hours: new.params.consent_hours,
        words_stay_days: new.params.words_stay_days,
    })?;
    Ok(json!({"group": group.to_string()}))
}

fn list_groups(server: &Server, params: Value) -> Result<Value, Trouble> {
    params::read::<params::None>(params)?;
    let groups = server.client.groups()?;
    let describe = |view: &crate::backend::GroupView| {
        json!({
            "group": view.group.to_string(),
            "name": view.name,
            "reason": view.reason,
            "me": view.me.to_string(),
            "members": view.members,
            "last_activity": times::exact(view.last_activity_ms),
            "arriving": view.arriving.is_some(),
        })
    };
    Ok(groups.iter().map(describe).collect())
}

fn leave(server: &Server, params: Value) -> Result<Value, Trouble> {
    let leave: params::Leave = params::read(params)?;
    if leave.ask_removal || leave.erase {
        return Err(not_yet());
    }
    server.client.leave(leave.group).map(|()| json!({}))
}

fn create_invite(server: &Server, params: Value) -> Result<Value, Trouble> {
    let invite: params::Invite = params::read(params)?;
    if invite.uses != 1 {
        return Err(bad("an invitation lets one person in, so uses is 1"));
    }
    let made = server.client.invite(&invite.group, invite.expires_s, invite.addresses)?;
    Ok(json!({"invite": made.invite.to_string(), "link": made.link}))
}

fn look(server: &Server, params: Value) -> Result<Value, Trouble> {
    let at: params::LookAt = params::read(params)?;
    let look = server.client.look(&at.link)?;
    let expires = times::minute(look.expires_ms);
    Ok(json!({"reason": look.reason, "agreement": look.agreement, "expires": expires}))
}

fn accept(server: &Server, params: Value) -> Result<Value, Trouble> {
    let accept: params::Accept = params::read(params)?;
    let timeout_secs = accept.timeout_s.min(ACCEPT_SECS_MAX);
    let group = server.client.accept(&accept.link, &accept.pseudonym, timeout_secs)?;
    Ok(json!({"group": group.to_string()}))
}

fn list_members(server: &Server, params: Value) -> Result<Value, Trouble> {
    let of: params::Group = params::read(params)?;
    let members = server.client.members(&of.group)?;
    let describe = |view: &crate::backend::MemberView| {
        json!({
            "member": view.member.to_string(),
            "pseudonym": view.pseudonym,
            "me": view.me,
            "since": times::minute(view.since_ms),
            "verified": view.verified,
            "linked": view.linked,
        })
    };
    Ok(members.iter().map(describe).collect())
}

fn safety_words(server: &Server, params: Value) -> Result<Value, Trouble> {
    let of: params::Member = params::read(params)?;
    let words = server.client.safety_words(&of.group, of.member)?;
    let mut answer = json!({"words": words.words});
    if let (Some(joined_with), Value::Object(answer)) = (words.joined_with, &mut answer) {
        answer.insert("joined_with".into(), json!(joined_with));
    }
    Ok(answer)
}

fn completeness(server: &Server, params: Value) -> Result<Value, Trouble> {
    let of: params::Space = params::read(params)?;
    let known = server.client.completeness(of.space)?;
    let describe = |missing: &proto::Missing| {
        let held_by: Vec<_> = missing.held_by.iter().map(ToString::to_string).collect();
        let (from, to) = (missing.from, missing.to);
        json!({"author": missing.author.to_string(), "from": from, "to": to, "held_by": held_by})
    };
    let missing: Vec<_> = known.missing.iter().map(describe).collect();
    let complete = missing.is_empty() && known.waiting == 0;
    Ok(json!({"complete": complete, "missing": missing, "waiting": known.waiting}))
}

fn send(server: &Server, params: Value) -> Result<Value, Trouble> {
    let send: params::Send = params::read(params)?;
    if send.topic_note.is_some() || send.wish.is_some() || send.expires_s.is_some() {
        return Err(not_yet());
    }
    let id = server.client.send(&send.space, &send.text, send.reply_to)?;
    Ok(json!({"id": proto::EntryId(id).to_string()}))
}

fn list_messages(server: &Server, params: Value) -> Result<Value, Trouble> {
    let list: params::ListMessages = params::read(params)?;
    if list.limit == 0 {
        return Err(bad("limit is 1 to 500"));
    }
    let limit =
        usize::try_from(list.limit.min(LIMIT_MAX)).map_err(|_wide| bad("limit is 1 to 500"))?;
    let page = server.client.messages(&list.space, list.before, limit)?;
    let messages: Value = page.messages.iter().map(|view| message(&list.space, view)).collect();
    Ok(json!({"messages": messages, "more": page.more}))
}

/// A message in its shape of the contract.
pub(super) fn message(space: &GroupId, view: &MessageView) -> Value {
    let mut message = Map::new();
    let fields = json!({
        "id": proto::EntryId(view.id).to_string(),
        "space": space.to_string(),
        "author": view.author.to_string(),
        "pseudonym": view.pseudonym,
        "text": view.text,
        "sent_at": times::minute(view.sent_at_ms),
        "edited": view.edited,
        "state": if view.gone { "gone" } else { "here" },
    });
    if let Value::Object(fields) = fields {
        message.extend(fields);
    }
    if let Some(id) = view.reply_to {
        message.insert("reply_to".into(), json!(proto::EntryId(id).to_string()));
    }
    if !view.known {
        message.insert("kind".into(), json!("unknown"));
    }
    Value::Object(message)
}

fn status(server: &Server, params: Value) -> Result<Value, Trouble> {
    params::read::<params::None>(params)?;
    let groups = server.client.network()?;
    let listen: Vec<_> =
        groups.values().flat_map(|status| &status.listen).map(ToString::to_string).collect();
    let links: Vec<_> = groups
        .values()
        .flat_map(|status| &status.links)
        .map(|link| {
            json!({
                "group": link.group.to_string(),
                "member": link.member.to_string(),
                "path": events::path_name(link.path),
            })
        })
        .collect();
    let mdns = json!({"on": server.client.uses_mdns()});
    Ok(json!({"listen": listen, "links": links, "meeting_points": [], "mdns": mdns}))
}

fn dial(server: &Server, params: Value) -> Result<Value, Trouble> {
    let dial: params::Dial = params::read(params)?;
    let address = net::parse_address(&dial.address).map_err(crate::trouble::from_net)?;
    let group = match dial.group {
        Some(group) => group,
        None => match server.client.groups()?.as_slice() {
            [only] => only.group,
            [] => return Err(Trouble::new("no_such_group", "This profile is in no group yet.")),
            [_, ..] => return Err(bad("name the group: this profile is in several")),
        },
    };
    server.client.dial(group, address).map(|()| json!({}))
}

#[cfg(test)]
mod tests {
    use proto::MemberId;

    use super::*;

    #[test]
    fn a_message_says_whether_it_was_edited_and_whether_it_is_gone() {
        let here = MessageView {
            id: [1; 32],
            author: MemberId([2; 32]),
            pseudonym: "Wren".into(),
            text: "hello".into(),
            sent_at_ms: 0,
            reply_to: None,
            known: true,
            edited: true,
            gone: false,
            faded: false,
            forked: false,
            unheard: Vec::new(),
            heard: 0,
            waiting: false,
        };
        let gone = MessageView { text: String::new(), edited: false, gone: true, ..here.clone() };
        let shape = |view| {
            let shape = message(&GroupId([3; 32]), &view);
            ["text", "edited", "state"].map(|name| shape[name].clone())
        };
        assert_eq!(shape(here), [json!("hello"), json!(true), json!("here")]);
        assert_eq!(shape(gone), [json!(""), json!(false), json!("gone")]);
    }

    #[test]
    fn every_method_is_named_once_and_has_help() {
        let mut names: Vec<_> = METHODS.iter().map(|(name, ..)| *name).collect();
        assert!(METHODS.iter().all(|(_, help, _)| help.len() > 8));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METHODS.len());
    }
}
