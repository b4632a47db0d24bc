//! What the engine takes and what it wants done: several inputs that wait are handed over together, and
//! what they want to be durable is one commit.
//!
//! ```text
//! inputs that wait -> engine -> | Persist .. | Transmit, Close, Event .. |  up to a Load, or a full commit
//!                                 one commit   then these, in order
//! ```
//!
//! A commit may come earlier than the outputs before it, and never later than those behind it: whatever
//! leaves is durable before.

use proto::{Change, GroupId, Input, Loaded, Output, Ticket, Wanted};
use store::Reader;
use tokio::sync::mpsc;

use super::{GroupCommand, GroupTask};
use crate::error::Error;
use crate::node::now;
use crate::streams::Incoming;

/// Inputs that are handed over before anything is carried out.
const TOGETHER: usize = 64;
/// Changes of one commit, where each part of it is small, and their bytes before they are sealed: far less
/// than the store cuts into batches, so that what was wanted all or none stays so.
const CHANGES_MAX: usize = 96;
/// See [`CHANGES_MAX`].
const BYTES_MAX: usize = 24 * 1024;

/// Outputs that are carried out with one commit, before them.
#[derive(Default)]
struct Stretch {
    changes: Vec<Change>,
    bytes: usize,
    others: Vec<Output>,
    load: Option<(Ticket, Wanted)>,
}

impl Stretch {
    /// Outputs up to a load, or to what does not go with the commit: that is left for the next.
    fn of(left: &mut Option<Vec<Change>>, mut next: impl FnMut() -> Option<Output>) -> Self {
        let mut stretch = Self::default();
        if let Some(changes) = left.take() {
            stretch.persist(changes);
        }
        while let Some(output) = next() {
            match output {
                Output::Persist(changes) if stretch.has_room(&changes) => stretch.persist(changes),
                Output::Persist(changes) => {
                    *left = Some(changes);
                    break;
                }
                // What is read is what stood there when it was asked for.
                Output::Load { ticket, what } => {
                    stretch.load = Some((ticket, what));
                    break;
                }
                Output::Transmit { .. } | Output::Close(_) | Output::Event(_) => {
                    stretch.others.push(output);
                }
            }
        }
        stretch
    }

    /// Whether these become durable together with those before.
    fn has_room(&self, changes: &[Change]) -> bool {
        self.changes.is_empty()
            || (self.changes.len().saturating_add(changes.len()) <= CHANGES_MAX
                && self.bytes.saturating_add(size(changes)) <= BYTES_MAX)
    }

    fn persist(&mut self, mut changes: Vec<Change>) {
        self.bytes = self.bytes.saturating_add(size(&changes));
        self.changes.append(&mut changes);
    }
}

impl GroupTask {
    /// Hands something to the engine and carries out what it wants, in order.
    pub(super) async fn input(&mut self, input: Input) -> Result<(), Error> {
        self.engine.handle(now(), input);
        self.carry_out().await
    }

    /// Bytes came, and more may wait behind them.
    pub(super) async fn on_incoming(&mut self, first: Incoming) -> Result<(), Error> {
        let (mut waiting, mut turns) = (Some(first), Vec::new());
        for more in (0..TOGETHER).rev() {
            let Some(Incoming { link, bytes, turn }) = waiting.take() else { break };
            turns.extend(turn);
            let input = match bytes {
                Some(bytes) => Input::Received { link, bytes },
                None => {
                    self.drop_stream(link);
                    Input::Closed { link }
                }
            };
            self.engine.handle(now(), input);
            if more > 0 {
                waiting = self.incoming.1.try_recv().ok();
            }
        }
        let done = self.carry_out().await;
        // Only now those who sent have their turn again.
        drop(turns);
        done
    }

    /// Something is wanted, and more may wait behind it.
    pub(super) async fn on_commands(
        &mut self,
        first: GroupCommand,
        commands: &mut mpsc::Receiver<GroupCommand>,
    ) -> Result<(), Error> {
        let mut waiting = Some(first);
        for more in (0..TOGETHER).rev() {
            let Some(command) = waiting.take() else { break };
            self.on_command(command);
            if more > 0 {
                waiting = commands.try_recv().ok();
            }
        }
        self.carry_out().await
    }

    /// Carries out all that the engine wants.
    pub(super) async fn carry_out(&mut self) -> Result<(), Error> {
        // What did not go with the commit before.
        let mut left = None;
        loop {
            let stretch = Stretch::of(&mut left, || self.engine.poll_output());
            if !stretch.changes.is_empty() {
                self.storage.commit(self.group, stretch.changes).await?;
                self.hints.hint();
            }
            let is_end = stretch.others.is_empty() && stretch.load.is_none() && left.is_none();
            stretch.others.into_iter().for_each(|output| self.on_output(output));
            if let Some((ticket, what)) = stretch.load {
                let loaded = read(self.storage.reader().clone(), self.group, what).await?;
                self.engine.handle(now(), Input::Loaded { ticket, loaded });
            }
            if is_end {
                self.note_rejects();
                return Ok(());
            }
        }
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Transmit { to, bytes } => {
                if self.streams.get(&to).is_some_and(|open| !open.pumps.send(bytes)) {
                    self.drop_stream(to);
                    self.engine.handle(now(), Input::Closed { link: to });
                }
            }
            Output::Close(link) => self.drop_stream(link),
            Output::Event(event) => self.on_event(event),
            // They are taken out before.
            Output::Persist(_) | Output::Load { .. } => {}
        }
    }

    /// Members who follow the protocol cause none.
    fn note_rejects(&mut self) {
        let tally = self.engine.tally();
        if tally.rejects > self.rejects {
            self.rejects = tally.rejects;
            tracing::debug!(group = ?self.group, ?tally, "a stream was rejected");
        }
    }
}

/// So many ranges of numbers, and so many ids.
const fn pieces(ranges: usize, ids: usize) -> usize {
    ranges.saturating_mul(10).saturating_add(ids.saturating_mul(32))
}

/// What changes take, nearly; those that hold no words, ops or chains are small.
fn size(changes: &[Change]) -> usize {
    const SMALL: usize = 128;
    let size = |change: &Change| match change {
        Change::Entry(accepted) => accepted.entry.size(),
        Change::Op(op) => op.size(),
        Change::Written(written) => written.payload.len(),
        // In pieces, or under many heads, these are some kilobytes.
        Change::Chain(chain) => pieces(chain.held.len(), chain.ops.len()),
        Change::Fork(fork) => fork.branches.iter().map(|branch| pieces(8, branch.ops.len())).sum(),
        Change::Card(_)
        | Change::Invite(_)
        | Change::Met(..)
        | Change::Gone(_)
        | Change::Instead(_)
        | Change::Unwritten(_)
        | Change::Displaced(_)
        | Change::Held(..)
        | Change::Arrival(_)
        | Change::Compared(_)
        | Change::Arriving(_)
        | Change::Notice(_) => 0,
    };
    changes.iter().map(|change| size(change).saturating_add(SMALL)).sum()
}

async fn read(reader: Reader, group: GroupId, wanted: Wanted) -> Result<Loaded, Error> {
    let read = tokio::task::spawn_blocking(move || reader.load(&group, &wanted)).await;
    match read.map_err(|ended| Error::Runtime(ended.to_string()))? {
        Ok(loaded) => Ok(loaded),
        // One row that cannot be read is one that someone else will have to serve.
        Err(store::Error::Damaged(what)) => {
            tracing::error!(what, "something stored cannot be read");
            Ok(Loaded::default())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use proto::{LinkId, MemberId, Notice};

    use super::*;

    fn persist(from: usize, count: usize) -> Output {
        let notice = |nth: usize| {
            Change::Notice(Notice::Complete(MemberId([u8::try_from(nth).unwrap(); 32])))
        };
        Output::Persist((from..from + count).map(notice).collect())
    }

    fn transmit(to: u64) -> Output {
        Output::Transmit { to: LinkId(to), bytes: vec![1] }
    }

    /// What is durable and what has left, in the order in which it is carried out.
    fn carried(outputs: Vec<Output>) -> Vec<String> {
        let mut outputs = outputs.into_iter();
        let (mut left, mut carried) = (None, Vec::new());
        loop {
            let stretch = Stretch::of(&mut left, || outputs.next());
            let is_end = stretch.others.is_empty() && stretch.load.is_none() && left.is_none();
            if !stretch.changes.is_empty() {
                carried.push(format!("{} durable", stretch.changes.len()));
            }
            for output in stretch.others {
                let Output::Transmit { to, .. } = output else { panic!("{output:?}") };
                carried.push(format!("to {}", to.0));
            }
            carried.extend(stretch.load.map(|(ticket, _)| format!("read {}", ticket.0)));
            if is_end {
                return carried;
            }
        }
    }

    /// A chain in as many pieces as there may be weighs what it takes: few go into one commit.
    #[test]
    fn chains_in_pieces_do_not_make_a_commit_too_large() {
        let chain = |nth: u32| {
            Output::Persist(vec![Change::Chain(proto::ChainState {
                author: MemberId([u8::try_from(nth).unwrap(); 32]),
                seq: 512,
                id: proto::EntryId([1; 32]),
                prev: proto::EntryId([2; 32]),
                lamport: 1,
                ops: vec![proto::OpId([3; 32]); 16],
                held: (0..256).map(|at| (2 * at, 2 * at)).collect(),
            })])
        };
        let carried = carried((0..40).map(chain).collect());
        assert_eq!(
            carried,
            ["7 durable", "7 durable", "7 durable", "7 durable", "7 durable", "5 durable"]
        );
    }

    #[test]
    fn what_leaves_is_durable_before_and_what_waits_is_one_commit() {
        let load = || Output::Load { ticket: Ticket(7), what: Wanted::Held(Vec::new()) };
        let outputs = vec![persist(0, 2), transmit(1), persist(2, 3), transmit(2)];
        assert_eq!(carried(outputs), ["5 durable", "to 1", "to 2"]);
        let outputs = vec![persist(0, 2), transmit(1), load(), persist(2, 3), transmit(2)];
        assert_eq!(carried(outputs), ["2 durable", "to 1", "read 7", "3 durable", "to 2"]);
        assert_eq!(carried(vec![load(), load()]), ["read 7", "read 7"]);
        assert_eq!(carried(vec![transmit(1)]), ["to 1"]);
    }

    #[test]
    fn what_is_too_much_for_one_commit_waits_for_the_next_with_all_behind_it() {
        let outputs = vec![
            persist(0, CHANGES_MAX),
            transmit(1),
            persist(0, 1),
            transmit(2),
            persist(0, CHANGES_MAX),
            transmit(3),
        ];
        let wanted = ["96 durable", "to 1", "1 durable", "to 2", "96 durable", "to 3"];
        assert_eq!(carried(outputs), wanted);
        // However much it is, what was wanted together stays together.
        assert_eq!(carried(vec![persist(0, 2 * CHANGES_MAX)]), ["192 durable"]);
    }
}
