//! The client without a face: a home, its profile, and the network while it is open. The window,
//! `kith rpc` and `kith demo` are three faces of this. Read next: `client/own.rs`, for what becomes of
//! one's own words, `client/drafts.rs`, and `client/profile.rs`.

mod appearance;
mod drafts;
mod own;
mod people;
mod profile;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use net::{Config, Handle, Multiaddr};
use proto::{
    Command, Done, EntryId, Founding, GroupId, GroupParams, Invitation, Member, MemberId, OpId,
};
use room::{Coming, Room, Said, said};
use store::{Home, Noted, Reader, Row};

use crate::backend::{
    Appearance, Backend, Drafts, GroupView, Held, Invitation as Made, Look, MemberView, MessageId,
    MessageView, NewGroup, OpenInvitation, Page, Profile, SafetyWords, Trouble, Unheard,
};
use crate::times;
use crate::trouble::{from_net, from_store};

/// How long looking at an invitation may take.
const LOOK: Duration = Duration::from_secs(20);
const DAY_SECS: u32 = 24 * 3600;
/// How long a store that was just closed may still be held by a request that is ending.
const CLOSING: Duration = Duration::from_secs(10);

/// Who wants to hear that something changed.
type Watchers = Arc<Mutex<Vec<Box<dyn Fn() + Send + Sync>>>>;

/// A room, and the store's version of the ops and cards it was folded from.
type Folded = (u64, Arc<Room>);

/// An open profile.
struct Open {
    handle: Handle,
    /// What each group's ops and cards mean.
    rooms: Mutex<BTreeMap<GroupId, Folded>>,
    /// The newest notice when the profile was opened.
    begin_cursor: u64,
}

/// A member's client.
pub(crate) struct Client {
    home: Home,
    config: Config,
    open: RwLock<Option<Arc<Open>>>,
    watchers: Watchers,
}

impl Client {
    /// Takes a home, which no other process may hold.
    ///
    /// # Errors
    /// One clear sentence on what is wrong with the folder.
    pub(crate) fn new(home: &Path, config: Config) -> Result<Self, Trouble> {
        let home = Home::open(home).map_err(from_store)?;
        Ok(Self { home, config, open: RwLock::new(None), watchers: Watchers::default() })
    }

    /// What every group's network is doing.
    ///
    /// # Errors
    /// `locked`, `no_profile`.
    pub(crate) fn network(&self) -> Result<BTreeMap<GroupId, net::Status>, Trouble> {
        Ok(self.open()?.handle.status())
    }

    /// Whether the local network is looked at.
    pub(crate) const fn uses_mdns(&self) -> bool {
        self.config.mdns
    }

    /// Connects to an address, for one group.
    ///
    /// # Errors
    /// `unreachable`, `no_such_group`.
    pub(crate) fn dial(&self, group: GroupId, address: Multiaddr) -> Result<(), Trouble> {
        self.open()?.handle.dial(group, address).map_err(from_net)
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// `not_yours`, `invite_used`, `no_such_group`.
    pub(crate) fn revoke(&self, group: GroupId, invite: OpId) -> Result<(), Trouble> {
        let cancel = Command::CancelInvite(invite);
        self.open()?.handle.command(group, cancel).map(drop).map_err(from_net)
    }

    /// Notices after a cursor, oldest first.
    ///
    /// # Errors
    /// `locked`, `no_profile`.
    pub(crate) fn notices(&self, after: u64, limit: usize) -> Result<Vec<Noted>, Trouble> {
        self.open()?.reader().notices(after, limit).map_err(from_store)
    }

    /// The newest notice's cursor, and that of the newest one when the profile was opened.
    ///
    /// # Errors
    /// `locked`, `no_profile`.
    pub(crate) fn cursors(&self) -> Result<(u64, u64), Trouble> {
        let open = self.open()?;
        Ok((open.reader().latest_cursor().map_err(from_store)?, open.begin_cursor))
    }

    /// One message, by any id it ever had.
    ///
    /// # Errors
    /// `no_such_message`, `no_such_group`.
    pub(crate) fn message(&self, group: &GroupId, id: &MessageId) -> Result<MessageView, Trouble> {
        let open = self.open()?;
        let row = open.reader().message(group, id).map_err(from_store)?;
        let row = row.ok_or_else(|| from_store(store::Error::NoSuchMessage))?;
        let (room, forked) = (open.room(group)?, open.forked(group)?);
        Ok(view(row, &room, &forked, times::now_ms()))
    }

    /// The name someone bears in a group; empty until it has arrived.
    ///
    /// # Errors
    /// `no_such_group`.
    pub(crate) fn name_of(&self, group: &GroupId, member: &MemberId) -> Result<String, Trouble> {
        Ok(self.open()?.room(group)?.name_of(member).to_owned())
    }

    fn open(&self) -> Result<Arc<Open>, Trouble> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(Arc::clone).ok_or_else(|| {
            if self.home.has_profile() {
                Trouble::new("locked", "The profile is locked: unlock it with its passphrase.")
            } else {
                from_store(store::Error::NoProfile)
            }
        })
    }

    fn start(&self, store: store::Store) -> Result<(), Trouble> {
        let begin_cursor = store.reader().latest_cursor().map_err(from_store)?;
        let (handle, events) = net::spawn(self.config.clone(), store).map_err(from_net)?;
        let watchers = Arc::clone(&self.watchers);
        let tell = move || {
            while events.wait() {
                lock(&watchers).iter().for_each(|watcher| watcher());
            }
        };
        let spawned = thread::Builder::new().name("events".into()).spawn(tell);
        spawned.map_err(|error| {
            Trouble::new("busy", format!("No thread could be started: {error}."))
        })?;
        let open = Arc::new(Open { handle, rooms: Mutex::default(), begin_cursor });
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = Some(open);
        self.tell();
        Ok(())
    }

    fn tell(&self) {
        lock(&self.watchers).iter().for_each(|watcher| watcher());
    }
}

impl Open {
    fn reader(&self) -> &Reader {
        self.handle.reader()
    }

    fn member(&self, group: &GroupId) -> Result<Member, Trouble> {
        let groups = self.reader().groups().map_err(from_store)?;
        let member = groups.into_iter().find(|member| member.group == *group);
        member.ok_or_else(|| from_store(store::Error::NoSuchGroup))
    }

    /// What a group means, folded again only when its ops or cards have changed.
    fn room(&self, group: &GroupId) -> Result<Arc<Room>, Trouble> {
        let reader = self.reader();
        let version = reader.version(group).map_err(from_store)?;
        let mut rooms = lock(&self.rooms);
        if let Some((of, room)) = rooms.get(group)
            && *of == version
        {
            return Ok(Arc::clone(room));
        }
        let me = self.member(group)?;
        let ops = reader.ops(group).map_err(from_store)?;
        let cards = reader.cards(group).map_err(from_store)?;
        let room = Room::fold(ops, cards, (me.id, &me.name)).map_err(|reject| {
            Trouble::new("store_damaged", format!("What was stored makes no group: {reject}."))
        })?;
        let room = Arc::new(room);
        rooms.insert(*group, (version, Arc::clone(&room)));
        Ok(room)
    }

    /// The entries beside which their author's device said something else.
    fn forked(&self, group: &GroupId) -> Result<BTreeSet<EntryId>, Trouble> {
        let forks = self.reader().forks(group).map_err(from_store)?;
        let several = forks.iter().filter(|fork| fork.is_marked());
        Ok(several.flat_map(|fork| &fork.branches).map(|branch| branch.id).collect())
    }

    /// None where this profile has left.
    fn group_view(&self, me: &Member) -> Result<Option<GroupView>, Trouble> {
        let room = self.room(&me.group)?;
        if room.has_left {
            return Ok(None);
        }
        let newest = self.reader().timeline(&me.group, None, 1).map_err(from_store)?;
        let began = room.people.iter().find(|person| person.member == me.id);
        let began = began.map_or(0, |person| person.since_ms);
        Ok(Some(GroupView {
            group: me.group,
            name: room.name.clone(),
            reason: room.reason.clone(),
            agreement: room.agreement.clone(),
            words_stay_secs: room.words_stay_secs,
            me: me.id,
            arriving: self.let_in_by(&me.group)?,
            members: room.people.len(),
            last_activity_ms: newest.rows.first().map_or(began, |row| row.wall.max(began)),
        }))
    }
}

impl Backend for Client {
    fn profile(&self) -> Profile {
        if self.open.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            Profile::Open
        } else if self.home.has_profile() {
            Profile::Locked
        } else {
            Profile::None
        }
    }

    fn create_profile(&self, passphrase: &str) -> Result<(), Trouble> {
        if passphrase.is_empty() {
            return Err(Trouble::new("bad_params", "A passphrase cannot be empty."));
        }
        self.start(self.home.create(passphrase).map_err(from_store)?)
    }

    fn unlock(&self, passphrase: &str) -> Result<(), Trouble> {
        if self.profile() == Profile::Open {
            // Opening what is open changes nothing, but a wrong passphrase is still wrong.
            return self.home.check(passphrase).map_err(from_store);
        }
        let end = Instant::now() + CLOSING;
        loop {
            match self.home.unlock(passphrase) {
                Err(store::Error::InUse) if Instant::now() < end => {
                    thread::sleep(Duration::from_millis(20));
                }
                unlocked => return self.start(unlocked.map_err(from_store)?),
            }
        }
    }

    fn lock(&self) -> Result<(), Trouble> {
        let open = self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        match open {
            Some(open) => open.handle.shut_down(),
            None if self.home.has_profile() => {}
            None => return Err(from_store(store::Error::NoProfile)),
        }
        self.tell();
        Ok(())
    }

    fn groups(&self) -> Result<Vec<GroupView>, Trouble> {
        let open = self.open()?;
        let members = open.reader().groups().map_err(from_store)?;
        members.iter().filter_map(|me| open.group_view(me).transpose()).collect()
    }

    fn create_group(&self, new: &NewGroup) -> Result<GroupId, Trouble> {
        let mut params = GroupParams::default();
        if let Some(hours) = new.consent_hours {
            params.consent_hours = hours;
        }
        if let Some(days) = new.words_stay_days {
            params.ttl_default_secs = u32::from(days).saturating_mul(DAY_SECS);
        }
        let founding = Founding {
            name: new.name.clone(),
            reason: new.reason.clone(),
            agreement: new.agreement.clone(),
            pseudonym: new.pseudonym.clone(),
            params,
        };
        self.open()?.handle.found(founding).map_err(from_net)
    }

    fn invite(&self, group: &GroupId, expires_secs: u64, addresses: bool) -> Result<Made, Trouble> {
        let made = self.open()?.handle.invite(*group, expires_secs, addresses);
        let (invite, link) = made.map_err(from_net)?;
        let read = Invitation::from_text(&link).map_err(|error| from_net(error.into()))?;
        let has_addresses = !read.addrs.is_empty();
        Ok(Made { invite, expires_ms: ends_ms(&link)?, link, has_addresses })
    }

    fn look(&self, link: &str) -> Result<Look, Trouble> {
        let offer = self.open()?.handle.look(link, LOOK).map_err(from_net)?;
        Ok(Look {
            reason: offer.reason.into_string(),
            agreement: offer.agreement.into_string(),
            expires_ms: ends_ms(link)?,
        })
    }

    fn accept(&self, link: &str, pseudonym: &str, timeout_secs: u64) -> Result<GroupId, Trouble> {
        let timeout = Duration::from_secs(timeout_secs);
        self.open()?.handle.join(link, pseudonym, timeout).map_err(from_net)
    }

    fn members(&self, group: &GroupId) -> Result<Vec<MemberView>, Trouble> {
        let open = self.open()?;
        let (me, room) = (open.member(group)?, open.room(group)?);
        let status = open.handle.status().remove(group).unwrap_or_default();
        let verified = open.verified(group)?;
        let people = room.people.iter().map(|person| MemberView {
            member: person.member,
            pseudonym: person.name.clone(),
            me: person.member == me.id,
            since_ms: person.since_ms,
            verified: verified.contains(&person.member),
            linked: status.links.iter().any(|link| link.member == person.member),
        });
        Ok(people.collect())
    }

    fn comings(&self, group: &GroupId) -> Result<Vec<Coming>, Trouble> {
        Ok(self.open()?.room(group)?.comings.clone())
    }

    fn open_invitations(&self, group: &GroupId) -> Result<Vec<OpenInvitation>, Trouble> {
        let open = self.open()?;
        let (me, room) = (open.member(group)?, open.room(group)?);
        let invitations = room.open_invitations(&me.id, times::now_ms());
        let view = |(invite, expires_ms)| OpenInvitation { invite, expires_ms };
        Ok(invitations.into_iter().map(view).collect())
    }

    fn safety_words(&self, group: &GroupId, member: MemberId) -> Result<SafetyWords, Trouble> {
        self.words_of(group, member)
    }

    fn verify(&self, group: &GroupId, member: MemberId) -> Result<(), Trouble> {
        let verify = Command::Verify(member);
        self.open()?.handle.command(*group, verify).map(drop).map_err(from_net)
    }

    fn send(
        &self,
        group: &GroupId,
        text: &str,
        reply_to: Option<MessageId>,
    ) -> Result<MessageId, Trouble> {
        let open = self.open()?;
        let reply_to = match reply_to {
            None => None,
            Some(id) => {
                let row = open.reader().message(group, &id).map_err(from_store)?;
                let row = row.ok_or_else(|| from_store(store::Error::NoSuchMessage))?;
                if !row.signed {
                    let says =
                        "That message has not been sent yet; it can be answered once it was.";
                    return Err(Trouble::new("no_such_message", says));
                }
                Some(EntryId(row.id))
            }
        };
        let say = Command::Say { text: text.to_owned(), reply_to };
        match open.handle.command(*group, say).map_err(from_net)? {
            Done::Said(id) => Ok(id.0),
            Done::Written(local) => Ok(local.0),
            Done::Invited(..) | Done::Completeness { .. } | Done::Nothing => {
                Err(from_net(net::Error::Stopped))
            }
        }
    }

    fn edit(&self, group: &GroupId, id: &MessageId, text: &str) -> Result<(), Trouble> {
        Self::edit(self, group, id, text)
    }

    fn take_back(&self, group: &GroupId, id: &MessageId) -> Result<(), Trouble> {
        Self::take_back(self, group, id)
    }

    fn held(&self, group: &GroupId, id: &MessageId) -> Result<Held, Trouble> {
        Self::held(self, group, id)
    }

    fn drafts(&self, group: &GroupId) -> Result<Drafts, Trouble> {
        self.read_drafts(group)
    }

    fn keep_drafts(&self, group: &GroupId, drafts: &Drafts) -> Result<(), Trouble> {
        self.write_drafts(group, drafts)
    }

    fn is_missing(&self, group: &GroupId) -> Result<bool, Trouble> {
        let known = self.completeness(*group)?;
        Ok(!known.missing.is_empty() || known.waiting > 0)
    }

    fn leave(&self, group: &GroupId) -> Result<(), Trouble> {
        Self::leave(self, *group)
    }

    fn revoke(&self, group: &GroupId, invite: &OpId) -> Result<(), Trouble> {
        Self::revoke(self, *group, *invite)
    }

    fn change_passphrase(&self, old: &str, new: &str) -> Result<(), Trouble> {
        Self::change_passphrase(self, old, new)
    }

    fn erase(&self) -> Result<(), Trouble> {
        Self::erase(self)
    }

    fn messages(
        &self,
        group: &GroupId,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<Page, Trouble> {
        let open = self.open()?;
        let page = open.reader().timeline(group, before.as_ref(), limit).map_err(from_store)?;
        let (room, forked) = (open.room(group)?, open.forked(group)?);
        let now_ms = times::now_ms();
        let messages = page.rows.into_iter().map(|row| view(row, &room, &forked, now_ms)).collect();
        Ok(Page { messages, more: page.more })
    }

    fn appearance(&self) -> Appearance {
        self.read_appearance()
    }

    fn keep_appearance(&self, appearance: Appearance) -> Result<(), Trouble> {
        self.write_appearance(appearance)
    }

    fn watch(&self, hint: Box<dyn Fn() + Send + Sync>) {
        lock(&self.watchers).push(hint);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Nobody is left to tell; what was acknowledged is durable.
        self.lock().ok();
    }
}

fn view(row: Row, room: &Room, forked: &BTreeSet<EntryId>, now_ms: u64) -> MessageView {
    let has_ended = row.ends_ms.is_some_and(|ends| ends <= now_ms);
    let words = row.edit.as_deref().or(row.payload.as_deref());
    let said = said(words.filter(|_| !has_ended));
    let (gone, known) = (said == Said::Gone, said != Said::Unknown);
    let (text, reply_to, edited) = match said {
        Said::Text { text, reply_to, is_edited } => (text, reply_to.map(|id| id.0), is_edited),
        Said::Unknown | Said::Gone => (String::new(), None, false),
    };
    let unheard = room.unheard(&row.view, row.wall).into_iter().map(|unheard| match unheard {
        proto::Unheard::Came(member) => (room.name_of(&member).to_owned(), false),
        proto::Unheard::Left(member) => (room.name_of(&member).to_owned(), true),
    });
    MessageView {
        unheard: unheard.map(|(pseudonym, left)| Unheard { pseudonym, left }).collect(),
        heard: room.heard(&row.view),
        id: row.id,
        author: row.author,
        pseudonym: room.name_of(&row.author).to_owned(),
        text,
        sent_at_ms: row.wall,
        reply_to,
        known,
        edited,
        gone,
        faded: has_ended,
        forked: row.signed && forked.contains(&EntryId(row.id)),
        waiting: !row.signed,
    }
}

/// When an invitation ends, in milliseconds since 1970: with the last second of its last minute.
fn ends_ms(link: &str) -> Result<u64, Trouble> {
    let invitation = Invitation::from_text(link).map_err(|error| from_net(error.into()))?;
    Ok((u64::from(invitation.expires) + 1) * 60_000 - 1)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use proto::message::{Body, Edit, Text};
    use proto::{Own, Versions};

    use super::*;

    const ID: EntryId = EntryId([7; 32]);

    fn row(payload: Option<&Body>, edit: Option<&Body>) -> Row {
        let encoded = |body: &Body| body.encode().unwrap();
        Row {
            view: Vec::new(),
            id: ID.0,
            local: None,
            author: MemberId([1; 32]),
            wall: 5,
            payload: payload.map(encoded),
            edit: edit.map(encoded),
            ends_ms: Some(100),
            signed: true,
        }
    }

    fn seen(row: Row, forked: &[EntryId]) -> MessageView {
        view(row, &Room::default(), &forked.iter().copied().collect(), 99)
    }

    #[test]
    fn what_has_ended_shows_no_words_though_they_are_still_on_the_disk() {
        let words = Body::Text(Text { reply_to: None, text: proto::Text::new("words").unwrap() });
        let at = |now_ms| view(row(Some(&words), None), &Room::default(), &BTreeSet::new(), now_ms);
        assert_eq!((at(99).text.as_str(), at(99).gone), ("words", false));
        assert_eq!((at(100).text.as_str(), at(100).gone), ("", true));
    }

    #[test]
    fn what_was_edited_shows_its_new_words_and_what_was_taken_back_none() {
        let words =
            |text| Text { reply_to: Some(EntryId([3; 32])), text: proto::Text::new(text).unwrap() };
        let versions = Versions::new(vec![Own { seq: 0, id: ID }]).unwrap();
        let first = Body::Text(words("first"));
        let second = Body::Edit(Edit { versions, words: words("second") });

        let plain = seen(row(Some(&first), None), &[]);
        assert_eq!((plain.text.as_str(), plain.edited, plain.gone), ("first", false, false));
        // Its first body is erased in the same commit; whether or not it is, the edit counts.
        for payload in [None, Some(&first)] {
            let edited = seen(row(payload, Some(&second)), &[]);
            assert_eq!((edited.text.as_str(), edited.edited, edited.gone), ("second", true, false));
            assert_eq!(edited.reply_to, Some([3; 32]));
        }
        let gone = seen(row(None, None), &[]);
        assert_eq!((gone.text.as_str(), gone.edited, gone.gone), ("", false, true));
    }

    #[test]
    fn only_what_stands_beside_something_else_is_marked() {
        let first = Body::Text(Text { reply_to: None, text: proto::Text::new("one").unwrap() });
        assert!(seen(row(Some(&first), None), &[EntryId([8; 32]), ID]).forked);
        assert!(!seen(row(Some(&first), None), &[EntryId([8; 32])]).forked);
    }
}
