//! Where a member can be reached, and the card that tells it.
//!
//! ```text
//! Addr = | kind (1) | ip | port (2) |       Card = | member | name | addrs | wall | sig |
//! ```

use serde::{Deserialize, Serialize};

use crate::encoding::{self, List, Text};
use crate::error::Reject;
use crate::ids::{GroupId, MemberId};
use crate::kdf::Label;
use crate::keys::{Member, Sig};
use crate::limits::{CARD_ADDRS_MAX, HOST_MAX, PSEUDONYM_MAX};
use crate::timers::Now;

/// A place on the network, without a PeerId: those change with every run. Append-only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Addr {
    /// TCP over IPv4.
    Tcp4([u8; 4], u16),
    /// QUIC over IPv4.
    Quic4([u8; 4], u16),
    /// TCP over IPv6.
    Tcp6([u8; 16], u16),
    /// QUIC over IPv6.
    Quic6([u8; 16], u16),
    /// TCP to a name.
    Dns(Text<HOST_MAX>, u16),
    /// A meeting point, by name.
    MeetingPoint(Text<HOST_MAX>, u16),
}

impl core::fmt::Debug for Addr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Addr(..)")
    }
}

/// A member's name and addresses, passed on by whoever holds it. The newest `wall` wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Whose it is.
    pub member: MemberId,
    /// The name they bear in the group.
    pub name: Text<PSEUDONYM_MAX>,
    /// Where they can be reached.
    pub addrs: List<Addr, CARD_ADDRS_MAX>,
    /// When it was made, in milliseconds since 1970.
    pub wall: u64,
    /// Under any subkey of the member, over everything above and the group.
    pub sig: Sig,
}

impl Card {
    /// Makes this device's own card.
    #[must_use]
    pub fn new(me: &Member, addrs: &[Addr], now: Now) -> Self {
        let addrs = List::first(addrs.iter().cloned());
        let signed = signed_part(&me.group, &me.id, &me.name, &addrs, now.unix_ms);
        Self {
            member: me.id,
            name: me.name.clone(),
            addrs,
            wall: now.unix_ms,
            sig: me.secrets.sign_message(Label::CardSig, &[&signed]),
        }
    }

    /// Checks the signature under one of the member's subkeys.
    ///
    /// # Errors
    /// [`Reject::Signature`].
    pub fn verify(&self, group: &GroupId, msk: &[u8; 32]) -> Result<(), Reject> {
        let signed = signed_part(group, &self.member, &self.name, &self.addrs, self.wall);
        self.sig.verify(msk, Label::CardSig, &[&signed])
    }
}

fn signed_part(
    group: &GroupId,
    member: &MemberId,
    name: &Text<PSEUDONYM_MAX>,
    addrs: &List<Addr, CARD_ADDRS_MAX>,
    wall: u64,
) -> Vec<u8> {
    encoding::encode(&(group, member, name, addrs, wall))
}
