//! What the engine waits to have read, and what it does when it is.

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;

use crate::change::{Loaded, Wanted};
use crate::engine::{Engine, Output};
use crate::ids::{EntryId, LinkId, RequestId, Ticket};
use crate::intake::Batch;
use crate::log::SeqRange;
use crate::timers::Now;
use crate::writing::Rewrite;

/// Why something is read.
#[derive(Debug)]
pub(crate) enum Reading {
    /// A member asked for entries.
    Serve {
        /// Over which link.
        link: LinkId,
        /// The parts of chains they asked for.
        ranges: Vec<SeqRange>,
        /// The single entries.
        ids: BTreeSet<EntryId>,
    },
    /// What stands around entries that came, in these places, decides about them.
    Around(Batch, Vec<SeqRange>),
    /// A member holds these, and it is not known whether they are held here.
    Compare(LinkId, Vec<EntryId>),
    /// A person changes what they said.
    Rewrite(RequestId, Rewrite),
}

/// All that is being read.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    waiting: BTreeMap<Ticket, Reading>,
    next: u64,
}

impl Readings {
    /// A link is gone: nobody waits for what was read for it.
    pub(crate) fn forget(&mut self, link: LinkId) {
        self.waiting.retain(|_, reading| match reading {
            Reading::Serve { link: of, .. } | Reading::Compare(of, _) => *of != link,
            Reading::Around(..) | Reading::Rewrite(..) => true,
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl<R: CryptoRng> Engine<R> {
    /// Has something read.
    pub(crate) fn read(&mut self, why: Reading, what: Wanted) {
        let ticket = Ticket(self.readings.next);
        self.readings.next = self.readings.next.saturating_add(1);
        self.readings.waiting.insert(ticket, why);
        self.output(Output::Load { ticket, what });
    }

    pub(crate) fn on_loaded(&mut self, now: Now, ticket: Ticket, loaded: Loaded) {
        match self.readings.waiting.remove(&ticket) {
            Some(Reading::Serve { link, ranges, ids }) => {
                self.serve(now, link, (ranges, ids), loaded);
            }
            Some(Reading::Around(batch, places)) => {
                let from = batch.from;
                let judged = self.on_around(now, (batch, places), loaded);
                if let (Err(reject), Some(link)) = (judged, from) {
                    self.on_reject(link, reject);
                }
            }
            Some(Reading::Compare(link, ids)) => self.on_compared(link, ids, &loaded.held),
            Some(Reading::Rewrite(request, rewrite)) => {
                self.on_versions(now, request, rewrite, loaded.entries);
            }
            None => {}
        }
    }
}
