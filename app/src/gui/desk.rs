//! Two threads that ask the program below, so that drawing never waits.
//!
//! Jobs are carried out in the order they came in. Those that wait for another member have a thread of
//! their own: reading and writing go on meanwhile.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TryIter, TrySendError, sync_channel},
    },
    thread,
};

use proto::GroupId;

use super::model::{Did, Job, PAGE_LEN, Reading, TalkPage, Update};
use crate::backend::{Backend, Leaving, MessageId, Page, Profile, Trouble};

/// How many updates may wait to be shown. When they are not taken, the desk waits too.
const UPDATES_MAX: usize = 64;

/// How many jobs may wait to be carried out. A person does not ask faster; a full desk is said to be busy.
const JOBS_MAX: usize = 64;

/// The most messages that the program below gives at once (docs/rpc.md, "message.list").
const AT_ONCE_MAX: usize = 500;

/// How long someone who can let one in is waited for, in seconds.
const ACCEPT_SECS: u64 = 60;

/// How long an invitation holds, in seconds: seven days.
const INVITE_SECS: u64 = 7 * 24 * 60 * 60;

/// Where the window leaves its jobs, and finds what came of them.
#[derive(Debug)]
pub(crate) struct Desk {
    quick: SyncSender<Job>,
    slow: SyncSender<Job>,
    updates: Receiver<Update>,
    /// The thread that must not be cut off.
    writing: Option<thread::JoinHandle<()>>,
    /// Jobs that are given to no thread: a test carries them out itself, when it wants to.
    #[cfg(test)]
    held: Option<(Receiver<Job>, Receiver<Job>, SyncSender<Update>)>,
}

impl Desk {
    /// A desk over this program; `wake` is called whenever an update waits.
    pub(crate) fn new(
        backend: &Arc<dyn Backend>,
        wake: impl Fn() + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let (post, updates) = sync_channel(UPDATES_MAX);
        let (quick, writing) = hire("kith-desk", backend, post.clone(), wake.clone())?;
        let (slow, _waits_for_others) = hire("kith-desk-slow", backend, post, wake)?;
        Ok(Self {
            quick,
            slow,
            updates,
            writing: Some(writing),
            #[cfg(test)]
            held: None,
        })
    }

    /// A desk without threads: jobs wait for [`Self::work`].
    #[cfg(test)]
    pub(crate) fn without_threads() -> Self {
        let (post, updates) = sync_channel(UPDATES_MAX);
        let ((quick, quick_todo), (slow, slow_todo)) =
            (sync_channel(JOBS_MAX), sync_channel(JOBS_MAX));
        Self { quick, slow, updates, writing: None, held: Some((quick_todo, slow_todo, post)) }
    }

    /// Carries out what waits; whether there was anything.
    #[cfg(test)]
    pub(crate) fn work(&self, backend: &dyn Backend) -> bool {
        let (quick, slow, post) = self.held.as_ref().unwrap();
        let jobs: Vec<Job> = quick.try_iter().chain(slow.try_iter()).collect();
        let any = !jobs.is_empty();
        for job in jobs {
            post.send(carry_out(backend, job)).unwrap();
        }
        any
    }

    /// Waits until all that was left here is carried out, and takes no more.
    pub(crate) fn finish(&mut self) {
        let (nobody, _) = sync_channel(0);
        self.quick = nobody;
        // Nobody looks at what comes of it any more.
        let (_, updates) = sync_channel(0);
        self.updates = updates;
        if let Some(writing) = self.writing.take() {
            writing.join().ok();
        }
    }

    /// Leaves a job; gives it back when the desk is full.
    pub(crate) fn ask(&self, job: Job) -> Result<(), Box<Job>> {
        let thread = match job {
            Job::Look(_) | Job::Accept { .. } => &self.slow,
            Job::Read { .. }
            | Job::Older { .. }
            | Job::CreateProfile(_)
            | Job::Unlock(_)
            | Job::Lock
            | Job::Say { .. }
            | Job::Drafts(_)
            | Job::Keep { .. }
            | Job::TakeBack { .. }
            | Job::Where { .. }
            | Job::Known(_)
            | Job::Compare { .. }
            | Job::Same { .. }
            | Job::Leave(_)
            | Job::Revoke { .. }
            | Job::Rephrase { .. }
            | Job::Erase
            | Job::Appear(_)
            | Job::Start(_)
            | Job::Invite { .. } => &self.quick,
        };
        thread.try_send(job).map_err(|full| match full {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => Box::new(job),
        })
    }

    /// What came of the jobs since this was last asked.
    pub(crate) fn updates(&self) -> TryIter<'_, Update> {
        self.updates.try_iter()
    }
}

/// Starts a thread; it ends when the desk is gone.
fn hire(
    name: &str,
    backend: &Arc<dyn Backend>,
    post: SyncSender<Update>,
    wake: impl Fn() + Send + 'static,
) -> io::Result<(SyncSender<Job>, thread::JoinHandle<()>)> {
    let (jobs, todo) = sync_channel(JOBS_MAX);
    let backend = Arc::clone(backend);
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        while let Ok(job) = todo.recv() {
            // What is asked for is done, also when the window is gone meanwhile.
            if post.send(carry_out(backend.as_ref(), job)).is_ok() {
                wake();
            }
        }
    })?;
    Ok((jobs, thread))
}

fn carry_out(backend: &dyn Backend, job: Job) -> Update {
    match job {
        Job::Read { open, limit } => Update::Read(Box::new(read(backend, open, limit))),
        Job::Older { group, before } => {
            let page = backend.messages(&group, Some(before), PAGE_LEN);
            Update::Older { group, page }
        }
        Job::CreateProfile(passphrase) => Update::Opened(backend.create_profile(&passphrase.0)),
        Job::Unlock(passphrase) => Update::Opened(backend.unlock(&passphrase.0)),
        Job::Lock => Update::Locked(backend.lock()),
        Job::Say { group, said, again } => {
            let done = say(backend, &group, &said, again);
            Update::Said { group, said, done }
        }
        Job::Drafts(groups) => {
            let read = groups.into_iter().map(|group| (group, backend.drafts(&group)));
            Update::Drafts(read.collect())
        }
        Job::Keep { group, drafts } => {
            Update::Kept { group: Some(group), done: backend.keep_drafts(&group, &drafts) }
        }
        Job::TakeBack { group, id } => Update::Did(Did::TakenBack, backend.take_back(&group, &id)),
        Job::Where { group, id } => Update::Where(backend.held(&group, &id)),
        Job::Known(group) => Update::Known(backend.is_missing(&group)),
        Job::Compare { group, member } => Update::Words(backend.safety_words(&group, member)),
        Job::Same { group, member } => Update::Did(Did::Compared, backend.verify(&group, member)),
        Job::Leave(group) => Update::Did(Did::Left, backend.leave(&group)),
        Job::Revoke { group, invite } => Update::Did(Did::Revoked, backend.revoke(&group, &invite)),
        Job::Rephrase { old, new } => {
            Update::Did(Did::Rephrased, backend.change_passphrase(&old.0, &new.0))
        }
        Job::Appear(appearance) => {
            Update::Kept { group: None, done: backend.keep_appearance(appearance) }
        }
        Job::Erase => Update::Did(Did::Erased, backend.erase()),
        Job::Start(new) => Update::Started(backend.create_group(&new)),
        Job::Look(link) => {
            let look = backend.look(&link);
            Update::Looked { link, look }
        }
        Job::Accept { link, pseudonym } => {
            Update::Joined(backend.accept(&link, &pseudonym, ACCEPT_SECS))
        }
        Job::Invite { group, addresses, instead_of } => {
            // Nobody is to hold two links because one was made twice.
            let revoked = instead_of.map_or(Ok(()), |invite| backend.revoke(&group, &invite));
            let invitation = revoked.and_then(|()| backend.invite(&group, INVITE_SECS, addresses));
            Update::Invited { group, invitation }
        }
    }
}

/// Says it, unless that was done already and the program ended before it could be noted.
fn say(backend: &dyn Backend, group: &GroupId, said: &Leaving, again: bool) -> Result<(), Trouble> {
    if again && was_said(backend, group, said)? {
        return Ok(());
    }
    match said.edit {
        Some(id) => backend.edit(group, &id, &said.text),
        None => backend.send(group, &said.text, said.reply_to).map(drop),
    }
}

/// Whether an own message of these words is here that was written when they were to leave, or later.
fn was_said(backend: &dyn Backend, group: &GroupId, said: &Leaving) -> Result<bool, Trouble> {
    let members = backend.members(group)?;
    let page = backend.messages(group, None, PAGE_LEN)?;
    Ok(page.messages.iter().any(|message| {
        members.iter().any(|member| member.me && member.member == message.author)
            && message.sent_at_ms >= said.due_ms
            && message.text == said.text
    }))
}

fn read(backend: &dyn Backend, open: Option<GroupId>, limit: usize) -> Reading {
    let profile = backend.profile();
    if profile != Profile::Open {
        return Reading { profile, groups: Ok(Vec::new()), talk: None, missing: None };
    }
    let talk = open.map(|group| (group, talk(backend, &group, limit)));
    let missing = open.and_then(|group| backend.is_missing(&group).ok());
    Reading { profile, groups: backend.groups(), talk, missing }
}

fn talk(backend: &dyn Backend, group: &GroupId, limit: usize) -> Result<TalkPage, Trouble> {
    Ok(TalkPage {
        members: backend.members(group)?,
        comings: backend.comings(group)?,
        invitations: backend.open_invitations(group)?,
        page: newest(backend, group, limit)?,
    })
}

/// The newest messages, however many are asked for.
fn newest(backend: &dyn Backend, group: &GroupId, limit: usize) -> Result<Page, Trouble> {
    let mut all = Page::default();
    let mut before: Option<MessageId> = None;
    loop {
        let left = limit.saturating_sub(all.messages.len());
        let page = backend.messages(group, before, left.min(AT_ONCE_MAX))?;
        before = page.messages.first().map(|message| message.id);
        all.more = page.more;
        all.messages.splice(0..0, page.messages);
        if before.is_none() || !all.more || all.messages.len() >= limit {
            return Ok(all);
        }
    }
}
