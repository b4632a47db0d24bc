//! How the members of a group agree, without a server: the pure core of Kith.
//!
//! No IO, no clock, no randomness of its own: time and random bytes are arguments, what is to be done
//! comes out as [`Output`]s, in order. A seed replays a whole group.
//!
//! ```text
//! bytes  -> links (hints, Noise) -> link messages -> sync, intake -> control (ops) and log (entries)
//! person -> Command -> writing -------------------------------^              |
//!                                               Output: Persist, Transmit <--+
//! ```
//!
//! The main path begins at [`Engine::handle`] in `engine.rs`.
//!
//! - *Out*: `say` and `sign` in `writing.rs`, then `push_entry` in `spread.rs`.
//! - *In*: `on_received` in `links.rs`, `on_entries` in `sync/entries.rs`, `judge` and `file` in `intake.rs`,
//!   then `spread` and `owe_ack` in `spread.rs`.
//! - *Who may read what*: `readers.rs`. *Who the members are*: `control/membership.rs`.
//! - *Someone was away*: `check_linked` in `links.rs`, then `begin_catch_up`, `fetch` and `on_settled` in
//!   `sync/entries.rs`: with the first end of a catch-up what was written before is signed.
//! - *Coming in*: `join.rs`. *Being counted in, and leaving*: `coming_and_going.rs`.
//!
//! Bounds stand in [`limits`], labels in `kdf.rs`, formats in docs/protocol.md.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::float_arithmetic)]
#![cfg_attr(
    test,
    expect(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::string_slice,
        reason = "a test that overflows fails"
    )
)]

mod address;
#[cfg(test)]
mod attacks;
mod change;
mod clock;
mod coming_and_going;
mod control;
mod encoding;
mod engine;
mod error;
mod founding;
#[cfg(test)]
mod hostile;
mod ids;
mod intake;
mod join;
mod kdf;
mod keys;
pub mod limits;
mod link;
mod links;
mod log;
mod mesh;
pub mod message;
mod noise;
mod parking;

mod readers;
mod reading;
mod spread;
mod sync;
mod timers;
mod writing;

pub use address::{Addr, Card};
pub use change::{
    Accepted, Arrival, Arriving, Branch, ChainState, Change, Compared, Fork, Gone, Instead,
    InviteSecret, Loaded, Notice, Path, Wanted, Written,
};
pub use control::{
    Add, Agreement, ComingOp, Dag, Genesis, GroupParams, Invite, InviteCancel, Leave, Op, OpBody,
    OpHeader, Standing, Taken, Unheard, Welcome,
};
pub use encoding::{Bytes, List, Text, decode, encode};
pub use engine::{Command, Done, Engine, Event, Input, Output, Purpose, Tally, Which};
pub use error::{JoinError, Refusal, Reject};
pub use founding::Founding;
pub use ids::{EntryId, GroupId, LinkId, LocalId, MemberId, NotAnId, OpId, RequestId, Ticket};
pub use join::{Candidate, Invitation, JoinStep, Joined, Newcomer, No, Offer};
pub use kdf::Label;
pub use keys::{
    Member, MemberKeys, MemberSecrets, PrekeyBody, Sig, SubkeyBody, keys_digest, safety,
};
pub use link::Ends;
pub use log::{Ends as EntryEnds, Entry, EntryBody, EntryHeader, Order, Own, SeqRange, Versions};
pub use noise::Role;
pub use sync::Missing;
pub use timers::{Instant, Now, minutes_to_unix_ms};
