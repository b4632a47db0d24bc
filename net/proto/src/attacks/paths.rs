//! Two links to one member: which stays, and that nothing is lost between them.

use crate::change::Path;
use crate::hostile::Room;

/// Attack 39. A direct connection takes the place of a relayed one, whoever opened either; words are said all
/// the while, and each arrives once.
#[test]
fn failover_loses_nothing() {
    for (a, b) in [(0, 1), (1, 0)] {
        for (c, d) in [(0, 1), (1, 0)] {
            let mut room = Room::new(2);
            room.link_over(a, b, Path::Relayed);
            room.say(0, "over a relay");
            room.say(1, "both ways");
            room.link_over(c, d, Path::Direct);
            assert_eq!(room.links.len(), 2, "one link with two ends stays");
            room.say(0, "directly");
            room.say(1, "both ways");
            // What is relayed does not come back in its place.
            room.link_over(a, b, Path::Relayed);
            assert_eq!(room.links.len(), 2);
            room.say(1, "still directly");
            room.wait(1_000);
            let held = room.entries.iter().map(Vec::len).collect::<Vec<_>>();
            assert_eq!(held, [5, 5], "relayed by {a}, direct by {c}");
            let paths = room.peers.iter().flat_map(|peer| peer.ups().map(|up| up.path));
            assert!(paths.eq([Path::Direct, Path::Direct]), "relayed by {a}, direct by {c}");
            assert!(room.peers.iter().all(|peer| peer.tally().rejects == 0));
        }
    }
}

/// The same paths, opened from both ends at once: one stays, on both sides the same.
#[test]
fn of_two_links_opened_at_once_both_ends_keep_the_same() {
    for (a, b) in [(0, 1), (1, 0)] {
        let mut room = Room::new(2);
        room.link(a, b);
        room.link(b, a);
        assert_eq!(room.links.len(), 2);
        room.say(0, "here");
        room.wait(1_000);
        assert_eq!(room.entries[1].len(), 1);
    }
}
