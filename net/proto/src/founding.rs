//! Beginning a group: a Genesis, and the first member.

use rand_core::CryptoRng;

use crate::control::{Agreement, Dag, Genesis, GroupParams, Op, OpBody, OpHeader};
use crate::encoding::{List, Text};
use crate::error::{Refusal, Reject};
use crate::ids::{GroupId, MemberId, OpId};
use crate::join::PREKEY_MINUTES;
use crate::kdf::Label;
use crate::keys::{Member, MemberSecrets, draw, keys_digest};
use crate::limits::{SUITE, VERSION};
use crate::timers::Now;

/// What a founder chooses.
#[derive(Debug, Clone, Default)]
pub struct Founding {
    /// What the group is called.
    pub name: String,
    /// Why it meets.
    pub reason: String,
    /// What is agreed on from the start; may be empty.
    pub agreement: String,
    /// The founder's name in it.
    pub pseudonym: String,
    /// The group's numbers.
    pub params: GroupParams,
}

impl Founding {
    /// Begins the group: who the founder is, and the op to be made durable first.
    ///
    /// # Errors
    /// [`Refusal::Bad`] when something is empty or too long.
    pub fn begin(self, now: Now, rng: &mut impl CryptoRng) -> Result<(Member, Op), Refusal> {
        if self.name.trim().is_empty() || self.pseudonym.trim().is_empty() {
            return Err(Refusal::Bad("a group needs a name, and so do you in it"));
        }
        if self.reason.trim().is_empty() {
            return Err(Refusal::Bad("a group needs a reason to meet"));
        }
        let name = Text::new(self.pseudonym).ok_or(Refusal::Bad("your name is too long"))?;
        let agreement = Agreement {
            name: Text::new(self.name).ok_or(Refusal::Bad("the group's name is too long"))?,
            reason: Text::new(self.reason).ok_or(Refusal::Bad("the reason is too long"))?,
            text: Text::new(self.agreement).ok_or(Refusal::Bad("the agreement is too long"))?,
        };
        let secrets = MemberSecrets::generate(rng);
        let keys = secrets.public();
        let prekey = secrets.first_prekey(now.minutes().saturating_add(PREKEY_MINUTES));
        let subkey = secrets.first_subkey();
        let digest = keys_digest(&keys, &prekey, &subkey);
        let self_sig = secrets.sign_as_member(Label::GenesisSig, &[&digest]);
        let params = self.params;
        let nonce = draw(rng);
        let genesis =
            Genesis { params, agreement, nonce, keys: keys.clone(), prekey, subkey, self_sig };
        let op = sign(&secrets, genesis, now).map_err(|_long| Refusal::Bad("too long in all"))?;
        let group = GroupId(op.id().0);
        let id = keys.member_id(&group);
        // What we would not take from others we do not begin.
        Dag::new(op.clone()).map_err(|_reject| Refusal::Bad("these numbers are out of bounds"))?;
        Ok((Member { group, id, secrets, name }, op))
    }
}

fn sign(secrets: &MemberSecrets, genesis: Genesis, now: Now) -> Result<Op, Reject> {
    let header = OpHeader {
        v: VERSION,
        suite: SUITE,
        group: GroupId::ZERO,
        author: MemberId::ZERO,
        seq: 0,
        prev: OpId::ZERO,
        deps: List::default(),
        lamport: 1,
        wall: now.minutes(),
        body_hash: [0; 32],
    };
    let body = OpBody::Genesis(Box::new(genesis));
    Op::sign(header, &body, |label, parts| secrets.sign_as_member(label, parts))
}
