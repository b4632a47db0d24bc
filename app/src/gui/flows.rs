//! What a person does in the window from its first start on, screen by screen, as tests.

mod figures;
mod profile;
mod words;

use eframe::egui::{Key, Modifiers, Theme, vec2};

use super::testing::{Fake, ME, Screen, message};
use crate::backend::{MessageView, Profile, Trouble};

#[test]
fn a_passphrase_is_chosen_twice_before_anything_is_kept() {
    let mut screen = Screen::new(Fake::empty());
    screen.press("Go on");
    assert!(screen.sees("Welcome to Kith") && screen.is_at("Passphrase"));
    assert!(!screen.can_press("Set passphrase"));
    screen.write("Passphrase", "three old trees");
    screen.write("The same again", "three old treez");
    screen.press("Set passphrase");
    assert!(screen.sees("The two are not the same yet.") && screen.fake.asked().is_empty());
    screen.key(Key::Backspace);
    screen.write("The same again", "s");
    screen.key(Key::Enter);
    assert_eq!(screen.fake.asked(), ["create profile"]);
    assert!(screen.sees("You are not in a group"));
}

#[test]
fn a_wrong_passphrase_is_said_and_can_be_corrected() {
    let mut screen = Screen::new(Fake::locked());
    screen.write("Passphrase", "something else");
    screen.key(Key::Enter);
    assert!(screen.sees("That did not open it."));
    assert!(screen.is_at("Passphrase"));
    assert!(!screen.sees("Tuesday"), "nothing of a group is shown");
    screen.press("Show: Passphrase");
    assert_eq!(screen.written("Passphrase"), "something else");
    screen.fake.state().passphrase = "something else".to_owned();
    screen.press("Unlock");
    assert!(screen.sees("Tuesday"));
}

#[test]
fn a_group_is_started_with_its_name_its_reason_and_ones_own_name() {
    let mut screen = Screen::new(Fake::alone());
    screen.press("Start a group");
    assert!(!screen.can_press("Start the group"), "nothing is filled in");
    assert!(screen.sees("Still needed: what the group is called, why you meet"));
    screen.write("What is the group called?", &"x".repeat(61));
    assert!(screen.sees("This is as long as it can be."), "the last letter is not there");
    screen.keys(Modifiers::COMMAND, Key::A);
    screen.write("What is the group called?", "Kitchen table");
    assert!(!screen.sees("This is as long as it can be."));
    screen.write("Why we meet", "To eat together");
    screen.write("What should people here call you?", "Moss");
    assert!(!screen.can_press("Start the group"), "nobody chose how long words stay");
    assert!(screen.sees("Still needed: how long words stay."));
    screen.press("7 days");
    assert!(!screen.sees("Still needed"));
    screen.press("30 days");
    screen.press("Drop line 2");
    screen.press("Start the group");
    let asked = screen.fake.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("start Kitchen table | To eat together | We are equal."));
    assert!(!asked[0].contains("We listen first."), "that line was dropped");
    assert!(asked[0].contains("Our words fade after 30 days. | Moss | 30"), "{}", asked[0]);
    assert!(!asked[0].contains("7 days"));
    assert!(screen.sees("Kitchen table") && screen.is_at("Message"));
}

#[test]
fn why_they_meet_is_seen_before_one_joins_and_before_one_is_named() {
    let mut screen = Screen::new(Fake::alone());
    screen.press("Join with an invitation");
    screen.write("Invitation link", "kith:1xyz");
    screen.key(Key::Enter);
    assert!(screen.sees("To walk early.") && screen.sees("We do not race."));
    assert!(screen.sees("You won't see what was said before you came."));
    assert!(!screen.can_press("Agree and join"), "one has no name yet");
    // Whoever only hears the screen hears that first, and does not agree to it unheard.
    let first = "Why we meet: To walk early. Our agreement: We are on time.\nWe do not race.";
    assert!(screen.is_on(first));
    screen.key(Key::Enter);
    assert_eq!(screen.fake.asked().len(), 1, "nothing was agreed to by that");
    screen.write("What should people here call you?", "Birch");
    screen.key(Key::Enter);
    assert_eq!(screen.fake.asked(), ["look at kith:1xyz", "join kith:1xyz as Birch"]);
    assert!(screen.sees("Early walkers"));
}

#[test]
fn an_invitation_can_be_declined_and_nobody_hears_of_it() {
    let mut screen = Screen::new(Fake::alone());
    screen.press("Join with an invitation");
    screen.write("Invitation link", "kith:1xyz");
    screen.press("Have a look");
    screen.press("Not for me");
    assert_eq!(screen.fake.asked(), ["look at kith:1xyz"]);
    assert!(screen.sees("You are not in a group"));
}

#[test]
fn trouble_while_joining_is_said_and_what_was_typed_stays() {
    let mut screen = Screen::new(Fake::alone());
    screen.press("Join with an invitation");
    screen.write("Invitation link", "kith:1xyz");
    screen.fake.state().trouble = Some(Trouble::new("unreachable", "Nobody could be reached."));
    screen.press("Have a look");
    assert!(screen.sees("Nobody could be reached."));
    assert_eq!(screen.written("Invitation link"), "kith:1xyz");
    screen.key(Key::Escape);
    assert!(screen.sees("You are not in a group"));
}

#[test]
fn what_was_said_stands_with_names_and_days() {
    let screen = Screen::new(Fake::talking());
    assert!(screen.sees("Alder, 09:42: Hello."));
    assert!(screen.sees("You, 09:33: You do not have to say anything."));
    assert!(screen.sees("Yesterday") && screen.sees("Today"));
    assert!(screen.sees("To be heard without being fixed."));
}

#[test]
fn someone_is_invited_with_a_link_that_can_be_copied() {
    let mut screen = Screen::new(Fake::talking());
    screen.press("Invite someone");
    assert!(screen.sees("The invitation as a QR code"));
    assert!(screen.sees("Works once, until 27 November"));
    assert!(screen.sees("Whoever has the link first can come in"));
    screen.press("Copy link");
    assert!(screen.sees("Copied"));
    screen.press("Done");
    assert!(!screen.sees("kith:1abc"));
}

#[test]
fn locking_leaves_nothing_of_a_group_on_the_screen() {
    let mut screen = Screen::new(Fake::talking());
    screen.press("Lock");
    assert_eq!(screen.fake.state().profile, Profile::Locked);
    assert!(screen.sees("Welcome back"));
    for words in ["Tuesday", "Alder", "heard"] {
        assert!(!screen.sees(words), "{words}");
    }
}

#[test]
fn what_arrives_is_shown_and_older_words_come_when_one_goes_up() {
    let fake = Fake::talking();
    fake.state().messages =
        (0..300).map(|nth| message(nth, ME, &format!("word {nth}."), 400)).collect();
    let mut screen = Screen::new(fake);
    assert!(screen.sees("word 299.") && !screen.sees("word 0."));
    screen.press("Hide what is known about this group");
    for _ in 0..12 {
        screen.keys(Modifiers::COMMAND, Key::Home);
    }
    assert!(screen.sees("word 0."));
    let new = MessageView { id: [9; 32], ..message(0, ME, "something new", 0) };
    screen.fake.state().messages.push(new);
    screen.hint();
    assert!(screen.sees("word 0."), "one stays where one reads");
    assert!(screen.has("Something new below"));
    screen.press("Something new below");
    assert!(screen.sees("something new"));
}

#[test]
fn what_was_read_far_above_is_let_go_once_one_is_back_at_the_newest() {
    let fake = Fake::talking();
    fake.state().messages = (0..1_000u32)
        .map(|nth| {
            let mut said = message(0, ME, &format!("word {nth}."), 400);
            said.id[24..28].copy_from_slice(&nth.to_be_bytes());
            said
        })
        .collect();
    let mut screen = Screen::new(fake);
    screen.press("Hide what is known about this group");
    for _ in 0..30 {
        screen.keys(Modifiers::COMMAND, Key::Home);
    }
    assert!(screen.sees("word 0.") && screen.loaded() == 1_000);
    screen.hint();
    assert!(screen.sees("word 0.") && screen.loaded() == 1_000, "one stays where one reads");
    screen.keys(Modifiers::COMMAND, Key::End);
    screen.hint();
    assert!(screen.sees("word 999.") && screen.loaded() == 500);
}

#[test]
fn no_screen_says_who_is_there_or_counts_anyone() {
    let screen = Screen::new(Fake::talking());
    for words in ["online", "offline", "last seen", "members", "unread", "read by", "admin"] {
        assert!(!screen.sees(words), "{words}");
    }
}

#[test]
fn every_screen_fits_a_small_window_and_a_dark_one() {
    for size in [vec2(1280.0, 820.0), vec2(640.0, 410.0), vec2(512.0, 288.0)] {
        for fake in [Fake::empty(), Fake::locked(), Fake::alone(), Fake::talking()] {
            let screen = Screen::with(fake, size, Theme::Dark);
            for (name, place) in screen.places() {
                let within = place.left() >= -0.5 && place.right() <= size.x + 0.5;
                assert!(within, "{name} is at {place:?} in {size:?}");
            }
        }
    }
}
