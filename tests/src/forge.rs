//! Ops of any shape, signed for real: what honest members make, and what no honest client would.

use std::collections::BTreeMap;

use proto::{
    Add, Dag, Founding, GroupId, GroupParams, Invite, List, Member, MemberId, MemberKeys,
    MemberSecrets, Now, Op, OpBody, OpHeader, OpId, Sig, Taken, Text, keys_digest,
};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;

/// Who holds which keys, and every op that was made.
#[derive(Debug)]
pub struct Forge {
    rng: ChaCha12Rng,
    group: GroupId,
    people: BTreeMap<MemberId, MemberSecrets>,
    /// The key that stands in each invitation.
    invites: BTreeMap<OpId, MemberSecrets>,
    /// All ops, ancestors first.
    pub ops: Vec<Op>,
}

impl Forge {
    /// A group of one: the founder.
    #[must_use]
    pub fn new(seed: u64) -> (Self, MemberId) {
        Self::with(GroupParams::default(), seed)
    }

    /// A group of one, with these numbers.
    #[must_use]
    pub fn with(params: GroupParams, seed: u64) -> (Self, MemberId) {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let founding = Founding {
            name: "Tuesday".into(),
            reason: "Company.".into(),
            pseudonym: "Wren".into(),
            params,
            ..Founding::default()
        };
        let now = Now { unix_ms: super::BEGIN_UNIX_MS, ..Now::default() };
        let (me, genesis) = founding.begin(now, &mut rng).unwrap();
        let people = BTreeMap::from([(me.id, me.secrets)]);
        let forge =
            Self { rng, group: me.group, people, invites: BTreeMap::new(), ops: vec![genesis] };
        (forge, me.id)
    }

    /// Someone's member, by a name.
    #[must_use]
    pub fn member(&self, id: MemberId, name: &str) -> Member {
        let secrets = self.people[&id].clone();
        Member { group: self.group, id, secrets, name: Text::new(name).unwrap() }
    }

    /// What someone holds who has seen all ops so far.
    #[must_use]
    pub fn dag(&self) -> Dag {
        Dag::from_ops(self.ops.iter().cloned()).unwrap()
    }

    /// Makes an op on top of what `dag` holds, at a time in minutes since 2020, and takes it in there.
    ///
    /// # Errors
    /// Why it is not valid; it is forgotten then.
    pub fn make(
        &mut self,
        dag: &mut Dag,
        author: MemberId,
        body: &OpBody,
        wall: u32,
    ) -> Result<OpId, proto::Reject> {
        let header = dag.next_header(&author, wall);
        self.sign(dag, header, body)
    }

    /// Signs any header as its author and takes the op in.
    ///
    /// # Errors
    /// Why it is not valid; it is forgotten then.
    pub fn sign(
        &mut self,
        dag: &mut Dag,
        header: OpHeader,
        body: &OpBody,
    ) -> Result<OpId, proto::Reject> {
        let secrets = &self.people[&header.author];
        let op = Op::sign(header, body, |label, parts| secrets.sign_as_member(label, parts))?;
        let id = op.id();
        if dag.take(op.clone())? == Taken::New {
            self.ops.push(op);
        }
        Ok(id)
    }

    /// Invites with these admitters beside the author.
    ///
    /// # Errors
    /// Why it is not valid.
    pub fn invite(
        &mut self,
        dag: &mut Dag,
        author: MemberId,
        others: &[MemberId],
        wall: u32,
    ) -> Result<OpId, proto::Reject> {
        let admitters: Vec<_> = [author].into_iter().chain(others.iter().copied()).collect();
        self.invite_until(dag, author, &admitters, (wall, u32::MAX))
    }

    /// Invites with exactly these admitters, until then, in minutes since 1970.
    ///
    /// # Errors
    /// Why it is not valid.
    pub fn invite_until(
        &mut self,
        dag: &mut Dag,
        author: MemberId,
        admitters: &[MemberId],
        (wall, expires): (u32, u32),
    ) -> Result<OpId, proto::Reject> {
        let key = self.stranger();
        let body = OpBody::Invite(Invite {
            inv_pk: key.public().ik,
            admitters: List::first(admitters.iter().copied()),
            expires,
        });
        let id = self.make(dag, author, &body, wall)?;
        self.invites.insert(id, key);
        Ok(id)
    }

    /// Lets someone new in.
    ///
    /// # Errors
    /// Why it is not valid.
    pub fn add(
        &mut self,
        dag: &mut Dag,
        author: MemberId,
        invite: OpId,
        wall: u32,
    ) -> Result<MemberId, proto::Reject> {
        let secrets = self.stranger();
        let keys = secrets.public();
        self.add_keys(dag, author, (invite, wall), (secrets, keys))
    }

    /// Lets someone in who shows these public keys; they sign with their own.
    ///
    /// # Errors
    /// Why it is not valid.
    pub fn add_keys(
        &mut self,
        dag: &mut Dag,
        author: MemberId,
        (invite, wall): (OpId, u32),
        (secrets, keys): (MemberSecrets, MemberKeys),
    ) -> Result<MemberId, proto::Reject> {
        let member = keys.member_id(&self.group);
        let (prekey, subkey) = (secrets.first_prekey(wall), secrets.first_subkey());
        let digest = keys_digest(&keys, &prekey, &subkey);
        let parts: [&[u8]; 3] = [&self.group.0, &invite.0, &digest];
        // With an invitation that nobody made, they sign with their own key.
        let key = self.invites.get(&invite).unwrap_or(&secrets);
        let join_sig: Sig = key.sign_as_member(proto::Label::AddSig, &parts);
        let self_sig = secrets.sign_as_member(proto::Label::AddSig, &parts);
        let add = Add { invite, keys, prekey, subkey, join_sig, self_sig };
        self.make(dag, author, &OpBody::Add(Box::new(add)), wall)?;
        self.people.insert(member, secrets);
        Ok(member)
    }

    /// Someone's keys who is no member.
    pub fn stranger(&mut self) -> MemberSecrets {
        MemberSecrets::generate(&mut self.rng)
    }

    /// Invites and lets in in one go.
    ///
    /// # Errors
    /// Why it is not valid.
    pub fn bring(
        &mut self,
        dag: &mut Dag,
        author: MemberId,
        wall: u32,
    ) -> Result<MemberId, proto::Reject> {
        let invite = self.invite(dag, author, &[], wall)?;
        self.add(dag, author, invite, wall)
    }

    /// The invitations made so far.
    #[must_use]
    pub fn invitations(&self) -> Vec<OpId> {
        self.invites.keys().copied().collect()
    }
}
