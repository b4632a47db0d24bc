//! What concerns a group or the profile as a whole: leaving, taking an invitation back, settings, locking.

use eframe::egui::{Key, Modifiers, Theme, vec2};

use crate::backend::{Profile, Trouble};
use crate::gui::clock::Clock;
use crate::gui::testing::{Fake, NOW_MS, Screen};

#[test]
fn the_page_for_shared_computers_comes_first_and_can_be_found_again() {
    let mut screen = Screen::new(Fake::empty());
    assert!(screen.sees("Do you share this computer, or might someone check it?"));
    screen.hint();
    assert!(screen.has("Go on"), "it stays until it was read");
    screen.press("Go on");
    assert!(screen.sees("Welcome to Kith"));
    let mut screen = Screen::new(Fake::talking());
    assert!(!screen.sees("might someone check it?"));
    screen.press("Settings");
    screen.press("Do you share this computer?");
    assert!(screen.sees("might someone check it?"));
    screen.press("Go on");
    screen.press("Done");
    assert!(screen.sees("Hello. I am not sure"));
}

#[test]
fn words_are_compared_with_someone_and_nobody_is_told() {
    let mut screen = Screen::new(Fake::talking());
    screen.press("Alder");
    assert!(screen.sees("Is this Alder?") && screen.sees("amber   brook   cedar   dune"));
    screen.press("They are the same");
    assert_eq!(screen.fake.asked(), ["verify"]);
    screen.press("Alder");
    assert!(screen.sees("You compared these words before."));
    screen.press("Close");
}

#[test]
fn a_group_is_left_after_it_is_said_what_follows() {
    let mut screen = Screen::new(Fake::talking());
    screen.press("Leave this group");
    assert!(screen.sees("The others see that you left.") && screen.fake.asked().is_empty());
    screen.key(Key::Escape);
    assert!(!screen.sees("The others see that you left.") && screen.fake.asked().is_empty());
    screen.press("Leave this group");
    screen.press("Leave the group");
    assert_eq!(screen.fake.asked(), ["leave"]);
    assert!(screen.sees("You are not in a group"));
}

#[test]
fn an_invitation_that_nobody_used_is_taken_back() {
    let mut screen = Screen::new(Fake::talking());
    screen.press("Invite someone");
    screen.press("Take it back");
    assert_eq!(screen.fake.asked(), ["invite", "revoke"]);
    assert!(!screen.sees("The invitation as a QR code"));
    assert!(screen.sees("Its link lets nobody in."));
}

/// The box was closed, and nobody could take the invitation back any more.
#[test]
fn an_invitation_is_taken_back_days_after_its_box_was_closed() {
    let mut screen = Screen::new(Fake::talking());
    assert!(!screen.sees("Your open invitations"));
    screen.press("Invite someone");
    assert!(screen.is_on("Done"), "Enter puts the box away");
    screen.press("Done");
    screen.hint();
    assert!(screen.sees("Your open invitations"));
    let open = screen.fake.state().invitations[0];
    let clock = Clock::standing_at(NOW_MS);
    let until = format!("{}, {}", clock.date(open.expires_ms), clock.time(open.expires_ms));
    screen.press(&format!("Take back invitation 1, until {until}"));
    assert_eq!(screen.fake.asked(), ["invite", "revoke"]);
    assert!(screen.sees("Its link lets nobody in."));
    assert!(!screen.sees("Your open invitations"));
}

#[test]
fn an_invitation_is_made_anew_without_the_address_and_the_first_lets_nobody_in() {
    let mut screen = Screen::new(Fake::talking());
    screen.press("Invite someone");
    assert!(
        screen.sees("It also holds this computer's address on the network, so that they find it.")
    );
    screen.press("Leave the address out");
    assert_eq!(screen.fake.asked(), ["invite", "revoke", "invite"]);
    assert!(
        screen.sees(
            "It holds no address. It works where they are on the same network as one of you."
        )
    );
    assert!(!screen.has("Leave the address out"));
}

#[test]
fn the_passphrase_is_changed_with_the_old_one_alone() {
    let mut screen = Screen::new(Fake::talking());
    screen.press("Settings");
    screen.press("Change the passphrase");
    assert!(screen.is_at("The one you have now") && !screen.can_press("Change it"));
    screen.write("The one you have now", "not that");
    screen.write("The new one", "four young trees");
    screen.write("The new one again", "four young trees");
    screen.press("Change it");
    assert!(screen.sees("That is not the passphrase you have now."));
    assert_eq!(screen.fake.state().passphrase, "three old trees");
    "not that".clone_into(&mut screen.fake.state().passphrase);
    screen.press("Change it");
    assert_eq!(screen.fake.state().passphrase, "four young trees");
    assert!(screen.sees("From now on the new passphrase opens Kith."));
    screen.press("Change the passphrase");
    assert_eq!(screen.written("The new one"), "", "nothing of it stays in the window");
}

#[test]
fn everything_is_erased_only_when_one_typed_that() {
    let mut screen = Screen::new(Fake::talking());
    screen.press("Settings");
    screen.press("Erase everything here");
    screen.write("Type: erase everything", "erase");
    assert!(!screen.can_press("Erase"));
    screen.write("Type: erase everything", " everything");
    screen.press("Erase");
    assert_eq!(screen.fake.asked(), ["erase"]);
    assert_eq!(screen.fake.state().profile, Profile::None);
    assert!(!screen.sees("Tuesday"));
}

#[test]
fn ctrl_l_locks_from_every_place() {
    for place in ["", "Settings", "Invite someone", "Leave this group"] {
        let mut screen = Screen::new(Fake::talking());
        if !place.is_empty() {
            screen.press(place);
        }
        screen.keys(Modifiers::COMMAND, Key::L);
        assert_eq!(screen.fake.state().profile, Profile::Locked, "{place}");
        assert!(screen.sees("Welcome back") && !screen.sees("Tuesday"), "{place}");
    }
}

#[test]
fn the_line_on_the_connection_says_what_is_known_and_explains_itself() {
    let mut screen = Screen::new(Fake::talking());
    screen.press("Connected. Nothing known is missing");
    assert!(screen.sees("There is no server between you."));
    assert!(screen.sees("Nothing is known to be missing."));
    screen.press("Done");
    screen.fake.state().missing = true;
    screen.press("Connected. Nothing known is missing");
    assert!(screen.sees("Something is known to be missing."));
    screen.press("Done");
    assert!(screen.has("Connected to this group"), "what comes in a moment is not said");
    assert!(screen.asks_to_draw_in().is_some());
    screen.pass_secs(11);
    assert!(screen.has("Connected. Something is still missing"));
    assert!(screen.asks_to_draw_in().is_none());
    screen.fake.state().linked = false;
    screen.hint();
    assert!(screen.has("Not connected. Something is still missing"));
    screen.fake.state().missing = false;
    screen.hint();
    screen.press("Not connected at the moment");
    assert!(screen.sees("leaves by itself when there is one"));
}

#[test]
fn everything_grows_to_two_and_a_half_and_nothing_is_cut_off() {
    let mut screen = Screen::with(Fake::talking(), vec2(1280.0, 720.0), Theme::Light);
    assert_eq!(screen.percent(), 100);
    for _ in 0..9 {
        screen.keys(Modifiers::COMMAND, Key::Plus);
    }
    assert_eq!(screen.percent(), 250);
    screen.settle();
    let within = vec2(1280.0, 720.0) / 2.5;
    for (name, place) in screen.places() {
        assert!(place.left() >= -1.0 && place.right() <= within.x + 1.0, "{name} is at {place:?}");
        assert!(place.top() <= within.y && place.bottom() > 0.0, "{name} is at {place:?}");
    }
    screen.press("Settings");
    screen.press("Smaller");
    assert_eq!(screen.percent(), 225);
    screen.keys(Modifiers::COMMAND, Key::Num0);
    assert_eq!(screen.percent(), 100);
}

#[test]
fn an_idle_minute_draws_nothing() {
    let mut screen = Screen::new(Fake::talking());
    screen.settle();
    assert_eq!(screen.asks_to_draw_in(), None, "nothing is to happen");
    screen.write("Message", "a");
    assert!(screen.asks_to_draw_in().is_some(), "a draft is to be kept");
    screen.pass_secs(2);
    assert_eq!(screen.asks_to_draw_in(), None);
}

#[test]
fn size_and_colours_stay_as_they_were_chosen() {
    let mut screen = Screen::new(Fake::talking());
    screen.press("Settings");
    screen.press("Larger");
    screen.keys(Modifiers::COMMAND, Key::Plus);
    screen.press("Use the dark colours");
    let mut screen = screen.restarted();
    assert_eq!(screen.percent(), 125);
    screen.press("Settings");
    assert!(screen.sees("Everything at 125 %") && screen.has("Use the light colours"));
    screen.keys(Modifiers::COMMAND, Key::Num0);
    assert_eq!(screen.restarted().percent(), 100);
}

#[test]
fn in_a_narrow_window_the_way_back_to_the_talk_has_a_name_and_a_key() {
    let mut screen = Screen::with(Fake::talking(), vec2(512.0, 288.0), Theme::Light);
    screen.press("About this group");
    assert!(screen.has("Back to the talk") && !screen.sees("Hello. I am not sure"));
    screen.key(Key::Escape);
    assert!(screen.has("About this group") && screen.sees("Thank you."));
}

#[test]
fn a_question_begins_at_its_top_whatever_was_read_before() {
    let mut screen = Screen::with(Fake::talking(), vec2(512.0, 288.0), Theme::Light);
    screen.press("Settings");
    let mut tops = Vec::new();
    for _ in 0..2 {
        screen.press("Change the passphrase");
        let top = screen.top_of("The one you have now");
        assert!((0.0..200.0).contains(&top), "{top}");
        tops.push(top);
        screen.key(Key::Tab);
        screen.key(Key::Tab);
        screen.key(Key::Tab);
        screen.key(Key::Tab);
        assert!(screen.top_of("The one you have now") < top, "one went down");
        screen.key(Key::Escape);
    }
    assert_eq!(tops[0], tops[1], "with its title, the second time too");
}

#[test]
fn in_a_small_window_what_went_wrong_is_in_sight() {
    let mut screen = Screen::with(Fake::alone(), vec2(512.0, 288.0), Theme::Light);
    screen.press("Join with an invitation");
    screen.write("Invitation link", "kith:1xyz");
    screen.key(Key::Enter);
    screen.write("What should people here call you?", "Moss");
    let says = "This invitation was taken back. Ask for a new one.";
    screen.fake.state().trouble = Some(Trouble::new("invite_revoked", says));
    screen.press("Agree and join");
    assert!(screen.end_of(says) <= 288.0, "{}", screen.end_of(says));
}
