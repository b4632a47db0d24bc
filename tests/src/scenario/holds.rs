//! What must hold at the end of every evening (docs/protocol.md, "What must hold"; I1 to I14 there).

use std::collections::{BTreeMap, BTreeSet};

use proto::{EntryHeader, EntryId, MemberId, Op};

use super::Promised;
use crate::World;
use crate::reference::{Reference, Without};

/// Everything that holds when everyone has been there for a while.
pub(super) fn check(world: &World, people: usize, promised: &Promised) -> Result<(), String> {
    let everyone: Vec<_> = (0..people).filter(|who| world.is_member(*who)).collect();
    let ops: BTreeMap<_, Op> = everyone
        .iter()
        .flat_map(|who| world.people[*who].memory.ops.iter())
        .map(|op| (op.id(), op.clone()))
        .collect();
    let ops: Vec<_> = ops.into_values().collect();
    let reference = Reference::new(&ops, Without::Nothing);
    let standing = reference.standing(&reference.everything());
    let members: Vec<_> = everyone
        .iter()
        .copied()
        .filter(|who| standing.members.contains(&world.id_of(*who)))
        .collect();
    same_ops_same_members(world, &members, &standing)?;
    // Of a liar's chain nothing is promised, but that it harms nobody else.
    let liars: BTreeSet<_> = promised.liars.iter().map(|who| world.id_of(*who)).collect();
    let headers = entries_of(world, &everyone, &liars)?;
    let readers: BTreeMap<_, _> = headers
        .iter()
        .map(|(id, header)| (*id, reference.standing(&reference.closure(&header.ops)).members))
        .collect();
    with_their_readers_and_nobody_else(world, (&everyone, &members), &readers)?;
    one_text_and_one_number(world, (&everyone, promised), &headers)?;
    views_never_shrink(&reference, &headers)?;
    what_was_promised(world, &members, promised)?;
    bounded_and_nobody_did_wrong(world, (&everyone, promised))
}

/// I1, I2, I13: everyone holds the same ops, and finds the members and voters that are defined.
fn same_ops_same_members(
    world: &World,
    members: &[usize],
    standing: &proto::Standing,
) -> Result<(), String> {
    for who in members {
        if world.ops(*who) != world.ops(members[0]) {
            return Err(format!("person {who} and person {} hold different ops", members[0]));
        }
        if world.members(*who) != standing.members || world.voters(*who) != standing.voters {
            return Err(format!("person {who} sees other members than are defined"));
        }
    }
    Ok(())
}

/// The headers of all entries of honest authors that anyone holds. I6: what is held is valid.
fn entries_of(
    world: &World,
    everyone: &[usize],
    liars: &BTreeSet<MemberId>,
) -> Result<BTreeMap<EntryId, EntryHeader>, String> {
    let mut headers = BTreeMap::new();
    for who in everyone {
        let memory = &world.people[*who].memory;
        let group = memory.me.as_ref().expect("a member").group;
        let honest = memory.entries.values().filter(|entry| !liars.contains(&entry.author));
        for accepted in honest {
            let header = accepted
                .entry
                .parse(&group)
                .map_err(|reject| format!("person {who} holds what is not valid: {reject}"))?;
            headers.insert(accepted.id, header);
        }
    }
    Ok(headers)
}

/// I4, I13: an entry is with its readers, all of those who are still here, and with nobody else.
fn with_their_readers_and_nobody_else(
    world: &World,
    (everyone, members): (&[usize], &[usize]),
    readers: &BTreeMap<EntryId, BTreeSet<MemberId>>,
) -> Result<(), String> {
    let held: BTreeMap<usize, BTreeSet<EntryId>> =
        everyone.iter().map(|who| (*who, world.entries(*who).into_iter().collect())).collect();
    for (id, readers) in readers {
        let is_here = members.iter().any(|who| held[who].contains(id));
        for who in everyone {
            let (may, has) = (readers.contains(&world.id_of(*who)), held[who].contains(id));
            if has && !may {
                return Err(format!("person {who} holds what is not theirs"));
            }
            if is_here && may && !has && members.contains(who) {
                return Err(format!("person {who} lacks what is theirs"));
            }
        }
    }
    Ok(())
}

/// I7, I10: one text under one id, and under one number too unless a device ran twice.
fn one_text_and_one_number(
    world: &World,
    (everyone, promised): (&[usize], &Promised),
    headers: &BTreeMap<EntryId, EntryHeader>,
) -> Result<(), String> {
    let mut texts: BTreeMap<EntryId, Vec<u8>> = BTreeMap::new();
    for who in everyone {
        for accepted in world.people[*who].memory.entries.values() {
            let Some(body) = &accepted.entry.body else { continue };
            let text = texts.entry(accepted.id).or_insert_with(|| body.payload.to_vec());
            if *text != *body.payload {
                return Err(format!("person {who} has other words under the same id"));
            }
        }
    }
    let twice: BTreeSet<_> = promised.copies.keys().map(|who| world.id_of(*who)).collect();
    let mut numbers = BTreeSet::new();
    for header in headers.values() {
        let is_new = numbers.insert((header.author, header.seq));
        if !is_new && !twice.contains(&header.author) {
            return Err("two things were said under one number".to_owned());
        }
    }
    Ok(())
}

/// I14: a view never shrinks along an author's chain, and what follows has a greater lamport.
fn views_never_shrink(
    reference: &Reference,
    headers: &BTreeMap<EntryId, EntryHeader>,
) -> Result<(), String> {
    for header in headers.values() {
        let Some(before) = headers.get(&header.prev) else { continue };
        let (old, new) = (reference.closure(&before.ops), reference.closure(&header.ops));
        if !old.is_subset(&new) || before.lamport >= header.lamport {
            return Err("a view shrank along a chain".to_owned());
        }
    }
    Ok(())
}

/// What was acknowledged is there, once, and says what it should; what was rewritten is nowhere.
fn what_was_promised(world: &World, members: &[usize], promised: &Promised) -> Result<(), String> {
    let of_honest = |promise: &&super::Promise| !promised.liars.contains(&promise.author);
    for promise in promised.messages.iter().filter(of_honest) {
        // What a copy said and nobody heard is with the copy.
        if let Some(copy) = promised.copies.get(&promise.author) {
            let said = promise.versions.first().and_then(|text| world.find(*copy, text));
            let is_theirs = |who: &&usize| {
                **who != promise.author
                    && said
                        .is_some_and(|id| world.readers(*copy, &id).contains(&world.id_of(**who)))
            };
            if !members.iter().any(|who| is_theirs(&who)) {
                continue;
            }
        }
        let screen = world.screen(promise.author);
        let is_shown = |text: &String| screen.contains(text);
        if !promise.says.iter().any(|says| says.as_ref().is_none_or(is_shown)) {
            return Err(format!("person {} lost their own words: {promise:?}", promise.author));
        }
        // Who left may have left before anyone heard of it: nobody asks them any more.
        if !members.contains(&promise.author) {
            continue;
        }
        let old =
            promise.versions.iter().filter(|text| !promise.says.contains(&Some((*text).clone())));
        for text in old {
            if let Some(who) = members.iter().find(|who| world.remembers(**who, text)) {
                return Err(format!("person {who} kept words that were taken back: {text}"));
            }
        }
    }
    for who in members {
        let screen = world.screen(*who);
        let shown: Vec<_> = screen.iter().filter(|text| *text != "(gone)").collect();
        // Two devices that held the same unsigned words each sign them, if they do not hear each other.
        let is_twice = shown.iter().collect::<BTreeSet<_>>().len() != shown.len();
        if is_twice && promised.copies.is_empty() {
            return Err(format!("person {who} sees something twice: {screen:?}"));
        }
        let heard = world.notified(*who).len();
        if heard != screen.len() {
            return Err(format!("person {who} heard of {heard} of {}: {screen:?}", screen.len()));
        }
    }
    // Who holds a message, shows the same of it.
    let liars: BTreeSet<_> = promised.liars.iter().map(|who| world.id_of(*who)).collect();
    let mut words: BTreeMap<EntryId, Option<String>> = BTreeMap::new();
    for who in members {
        let memory = &world.people[*who].memory;
        let is_honest = |entry: &&proto::Accepted| entry.is_shown && !liars.contains(&entry.author);
        for accepted in memory.entries.values().filter(is_honest) {
            let here = memory.words(accepted);
            if *words.entry(accepted.id).or_insert_with(|| here.clone()) != here {
                return Err(format!("person {who} sees other words than the others: {here:?}"));
            }
        }
        if liars.is_empty() && world.marked(*who) != said_twice(world, *who) {
            return Err(format!("person {who} sees marks that are not right"));
        }
    }
    Ok(())
}

/// The words that share their number with others that someone holds.
fn said_twice(world: &World, who: usize) -> Vec<String> {
    let memory = &world.people[who].memory;
    let at = |entry: &proto::Accepted| (entry.author, entry.seq);
    let is_twice = |entry: &&proto::Accepted| {
        memory.entries.values().filter(|other| at(other) == at(entry)).count() > 1
    };
    memory.entries.values().filter(is_twice).filter_map(|entry| memory.words(entry)).collect()
}

/// I11, and I4 once more: nothing grows, and no honest stream brought anything that was refused.
fn bounded_and_nobody_did_wrong(
    world: &World,
    (everyone, promised): (&[usize], &Promised),
) -> Result<(), String> {
    for who in everyone {
        let Some(tally) = world.tally(*who) else { continue };
        // Of one who left, what was not signed stays so; and of one whom only those have joined who never
        // came.
        let members = world.members(*who);
        let is_here = |other: &usize| members.contains(&world.id_of(*other));
        let is_member = is_here(who) && everyone.iter().filter(|other| is_here(other)).count() > 1;
        // What a liar says of a time to come waits for it.
        let waits = tally.parked != 0 && promised.liars.is_empty();
        if waits || tally.readings != 0 || (is_member && tally.outbox != 0) {
            return Err(format!("person {who} still waits for something: {tally:?}"));
        }
    }
    let is_honest = world.mangled == 0 && promised.liars.is_empty();
    if is_honest && world.rejects() != 0 {
        return Err(format!("{} streams were closed for what came over them", world.rejects()));
    }
    Ok(())
}
