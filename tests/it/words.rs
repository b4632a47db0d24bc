//! What becomes of words afterwards: edited, taken back, said twice at once.

use proto::{Done, Refusal};
use tests::World;

#[test]
fn an_edit_is_shown_to_all_and_the_words_before_are_forgotten() {
    for seed in 0..10 {
        let mut world = World::new(3, seed);
        world.break_percent = seed % 5;
        world.say(0, "first words");
        world.settle();
        let message = world.find(0, "first words").unwrap();
        world.sleep(2);
        for text in ["second words", "third words"] {
            assert!(world.edit(0, message, text).is_ok(), "seed {seed}");
        }
        world.say(0, "something else");
        world.settle();
        // Whoever was away hears only of the newest, from someone who holds no other.
        world.sleep(0);
        world.wake(2);
        world.settle();
        world.wake(0);
        world.settle();
        for who in 0..3 {
            assert_eq!(world.screen(who), ["third words", "something else"], "seed {seed}: {who}");
            for words in ["first words", "second words"] {
                assert!(!world.remembers(who, words), "seed {seed}: {who} kept {words}");
            }
        }
        assert_eq!(world.edit(1, message, "not mine"), Err(Refusal::NotYours), "seed {seed}");
        let rejects = world.rejects();
        assert_eq!(rejects, 0, "seed {seed}: nobody did wrong");
    }
}

#[test]
fn what_was_taken_back_is_on_no_device_whoever_was_away() {
    for seed in 0..8 {
        let mut world = World::new(4, seed);
        world.break_percent = seed % 5;
        world.say(0, "I should not have said");
        world.settle();
        let message = world.find(0, "I should not have said").unwrap();
        world.sleep(3);
        assert!(world.edit(0, message, "nor this").is_ok());
        world.settle();
        world.sleep(2);
        assert!(world.take_back(0, message).is_ok());
        world.settle();
        assert_eq!(world.take_back(0, message), Ok(Done::Nothing), "twice is once");
        assert_eq!(world.edit(0, message, "too late"), Err(Refusal::NoSuchMessage));
        // One who never heard of the edit gets all of it from one who is up to date.
        world.sleep(0);
        world.wake(3);
        world.wake(2);
        world.settle();
        for who in 1..4 {
            assert_eq!(world.screen(who), ["(gone)"], "seed {seed}: {who}");
            for words in ["I should not have said", "nor this"] {
                assert!(!world.remembers(who, words), "seed {seed}: {who} kept {words}");
            }
        }
    }
}

#[test]
fn a_message_is_edited_and_taken_back_also_while_nobody_is_there() {
    for seed in 0..10 {
        let mut world = World::new(2, seed);
        world.say(0, "kept");
        world.settle();
        let kept = world.find(0, "kept").unwrap();
        world.sleep(1);
        world.sleep(0);
        world.wake(0);
        let written = |world: &mut World, text: &str| {
            let say = proto::Command::Say { text: text.into(), reply_to: None };
            match world.command(0, say) {
                Ok(Done::Written(local)) => proto::Which::Written(local),
                other => panic!("seed {seed}: {other:?}"),
            }
        };
        let changed = written(&mut world, "changed");
        let withdrawn = written(&mut world, "withdrawn");
        let edit = |message, text: &str| proto::Command::Edit { message, text: text.into() };
        assert_eq!(world.command(0, edit(changed, "better")), Ok(Done::Nothing));
        assert_eq!(world.command(0, proto::Command::TakeBack(withdrawn)), Ok(Done::Nothing));
        // Somebody may have come meanwhile who must not read by an edit what was said before.
        assert_eq!(world.edit(0, kept, "kept, and edited"), Err(Refusal::NotYet), "seed {seed}");
        assert!(world.take_back(0, kept).is_ok());
        assert_eq!(world.screen(0), ["(gone)", "better"], "seed {seed}: at once");
        // A crash in between changes nothing.
        world.sleep(0);
        world.wake(0);
        assert_eq!(world.screen(0), ["(gone)", "better"], "seed {seed}: after a restart");
        world.wake(1);
        world.settle();
        for who in 0..2 {
            assert_eq!(world.screen(who), ["(gone)", "better"], "seed {seed}: {who}");
            for words in ["withdrawn", "changed", "kept"] {
                assert!(!world.remembers(who, words), "seed {seed}: {who} kept {words}");
            }
        }
    }
}

/// A backup says again what the device it was made of has said since: the salt of an entry tells.
#[test]
fn what_a_restored_backup_still_has_to_say_is_said_once() {
    for seed in 0..10 {
        let mut world = World::new(2, seed);
        world.sleep(1);
        world.sleep(0);
        world.wake(0);
        world.say(0, "written alone");
        let copy = world.copy_of(0);
        world.sleep(0);
        world.wake(1);
        world.settle();
        assert_eq!(world.screen(1), ["written alone"], "seed {seed}");
        world.sleep(copy);
        world.wake(0);
        world.settle();
        for who in 0..2 {
            assert_eq!(world.screen(who), ["written alone"], "seed {seed}: person {who}");
        }
    }
}

/// What stands under one number is known after a restart too: the chain goes on from the same entry, and
/// nobody is asked for the other one again.
#[test]
fn a_fork_is_still_one_after_every_device_was_closed() {
    for seed in 0..4 {
        let mut world = World::new(3, seed);
        world.say(0, "before");
        world.settle();
        let copy = world.copy_of(0);
        for (a, b) in [(0, 2), (1, 2), (0, copy), (1, copy)] {
            world.part(a, b);
        }
        world.wait(8_000);
        world.say(0, "here");
        world.say(copy, "there");
        world.settle();
        world.heal();
        world.sleep(copy);
        world.settle();
        let marks = |world: &World, who| world.tally(who).unwrap().marks;
        let before: Vec<_> = (0..3).map(|who| marks(&world, who)).collect();
        assert_eq!(before, [1; 3], "seed {seed}");
        world.pass(3_600_000);
        for who in 0..3 {
            assert_eq!(marks(&world, who), 1, "seed {seed}: person {who}");
            assert_eq!(world.screen(who).len(), 3, "seed {seed}: person {who}");
        }
        world.say(0, "after");
        world.settle();
        assert_eq!(world.screen(2).last().unwrap(), "after", "seed {seed}");
        assert_eq!(world.rejects(), 0, "seed {seed}");
    }
}

/// Found by reading: a typo mended years later would have told it all to whoever came since.
#[test]
fn an_edit_tells_nobody_what_was_said_before_they_came() {
    let mut world = World::new(3, 4);
    world.say(0, "before they came");
    world.settle();
    let message = world.find(0, "before they came").unwrap();
    assert!(world.edit(0, message, "before anyone came").is_ok());
    let mut world = World::strangers(3, 4);
    world.found(0);
    let link = world.invite(0);
    assert_eq!(world.join(1, &link), Ok(()));
    world.settle();
    world.say(0, "before they came");
    world.settle();
    let message = world.find(0, "before they came").unwrap();
    let link = world.invite(0);
    assert_eq!(world.join(2, &link), Ok(()));
    world.settle();
    assert_eq!(world.edit(0, message, "before they come"), Err(Refusal::ReadByMore));
    assert!(world.take_back(0, message).is_ok(), "that tells nothing");
    world.settle();
    assert_eq!((world.screen(1), world.screen(2).len()), (vec!["(gone)".to_owned()], 0));
}

#[test]
fn a_message_edited_too_often_can_still_be_taken_back() {
    let mut world = World::new(2, 1);
    world.say(0, "0");
    let message = world.find(0, "0").unwrap();
    let mut edits = 0;
    while world.edit(0, message, &format!("{}", edits + 1)).is_ok() {
        edits += 1;
    }
    assert_eq!(edits, 14);
    world.settle();
    assert_eq!(world.screen(1), ["14"]);
    assert!(world.take_back(0, message).is_ok());
    world.settle();
    assert_eq!(world.screen(1), ["(gone)"]);
    assert!((0..15).all(|n| !world.remembers(1, &n.to_string())));
}

/// Attack 15 (docs/protocol.md): a device that runs twice says two things under one number.
#[test]
fn entry_fork_is_shown_on_every_honest_node() {
    for seed in 0..12 {
        let mut world = World::new(4, seed);
        world.break_percent = seed % 4;
        world.say(0, "before");
        world.settle();
        let copy = world.copy_of(0);
        // Two halves, one device in each: each goes on with the chain.
        for (a, b) in [(0, 2), (0, 3), (1, 2), (1, 3), (0, copy), (1, copy)] {
            world.part(a, b);
        }
        world.wait(8_000);
        for n in 0..=seed % 3 {
            world.say(0, &format!("here {n}"));
        }
        for n in 0..=seed % 5 {
            world.say(copy, &format!("there {n}"));
        }
        world.settle();
        world.heal();
        world.sleep(copy);
        world.settle();
        let screen = world.screen(1);
        assert_eq!(screen.len(), 3 + usize::try_from(seed % 3 + seed % 5).unwrap(), "seed {seed}");
        let marked = world.marked(1);
        assert!(marked.contains(&"here 0".into()), "seed {seed}: {marked:?}");
        assert!(marked.contains(&"there 0".into()), "seed {seed}: {marked:?}");
        assert!(!marked.contains(&"before".into()), "seed {seed}: {marked:?}");
        for who in [0, 2, 3] {
            assert_eq!(world.screen(who), screen, "seed {seed}: person {who}");
            assert_eq!(world.marked(who), marked, "seed {seed}: person {who}");
        }
        // Nobody is thrown out for it, and the chain goes on.
        world.say(0, "after");
        world.settle();
        for who in 0..4 {
            assert_eq!(world.screen(who).last().unwrap(), "after", "seed {seed}: person {who}");
            assert_eq!(world.members(who).len(), 4, "seed {seed}");
        }
    }
}
