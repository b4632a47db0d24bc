//! People who are not in the group yet, and how they come in.

use proto::{
    Candidate, Input, Invitation, JoinError, JoinStep, Newcomer, Path, Purpose, Role, Text,
};

use crate::World;

impl World {
    /// Someone joins with a link, through whoever is awake and answers, in turn.
    pub fn join(&mut self, who: usize, link: &str) -> Result<(), JoinError> {
        let others = 0..self.people.len();
        let others: Vec<_> = others.filter(|at| *at != who && !self.people[*at].is_copy).collect();
        self.join_through(who, &others, link)
    }

    /// Someone joins with a link through one of these, in turn; copies of devices may be among them.
    pub fn join_through(
        &mut self,
        who: usize,
        admitters: &[usize],
        link: &str,
    ) -> Result<(), JoinError> {
        let invitation = Invitation::from_text(link)?;
        let mut candidate = Candidate::new(self.now(), &mut self.rng);
        let mut last = JoinError::Broken;
        for admitter in admitters.iter().copied() {
            for _ in 0..20 {
                if !self.is_awake(admitter) {
                    break;
                }
                candidate = self.try_join(who, admitter, (invitation.clone(), candidate));
                match self.people[who].outcome.take() {
                    Some(Ok(_)) => return Ok(()),
                    Some(Err(refused)) => last = refused,
                    None => continue, // The stream broke: try again.
                }
                break;
            }
        }
        Err(last)
    }

    /// One attempt; a stream on which nothing comes is given up after a while.
    fn try_join(
        &mut self,
        who: usize,
        admitter: usize,
        with: (Invitation, Candidate),
    ) -> Candidate {
        const PATIENCE_MS: u64 = 20_000;
        self.begin_join(who, admitter, with);
        let end = self.now_ms + PATIENCE_MS;
        while self.people[who].candidate.is_none() && self.now_ms < end && self.step() {}
        if let Some(link) = self.people[who].joining.as_ref().map(|(link, _)| *link) {
            self.break_stream(link);
        }
        self.people[who].candidate.take().expect("an attempt ends")
    }

    fn begin_join(&mut self, who: usize, admitter: usize, with: (Invitation, Candidate)) {
        let (ours, theirs, ends) = self.network.open(who, admitter, &self.peers());
        let (newcomer, send) = Newcomer::new(with.0, with.1, &ends, &mut self.rng).unwrap();
        self.people[who].joining = Some((ours, newcomer));
        let path = Path::Lan;
        let role = Role::Responder;
        let opened = Input::Opened { link: theirs, role, purpose: Purpose::Join, ends, path };
        self.input(admitter, opened);
        self.transmit(ours, send);
    }

    pub(crate) fn on_join_bytes(&mut self, who: usize, bytes: &[u8]) {
        let Some((link, mut newcomer)) = self.people[who].joining.take() else { return };
        for step in newcomer.on_bytes(bytes) {
            match step {
                JoinStep::Send(bytes) => self.transmit(link, bytes),
                JoinStep::Offer(_) => {
                    let name = Text::new(self.people[who].name.clone()).unwrap();
                    let send = newcomer.agree(name).unwrap();
                    self.transmit(link, send);
                }
                JoinStep::Joined(joined) => {
                    let group = joined.member.group;
                    self.people[who].begin(joined.member, joined.ops);
                    self.people[who].commit(joined.changes);
                    self.people[who].candidate = Some(newcomer.into_candidate());
                    self.people[who].outcome = Some(Ok(group));
                    self.break_stream(link);
                    return self.wake(who);
                }
                JoinStep::Failed(error) => {
                    self.people[who].outcome = Some(Err(error));
                    self.people[who].candidate = Some(newcomer.into_candidate());
                    return self.break_stream(link);
                }
            }
        }
        self.people[who].joining = Some((link, newcomer));
    }
}
