//! Groups as large as they are meant to become.

use tests::World;

/// More than the sixty that Kith is made for: enough that nobody is linked to everyone any more.
#[test]
fn sixty_six_people_all_hear_each_other_also_when_a_third_of_them_was_away() {
    const PEOPLE: usize = 66;
    let mut world = World::crowd(PEOPLE, 1);
    let pairs = PEOPLE * (PEOPLE - 1);
    let links: usize = (0..PEOPLE).map(|who| world.links(who)).sum();
    assert!(links < pairs, "{links} of {pairs}: nobody is linked to everyone");
    (0..PEOPLE).step_by(3).for_each(|who| world.sleep(who));
    for who in (1..PEOPLE).step_by(3) {
        world.say(who, &format!("{who} is here"));
    }
    world.wait(30_000);
    (0..PEOPLE).step_by(3).for_each(|who| world.wake(who));
    world.wait(30_000);
    for who in (0..PEOPLE).step_by(3) {
        world.say(who, &format!("{who} is back"));
    }
    world.wait(60_000);
    let first = world.screen(0);
    assert_eq!(first.len(), 2 * PEOPLE / 3);
    for who in 0..PEOPLE {
        assert_eq!(world.screen(who), first, "person {who}");
        assert!(world.is_complete(who), "person {who}");
    }
}
