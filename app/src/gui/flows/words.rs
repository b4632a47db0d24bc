//! What becomes of words: written, called back, sent, answered, changed, taken back.

use eframe::egui::{Key, Modifiers};

use room::{Coming, How};

use crate::backend::{Drafts, Leaving, MessageView, Trouble};
use crate::gui::testing::{ALDER, Fake, ME, NOW_MS, Screen, message};

fn said(screen: &Screen) -> Vec<String> {
    screen.fake.asked().into_iter().filter(|asked| asked.starts_with("say")).collect()
}

#[test]
fn enter_sends_and_shift_enter_begins_a_line() {
    let mut screen = Screen::new(Fake::talking());
    screen.write("Message", "First");
    screen.keys(Modifiers::SHIFT, Key::Enter);
    screen.write("Message", "second");
    assert_eq!(screen.written("Message"), "First\nsecond");
    screen.key(Key::Enter);
    assert_eq!(screen.written("Message"), "");
    assert!(screen.sees("Leaves soon: First\nsecond"));
    assert!(said(&screen).is_empty(), "it has not left");
    screen.pass_secs(9);
    assert!(said(&screen).is_empty(), "it still has not left");
    screen.pass_secs(1);
    assert_eq!(said(&screen), ["say First\nsecond"]);
    assert!(!screen.sees("Leaves soon"));
    assert_eq!(screen.fake.state().drafts, Drafts::default());
}

#[test]
fn what_was_sent_can_be_called_back_for_ten_seconds_and_nobody_hears_of_it() {
    let mut screen = Screen::new(Fake::talking());
    screen.write("Message", "Not like this");
    screen.key(Key::Enter);
    assert_eq!(screen.fake.state().drafts.leaving.len(), 1, "it is kept while it waits");
    screen.press("Undo");
    assert_eq!(screen.written("Message"), "Not like this");
    screen.pass_secs(60);
    assert!(said(&screen).is_empty());
    let kept = screen.fake.state().drafts.clone();
    assert_eq!((kept.text.as_str(), kept.leaving.len()), ("Not like this", 0));
}

#[test]
fn several_words_leave_in_their_order_each_in_its_time() {
    let mut screen = Screen::new(Fake::talking());
    screen.write("Message", "One");
    screen.key(Key::Enter);
    screen.pass_secs(4);
    screen.write("Message", "two");
    screen.key(Key::Enter);
    assert!(screen.sees("Leaves soon, with those before it: two"));
    screen.pass_secs(6);
    assert_eq!(said(&screen), ["say One"]);
    screen.pass_secs(4);
    assert_eq!(said(&screen), ["say One", "say two"]);
}

#[test]
fn a_draft_is_kept_a_second_after_the_last_letter_and_is_there_again() {
    let mut screen = Screen::new(Fake::talking());
    screen.write("Message", "I wanted to sa");
    assert_eq!(screen.fake.state().drafts, Drafts::default());
    screen.pass_secs(2);
    assert_eq!(screen.fake.state().drafts.text, "I wanted to sa");
    let mut screen = screen.restarted();
    assert_eq!(screen.written("Message"), "I wanted to sa");
    screen.write("Message", "y");
    screen.press("Lock");
    assert_eq!(screen.fake.state().drafts.text, "I wanted to say", "kept before it is locked");
    screen.write("Passphrase", "three old trees");
    screen.key(Key::Enter);
    assert_eq!(screen.written("Message"), "I wanted to say");
}

#[test]
fn a_draft_that_could_not_be_kept_is_kept_once_there_is_room() {
    let mut screen = Screen::new(Fake::talking());
    screen.fake.state().is_full = true;
    screen.write("Message", "I wanted to say");
    screen.pass_secs(2);
    assert!(screen.sees("There is no room left."));
    screen.fake.state().is_full = false;
    screen.pass_secs(11);
    assert_eq!(screen.fake.state().drafts.text, "I wanted to say");
}

#[test]
fn what_was_leaving_when_the_program_ended_leaves_once_after_the_next_start() {
    let leaving =
        |text: &str, due_ms| Leaving { text: text.to_owned(), reply_to: None, edit: None, due_ms };
    let fake = Fake::talking();
    fake.state().drafts.leaving =
        vec![leaving("said before the end", NOW_MS - 9_000), leaving("not yet", NOW_MS - 5_000)];
    let was_said =
        MessageView { sent_at_ms: NOW_MS - 8_900, ..message(50, ME, "said before the end", 0) };
    fake.state().messages.push(was_said);
    let mut screen = Screen::new(fake);
    screen.settle();
    assert_eq!(said(&screen), ["say not yet"]);
    assert_eq!(screen.fake.state().drafts, Drafts::default());
    assert_eq!(screen.restarted().fake.asked().len(), 1, "and not at the start after that");
}

#[test]
fn words_that_could_not_be_sent_stand_in_the_field_again() {
    let mut screen = Screen::new(Fake::talking());
    screen.write("Message", "Hello");
    screen.key(Key::Enter);
    screen.write("Message", "more");
    screen.fake.state().trouble = Some(Trouble::new("disk_full", "There is no room left."));
    screen.pass_secs(10);
    assert!(screen.sees("There is no room left."));
    assert_eq!(screen.written("Message"), "Hello\nmore");
    screen.press("Close this notice");
    assert!(!screen.sees("There is no room left."));
}

#[test]
fn a_message_is_answered_and_the_answer_leads_back_to_it() {
    let mut screen = Screen::new(Fake::talking());
    screen.press_second("Hello. I am not sure");
    screen.press("Answer");
    assert!(screen.sees("Answering Alder") && screen.is_at("Message"));
    screen.write("Message", "I know that");
    screen.key(Key::Enter);
    screen.pass_secs(10);
    assert_eq!(said(&screen), ["say I know that as an answer"]);
    screen.press("Answers Alder: Hello. I am not sure what to say yet.");
    assert!(screen.sees("Alder, 09:42: Hello."));
}

#[test]
fn escape_answers_nobody_and_leaves_the_words() {
    let mut screen = Screen::new(Fake::talking());
    screen.press_second("Hello. I am not sure");
    screen.press("Answer");
    screen.write("Message", "Well");
    screen.key(Key::Escape);
    assert!(!screen.sees("Answering Alder"));
    assert_eq!(screen.written("Message"), "Well");
}

#[test]
fn a_message_of_ones_own_is_changed_and_the_draft_comes_back() {
    let mut screen = Screen::new(Fake::talking());
    screen.write("Message", "half a thought");
    screen.press_second("You do not have to say");
    screen.press("Change");
    assert_eq!(screen.written("Message"), "You do not have to say anything.");
    screen.write("Message", " Really.");
    screen.key(Key::Enter);
    assert_eq!(screen.written("Message"), "half a thought");
    screen.pass_secs(10);
    assert_eq!(screen.fake.asked(), ["edit to You do not have to say anything. Really."]);
    assert!(screen.sees("You, 09:33: You do not have to say anything. Really."));
}

#[test]
fn words_are_taken_back_after_it_is_said_what_that_means() {
    let mut screen = Screen::new(Fake::talking());
    screen.press_second("You do not have to say");
    screen.press("Take back");
    assert!(screen.sees("Someone may have read or copied them before."));
    screen.press("Let them stand");
    assert!(screen.fake.asked().is_empty());
    screen.press_second("You do not have to say");
    screen.press("Take back");
    screen.press("Take back");
    assert_eq!(screen.fake.asked(), ["take back"]);
    assert!(screen.sees("These words were taken back"));
}

#[test]
fn where_a_message_is_is_said_when_one_asks_and_not_before() {
    let mut screen = Screen::new(Fake::talking());
    assert!(screen.fake.asked().is_empty());
    screen.press_second("You do not have to say");
    screen.press("Where is it?");
    assert!(screen.sees("1 of the 2 others said that these words are on their devices."));
    screen.press("Done");
    assert!(!screen.sees("on their devices"));
}

#[test]
fn only_ones_own_words_can_be_changed() {
    let mut screen = Screen::new(Fake::talking());
    screen.press_second("Hello. I am not sure");
    assert!(screen.has("Copy text") && screen.has("Answer"));
    for item in ["Change", "Take back", "Where is it?", "Copy link"] {
        assert!(!screen.has(item), "{item}");
    }
}

#[test]
fn a_link_is_copied_and_never_opened() {
    let mut screen = Screen::new(Fake::talking());
    screen.press_second("Thank you.");
    let copied = screen.copied_by("Copy link");
    assert_eq!(copied.as_deref(), Some("https://example.org/tea"));
}

#[test]
fn the_keyboard_alone_reaches_a_message_and_its_menu() {
    let mut screen = Screen::new(Fake::talking());
    for _ in 0..12 {
        screen.key(Key::Tab);
        if screen.is_focused_log() {
            break;
        }
    }
    assert!(screen.is_focused_log());
    screen.key(Key::ArrowUp);
    screen.key(Key::ArrowUp);
    screen.key(Key::Enter);
    assert!(screen.has("Take back"), "the menu of the last but one, which is one's own");
    screen.key(Key::Tab);
    screen.key(Key::Enter);
    assert!(screen.sees("Answering You"));
}

#[test]
fn a_long_message_is_folded_until_one_reads_on() {
    let fake = Fake::talking();
    let long: String = (0..40).map(|nth| format!("line {nth}\n")).collect();
    fake.state().messages.push(message(9, ALDER, &long, 0));
    let mut screen = Screen::new(fake);
    screen.press("Read all that Alder said at 09:42");
    assert!(!screen.has("Read all that Alder said at 09:42"));
}

#[test]
fn words_that_were_being_written_and_cannot_be_read_back_are_not_lost_in_silence() {
    let fake = Fake::talking();
    fake.state().drafts_lost = true;
    let screen = Screen::new(fake);
    assert!(
        screen
            .sees("What you were writing could not be read back. The stored data cannot be used.")
    );
    assert_eq!(screen.written("Message"), "");
}

/// Alder had gone, and nothing in the talk said so.
#[test]
fn that_someone_came_or_left_is_said_among_the_words() {
    let fake = Fake::talking();
    let coming = |name: &str, minutes: u64, how| Coming {
        member: proto::MemberId([u8::try_from(minutes).unwrap(); 32]),
        name: name.to_owned(),
        at_ms: NOW_MS - minutes * 60_000,
        how,
    };
    let comings = [("Moss", 8, How::Came), ("", 5, How::Passed), ("Alder", 1, How::Left)];
    for (message, heard) in fake.state().messages.iter_mut().zip([0, 0, 2]) {
        message.heard = heard;
    }
    fake.state().comings = comings.map(|(name, minutes, how)| coming(name, minutes, how)).into();
    let mut screen = Screen::new(fake);
    let order = [
        "You do not have to say anything.",
        "Moss has joined. Say hello if you like.",
        "Someone new came and went.",
        "Thank you. Look at https://example.org/tea some time.",
        "Alder has left.",
    ];
    let tops: Vec<f32> = order.iter().map(|words| screen.top_of_words(words)).collect();
    assert!(tops.is_sorted(), "{tops:?}");
    // One more comes while one looks.
    screen.fake.state().comings.push(coming("Birch", 0, How::Came));
    screen.hint();
    assert!(screen.sees("Birch has joined. Say hello if you like."));
}
