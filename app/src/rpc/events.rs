//! Notifications: every notice of the store once, in order, each with its cursor.
//!
//! The store is the truth: a hint only says that it is worth reading from the last cursor on.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use proto::{Notice, Path};
use serde_json::{Map, Value, json};
use store::Noted;

use super::{Server, methods};
use crate::backend::{Backend as _, Profile, Trouble};

/// Notices read at once.
const BATCH: usize = 500;

/// How far the stream of notifications has come. Nothing while the profile is closed.
#[derive(Default)]
pub(super) struct Events(Mutex<Option<u64>>);

/// Starts the stream.
pub(super) fn start(server: &Arc<Server>) {
    // Room for one: a hint that waits stands for all that follow.
    let (hint, hints) = sync_channel(1);
    server.client.watch(Box::new(move || {
        hint.try_send(()).ok();
    }));
    let server = Arc::downgrade(server);
    thread::spawn(move || {
        while hints.recv().is_ok() {
            let Some(server) = server.upgrade() else { return };
            // A profile that was locked meanwhile has nothing to say.
            server.stream().ok();
        }
    });
}

impl Server {
    /// Says what is new since the last time, beginning at the unlock.
    fn stream(&self) -> Result<(), Trouble> {
        let mut last = self.events.0.lock().unwrap_or_else(PoisonError::into_inner);
        if self.client.profile() != Profile::Open {
            *last = None;
            return Ok(());
        }
        let mut cursor = match *last {
            Some(last) => last,
            None => self.client.cursors()?.1,
        };
        let said = self.say_after(&mut cursor);
        *last = Some(cursor);
        said
    }

    /// Says everything after a cursor, whoever heard it before; gives the newest cursor. One from the
    /// future is none of ours: nothing comes after it, and the stream goes on where it was.
    pub(super) fn replay(&self, mut cursor: u64) -> Result<u64, Trouble> {
        let mut last = self.events.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.say_after(&mut cursor)?;
        let newest = cursor.min(self.client.cursors()?.0);
        *last = Some(newest.max(last.unwrap_or(0)));
        Ok(newest)
    }

    /// Says what comes after a cursor, and moves it along.
    ///
    /// What ended is not said again, and what is damaged never can be; both are passed over. For any
    /// other trouble, a lock say, the stream stops before the notice and goes on from there.
    fn say_after(&self, cursor: &mut u64) -> Result<(), Trouble> {
        loop {
            let noted = self.client.notices(*cursor, BATCH)?;
            if noted.is_empty() {
                return Ok(());
            }
            for noted in noted {
                match self.params_of(&noted) {
                    Ok(Some(params)) => {
                        let event = json!({"jsonrpc": "2.0", "method": "event", "params": params});
                        self.out.say(&event);
                    }
                    Ok(None) => {}
                    Err(trouble) if matches!(trouble.name, "no_such_message" | "store_damaged") => {
                    }
                    Err(trouble) => return Err(trouble),
                }
                *cursor = noted.cursor;
            }
        }
    }

    fn params_of(&self, noted: &Noted) -> Result<Option<Value>, Trouble> {
        let group = &noted.group;
        let mut params = Map::new();
        params.insert("cursor".into(), json!(noted.cursor));
        let mut set = |kind: &str, fields: &[(&str, Value)]| {
            params.insert("kind".into(), json!(kind));
            params.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        };
        let name_of = |member| self.client.name_of(group, member);
        let (this, id) = (json!(group.to_string()), |id: &dyn ToString| json!(id.to_string()));
        match &noted.notice {
            Notice::Entry(proto::EntryId(id)) | Notice::Written(proto::LocalId(id)) => {
                let message = self.client.message(group, id)?;
                if message.gone {
                    return Ok(None);
                }
                set("message", &[("message", methods::message(group, &message))]);
            }
            Notice::Changed(id) => {
                let message = self.client.message(group, id)?;
                set("message_changed", &[("message", methods::message(group, &message))]);
            }
            Notice::MemberJoined(member) => set(
                "member_joined",
                &[("group", this), ("member", id(member)), ("pseudonym", json!(name_of(member)?))],
            ),
            Notice::MemberLeft(member) => set(
                "member_left",
                &[("group", this), ("member", id(member)), ("pseudonym", json!(name_of(member)?))],
            ),
            Notice::LinkUp(member, path) => {
                set(
                    "link_up",
                    &[("group", this), ("member", id(member)), ("path", path_name(*path))],
                );
            }
            Notice::LinkDown(member, path) => {
                set(
                    "link_down",
                    &[("group", this), ("member", id(member)), ("path", path_name(*path))],
                );
            }
            Notice::InviteUsed(invite, member) => {
                set(
                    "invite_used",
                    &[("group", this), ("invite", id(invite)), ("member", id(member))],
                );
            }
            Notice::Complete(member) => set("complete", &[("space", this), ("member", id(member))]),
        }
        Ok(Some(Value::Object(params)))
    }
}

/// How a link runs, by its name in the contract.
pub(super) fn path_name(path: Path) -> Value {
    json!(match path {
        Path::Direct => "direct",
        Path::Relayed => "relayed",
        Path::Lan => "lan",
    })
}
