//! Which ops are valid, rule by rule (docs/protocol.md, "Validity of an op"): the last that is taken in, and
//! the first that is not.

use proto::{
    Dag, Founding, GroupParams, InviteCancel, Leave, List, MemberId, MemberKeys, Now, OpBody,
    OpHeader, OpId, PrekeyBody, Reject, SubkeyBody, Welcome,
};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;
use tests::forge::Forge;

const DAY: u32 = 24 * 60;
const NO_MEMBER: &str = "its author is no member in its past";
const ADMITTERS: &str = "admitters are the author first, then members, each once";
const TOO_MANY: &str = "more than one author may make in a day";
const USED: &str = "the invitation was used before";

/// The rule that was broken; empty when none was.
fn broken<T>(made: Result<T, Reject>) -> &'static str {
    match made {
        Ok(_) => "",
        Err(Reject::Op(rule)) => rule,
        Err(Reject::Budget) => TOO_MANY,
        Err(other) => panic!("{other:?}"),
    }
}

struct Group {
    forge: Forge,
    dag: Dag,
    /// The founder first; the others were let in by the founder.
    people: Vec<MemberId>,
    /// When all of them had come, in minutes since 2020.
    wall: u32,
}

impl Group {
    fn of(people: usize) -> Self {
        let (mut forge, founder) = Forge::new(1);
        let mut dag = forge.dag();
        let wall = dag.since(&founder).unwrap();
        let mut all = vec![founder];
        for _ in 1..people {
            all.push(forge.bring(&mut dag, founder, wall).unwrap());
        }
        Self { forge, dag, people: all, wall }
    }

    fn make(&mut self, who: usize, body: &OpBody, wall: u32) -> Result<OpId, Reject> {
        self.forge.make(&mut self.dag, self.people[who], body, wall)
    }

    /// A Merge of someone's, with something changed in its header.
    fn changed(&mut self, who: usize, change: impl FnOnce(&mut OpHeader)) -> &'static str {
        let mut header = self.dag.next_header(&self.people[who], self.wall);
        change(&mut header);
        broken(self.forge.sign(&mut self.dag, header, &OpBody::Merge))
    }

    fn invite(&mut self, who: usize, admitters: &[usize]) -> Result<OpId, Reject> {
        let admitters: Vec<_> = admitters.iter().map(|at| self.people[*at]).collect();
        let until = (self.wall, u32::MAX);
        self.forge.invite_until(&mut self.dag, self.people[who], &admitters, until)
    }

    fn add(&mut self, who: usize, invite: OpId, wall: u32) -> &'static str {
        broken(self.forge.add(&mut self.dag, self.people[who], invite, wall))
    }

    fn welcome(&mut self, who: usize, whom: MemberId) -> &'static str {
        broken(self.make(who, &OpBody::Welcome(Welcome { member: whom }), self.wall))
    }
}

#[test]
fn an_op_stands_one_above_its_past_and_after_its_authors_last() {
    let mut group = Group::of(2);
    let genesis = group.dag.ids().next().unwrap();
    let old = group.make(1, &OpBody::Merge, group.wall).unwrap();
    let last = group.make(0, &OpBody::Merge, group.wall).unwrap();
    let lamport = "lamport is not one more than that of its past";
    assert_eq!(group.changed(0, |header| header.lamport += 1), lamport);
    assert_eq!(group.changed(0, |header| header.lamport -= 1), lamport);
    let not_last = "prev is not the author's op before this one";
    assert_eq!(group.changed(0, |header| header.seq += 1), not_last);
    assert_eq!(group.changed(0, |header| header.seq -= 1), not_last);
    assert_eq!(group.changed(0, |header| (header.prev, header.seq) = (old, 1)), not_last);
    assert_eq!(group.changed(0, |header| header.wall -= 1), "the author's clock went back");
    let no_prev = "prev is not in its past";
    assert_eq!(group.changed(0, |header| header.prev = OpId([7; 32])), no_prev);
    let beside = |header: &mut OpHeader| {
        (header.prev, header.lamport) = (last, 2);
        header.deps = List::first([genesis]);
    };
    assert_eq!(group.changed(0, beside), no_prev, "it is held, and not below");
    let twice = |header: &mut OpHeader| header.deps = List::first([last, last]);
    assert_eq!(group.changed(0, twice), "deps are not strictly ascending");
    let first = |header: &mut OpHeader| (header.seq, header.prev) = (0, OpId::ZERO);
    assert_eq!(group.changed(0, first), "the founder's first op is Genesis");
    assert_eq!(group.changed(1, first), "", "a fork of one's own chain is valid, and seen by all");
    assert_eq!(group.changed(0, |_| {}), "");
}

#[test]
fn nobody_makes_ops_where_they_are_no_member() {
    let mut group = Group::of(2);
    let genesis = group.dag.ids().next().unwrap();
    let before = |header: &mut OpHeader| {
        (header.lamport, header.deps) = (2, List::first([genesis]));
    };
    assert_eq!(group.changed(1, before), NO_MEMBER, "before they came");
    group.make(1, &OpBody::Leave(Leave { last: None }), group.wall).unwrap();
    assert_eq!(group.changed(1, |_| {}), NO_MEMBER, "after they left");
}

#[test]
fn one_author_makes_sixty_ops_a_day() {
    let mut group = Group::of(1);
    let wall = group.wall;
    for nth in 0..60 {
        assert_eq!(broken(group.make(0, &OpBody::Merge, wall + nth)), "", "{nth}");
    }
    assert_eq!(broken(group.make(0, &OpBody::Merge, wall + 59)), TOO_MANY);
    assert_eq!(broken(group.make(0, &OpBody::Merge, wall + DAY - 1)), TOO_MANY);
    assert_eq!(broken(group.make(0, &OpBody::Merge, wall + DAY)), "", "a day after the first");
    assert_eq!(broken(group.make(0, &OpBody::Merge, wall + DAY)), TOO_MANY);
    let leave = OpBody::Leave(Leave { last: None });
    assert_eq!(broken(group.make(0, &leave, wall + DAY)), "", "anyone may leave at any time");
}

fn prekey(idx: u32) -> OpBody {
    let secrets = proto::MemberSecrets::generate(&mut ChaCha12Rng::seed_from_u64(idx.into()));
    OpBody::Prekey(PrekeyBody { idx, ..secrets.first_prekey(u32::MAX) })
}

fn subkey(idx: u16) -> OpBody {
    let secrets = proto::MemberSecrets::generate(&mut ChaCha12Rng::seed_from_u64(idx.into()));
    OpBody::Subkey(SubkeyBody { idx, ..secrets.first_subkey() })
}

#[test]
fn one_author_certifies_four_keys_a_day_each_newer_than_the_last() {
    let mut group = Group::of(2);
    let wall = group.wall;
    assert_eq!(broken(group.make(1, &subkey(0), wall)), "a subkey that is not newer");
    for body in [prekey(1), subkey(2), prekey(2), subkey(3)] {
        assert_eq!(broken(group.make(1, &body, wall)), "");
    }
    for body in [prekey(3), subkey(4)] {
        assert_eq!(broken(group.make(1, &body, wall + DAY - 1)), TOO_MANY);
    }
    assert_eq!(broken(group.make(1, &OpBody::Merge, wall)), "", "anything else");
    assert_eq!(broken(group.make(0, &subkey(1), wall)), "", "others have their own");
    assert_eq!(broken(group.make(1, &subkey(3), wall + DAY)), "a subkey that is not newer");
    assert_eq!(broken(group.make(1, &subkey(4), wall + DAY)), "");
    let weak = OpBody::Subkey(SubkeyBody { idx: 9, msk: [0; 32] });
    assert_eq!(group.make(0, &weak, wall), Err(Reject::LowOrder));
    let heads = group.dag.heads();
    let [first, third, of_founder] = [(1, 0), (1, 3), (0, 1)]
        .map(|(who, idx)| group.dag.subkeys_in(&group.people[who], idx, &heads));
    assert_eq!((first.len(), third.len(), of_founder.len()), (1, 1, 1));
    let OpBody::Subkey(certified) = subkey(3) else { panic!() };
    assert_eq!(third, [certified.msk], "each certifies their own alone");
    assert_eq!(group.dag.all_subkeys(&group.people[1]).count(), 4);
}

#[test]
fn an_invitation_names_its_author_first_then_members_each_once() {
    let mut group = Group::of(3);
    assert_eq!(broken(group.invite(1, &[1, 0, 2])), "");
    assert_eq!(broken(group.invite(1, &[1])), "");
    for admitters in [&[][..], &[0, 1], &[1, 0, 0], &[1, 1]] {
        assert_eq!(broken(group.invite(1, admitters)), ADMITTERS, "{admitters:?}");
    }
    group.make(2, &OpBody::Leave(Leave { last: None }), group.wall).unwrap();
    assert_eq!(broken(group.invite(1, &[1, 2])), ADMITTERS, "who left admits nobody");
}

#[test]
fn only_who_made_an_invitation_takes_it_back() {
    let mut group = Group::of(2);
    let invite = group.invite(1, &[1, 0]).unwrap();
    let merge = group.make(1, &OpBody::Merge, group.wall).unwrap();
    let cancel = |invite| OpBody::InviteCancel(InviteCancel { invite });
    let rule = "only who made an invitation takes it back";
    assert_eq!(broken(group.make(0, &cancel(invite), group.wall)), rule);
    assert_eq!(broken(group.make(1, &cancel(merge), group.wall)), rule, "it is none");
    assert_eq!(broken(group.make(1, &cancel(invite), group.wall)), "");
    assert_eq!(group.add(0, invite, group.wall), "the invitation was taken back");
}

#[test]
fn an_invitation_lets_in_one_person_in_time_by_an_admitter() {
    let mut group = Group::of(3);
    let wall = group.wall;
    let invite = group.invite(0, &[0, 1]).unwrap();
    assert_eq!(group.add(2, invite, wall), "its author may not admit with this invitation");
    assert_eq!(group.add(1, invite, wall), "");
    assert_eq!(group.add(0, invite, wall), USED);
    // Minutes since 1970 and since 2020.
    let ends = wall + 26_297_280 + 10;
    let (admitters, until) = ([group.people[0]], (wall, ends));
    let mut short =
        || group.forge.invite_until(&mut group.dag, admitters[0], &admitters, until).unwrap();
    let (one, other) = (short(), short());
    assert_eq!(group.add(0, one, wall + 10), "", "in its last minute");
    assert_eq!(group.add(0, other, wall + 11), "the invitation had ended");
    let gone = group.invite(1, &[1, 0]).unwrap();
    group.make(1, &OpBody::Leave(Leave { last: None }), wall + 11).unwrap();
    assert_eq!(group.add(0, gone, wall + 11), "the inviter is no member any more");
    assert_eq!(group.add(0, OpId([7; 32]), wall + 11), "its invitation is not in its past");
}

#[test]
fn nobody_comes_in_with_a_key_that_someone_has() {
    let mut group = Group::of(2);
    let theirs = group.dag.keys(&group.people[1]).unwrap().clone();
    let invite = group.invite(0, &[0]).unwrap();
    let founder = group.people[0];
    let mut come = |change: &dyn Fn(&mut MemberKeys)| {
        let secrets = group.forge.stranger();
        let mut keys = secrets.public();
        change(&mut keys);
        let place = (invite, group.wall);
        broken(group.forge.add_keys(&mut group.dag, founder, place, (secrets, keys)))
    };
    let rule = "a key that someone has already";
    assert_eq!(come(&|keys| *keys = theirs.clone()), rule);
    assert_eq!(come(&|keys| keys.nk = theirs.nk), rule);
    assert_eq!(come(&|keys| keys.dk = theirs.nk), rule, "also for another use");
    assert_eq!(come(&|keys| keys.rk = theirs.rk), rule);
    assert_eq!(come(&|_| {}), "");
}

#[test]
fn one_member_lets_in_as_many_in_seven_days_as_the_group_said() {
    let params = GroupParams { max_adds_per_week: 3, ..GroupParams::default() };
    let (mut forge, founder) = Forge::with(params, 1);
    let mut dag = forge.dag();
    let wall = dag.since(&founder).unwrap();
    let mut bring = |by, days| forge.bring(&mut dag, by, wall + days);
    let other = bring(founder, 0).unwrap();
    bring(founder, 0).unwrap();
    bring(founder, 3 * DAY).unwrap();
    let rule = "too many were let in this week";
    assert_eq!(broken(bring(founder, 3 * DAY)), rule);
    assert_eq!(broken(bring(founder, 7 * DAY - 1)), rule);
    assert_eq!(broken(bring(other, 3 * DAY)), "", "others have their own");
    assert_eq!(broken(bring(founder, 7 * DAY)), "", "seven days after the first two");
    assert_eq!(broken(bring(founder, 7 * DAY)), "");
    assert_eq!(broken(bring(founder, 7 * DAY)), rule);
}

#[test]
fn a_welcome_is_for_a_newcomer_by_whoever_had_no_part_in_their_coming() {
    let mut group = Group::of(4);
    let invite = group.invite(1, &[1, 2]).unwrap();
    let place = (invite, group.wall);
    let secrets = group.forge.stranger();
    let keys = secrets.public();
    let by = group.people[2];
    let newcomer = group.forge.add_keys(&mut group.dag, by, place, (secrets, keys)).unwrap();
    group.people.push(newcomer);
    let rule = "a welcome is for someone whom others let in";
    for (who, is_valid) in [(0, true), (1, false), (2, false), (3, true), (4, false)] {
        assert_eq!(group.welcome(who, newcomer).is_empty(), is_valid, "person {who}");
    }
    let founder = group.people[0];
    assert_eq!(group.welcome(1, founder), rule, "who began the group");
    assert_eq!(group.welcome(1, MemberId([7; 32])), rule, "nobody");
    group.make(4, &OpBody::Leave(Leave { last: None }), group.wall).unwrap();
    assert_eq!(group.welcome(0, newcomer), rule, "who is gone");
}

#[test]
fn since_when_someone_is_a_member_is_when_they_were_let_in() {
    let (mut forge, founder) = Forge::new(1);
    let mut dag = forge.dag();
    let wall = dag.since(&founder).unwrap();
    let other = forge.bring(&mut dag, founder, wall + 90).unwrap();
    assert_eq!((dag.since(&founder), dag.since(&other)), (Some(wall), Some(wall + 90)));
    assert_eq!(dag.since(&MemberId([7; 32])), None);
    assert!(!dag.is_empty() && dag.len() == 3);
}

#[test]
fn nobody_begins_a_group_whose_numbers_would_let_one_alone_decide() {
    let begins = |params: GroupParams| {
        let founding = Founding {
            name: "Tuesday".into(),
            reason: "Company.".into(),
            pseudonym: "Wren".into(),
            params,
            ..Founding::default()
        };
        founding.begin(Now::default(), &mut ChaCha12Rng::seed_from_u64(1)).is_ok()
    };
    let usual = GroupParams::default;
    for (params, is_valid) in [
        (usual(), true),
        (GroupParams { suite: 2, ..usual() }, false),
        (GroupParams { ver_min: 2, ..usual() }, false),
        (GroupParams { max_adds_per_week: 0, ..usual() }, false),
        (GroupParams { max_adds_per_week: 1, ..usual() }, true),
        (GroupParams { max_adds_per_week: 1000, ..usual() }, true),
        (GroupParams { max_adds_per_week: 1001, ..usual() }, false),
        (GroupParams { ttl_default_secs: 0, ..usual() }, true),
        (GroupParams { ttl_default_secs: 3599, ..usual() }, false),
        (GroupParams { ttl_default_secs: 3600, ..usual() }, true),
        (GroupParams { remove_floor_den: 0, ..usual() }, false),
        (GroupParams { remove_floor_den: 1, ..usual() }, true),
        (GroupParams { remove_floor_den: 3, ..usual() }, true),
        (GroupParams { remove_floor_den: 4, ..usual() }, false),
        (GroupParams { min_yes: 1, ..usual() }, false),
        (GroupParams { horizon_days: 6, ..usual() }, false),
        (GroupParams { horizon_days: 7, ..usual() }, true),
        (GroupParams { horizon_days: 60, dormant_days: 60, ..usual() }, false),
        (GroupParams { horizon_days: 59, dormant_days: 60, ..usual() }, true),
    ] {
        assert_eq!(begins(params.clone()), is_valid, "{params:?}");
    }
}
