//! What the timeline is made of: days, messages, and where something new begins.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use eframe::egui::{Galley, Stroke, TextFormat, Ui, text::LayoutJob};
use jiff::civil::Date;
use proto::MemberId;
use room::{Coming, How};

use crate::{
    backend::{MessageId, MessageView},
    gui::{
        model::{Model, Talk},
        theme::{self, Palette},
        widgets::{format, format_lines, one_line, wrapped},
        words::plain_name,
    },
};

use super::{
    leaving::{ink_of, quote_of},
    links::links_in,
};

/// Room for a person's pattern, left of what they say.
pub(super) const GUTTER: f32 = 50.0;

/// Room right of words, so that the button of their menu covers none.
const HAND: f32 = 22.0;

/// From the top of a first message to its words: some air, then the line with the name.
pub(super) const HEAD: f32 = 34.0;

/// A silence after which the name is said again, in milliseconds.
const PAUSE_MS: u64 = 15 * 60 * 1000;

/// What stands where a kind of message is not known.
const UNKNOWN: &str = "This needs a newer Kith";

/// What stands where words were taken back.
const GONE: &str = "These words were taken back";

/// What stands below a message whose words were others before.
const EDITED: &str = "Edited";

/// What stands below messages that cannot both be next: a copied profile, or something worse.
const FORKED: &str = "Their device said two things at once";

/// That, below one's own.
const FORKED_MINE: &str = "Your device said two things at once";

/// So long it is said that one may say hello to someone who came, in milliseconds.
const HELLO_MS: u64 = 24 * 3600 * 1000;

/// Line height of what is said below a message.
const LINE_NOTE: f32 = 18.0;

/// Room below that, so that it belongs to the message above it and not to the next.
const BELOW_NOTE: f32 = 10.0;

/// Room above it, below what stands in place of words.
const ABOVE_NOTE: f32 = 4.0;

/// A row, whatever else is loaded around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Above everything.
    Beginning,
    /// A day begins.
    Day(Date),
    /// A day begins that had begun before, with this message.
    DayAgain(MessageId),
    /// The same, with someone's coming or going.
    DayOf(MemberId, How),
    /// Something new begins.
    New,
    /// Someone came or left.
    Coming(MemberId, How),
    /// A message.
    Message(MessageId),
}

/// What a row shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing older can be seen here.
    Beginning,
    /// The day of this moment.
    Day(u64),
    /// What follows is new.
    New,
    /// The nth of those who came or left.
    Coming { nth: usize },
    /// The nth message; with its author's name when `head`.
    Message { nth: usize, head: bool },
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Which it is.
    pub(super) key: Key,
    /// What it shows.
    pub(super) kind: Kind,
    /// How high it is: a guess until it was laid out.
    pub(super) height: f32,
}

/// The rows of what is loaded, from the message `from` on; `kept` are those above it. Heights that are known
/// already are kept.
pub(super) fn rows_of(
    model: &Model,
    talk: &Talk,
    (kept, before): (&[Row], &[Row]),
    (from, width): (usize, f32),
) -> Vec<Row> {
    let known: HashMap<Key, f32> = before.iter().map(|row| (row.key, row.height)).collect();
    let mut rows: Vec<Row> = Vec::with_capacity(talk.messages.len().saturating_sub(from) + 8);
    let mut add = |key: Key, kind: Kind, guess: f32| {
        let height = known.get(&key).copied().unwrap_or(guess);
        rows.push(Row { key, kind, height });
    };
    if from == 0 && talk.arrived && !talk.more {
        add(Key::Beginning, Kind::Beginning, 52.0);
    }
    let mut next = first_coming(model, talk, kept);
    let day_of = |row: &Row| if let Key::Day(day) = row.key { Some(day) } else { None };
    let mut days: BTreeSet<Date> = kept.iter().filter_map(day_of).collect();
    let mut above = from.checked_sub(1).and_then(|above| talk.messages.get(above));
    let mut day_above = above.map(|message| model.clock.day(message.sent_at_ms));
    // Clocks differ, so a day may come twice: what is first on it tells which.
    let mut day_begins = |ms: u64, again: Key, add: &mut dyn FnMut(Key, Kind, f32)| {
        let day = model.clock.day(ms);
        let begins = day_above.replace(day) != Some(day);
        if begins {
            add(if days.insert(day) { Key::Day(day) } else { again }, Kind::Day(ms), 52.0);
        }
        begins
    };
    for nth in from..=talk.messages.len() {
        let message = talk.messages.get(nth);
        let mut head = above.is_none_or(|above| message.is_none_or(|below| begins(above, below)));
        let is_new = above.is_some_and(|above| Some(above.id) == talk.new_after);
        let mut new = is_new && message.is_some();
        let heard = message.map_or(usize::MAX, |message| message.heard);
        while let Some(coming) = talk.comings.get(next).filter(|_| next < heard) {
            // By whose clock it was is not known: it is never said to be before what was known to be earlier.
            let at_ms = above.map_or(0, |above| above.sent_at_ms).max(coming.at_ms);
            day_begins(at_ms, Key::DayOf(coming.member, coming.how), &mut add);
            if core::mem::take(&mut new) {
                add(Key::New, Kind::New, 36.0);
            }
            add(Key::Coming(coming.member, coming.how), Kind::Coming { nth: next }, 36.0);
            next = next.saturating_add(1);
            head = true;
        }
        let Some(message) = message else { break };
        head |= is_new | day_begins(message.sent_at_ms, Key::DayAgain(message.id), &mut add);
        if new {
            add(Key::New, Kind::New, 36.0);
        }
        let guess = guess(message, head, width);
        add(Key::Message(message.id), Kind::Message { nth, head }, guess);
        above = Some(message);
    }
    rows
}

/// The first of those who came or left that stands below these rows. What the oldest message knows of stands
/// above it: nowhere, while older ones are not loaded, and when words of then have faded.
fn first_coming(model: &Model, talk: &Talk, kept: &[Row]) -> usize {
    if talk.comings.is_empty() {
        return 0;
    }
    let told = kept.iter().rev().find_map(|row| match row.kind {
        Kind::Coming { nth } => nth.checked_add(1),
        Kind::Beginning | Kind::Day(_) | Kind::New | Kind::Message { .. } => None,
    });
    let known = talk.messages.first().map_or(usize::MAX, |oldest| oldest.heard);
    let stay_ms = model.open_group().map_or(0, |group| u64::from(group.words_stay_secs) * 1000);
    let is_faded = |coming: &Coming| {
        stay_ms > 0 && coming.at_ms.saturating_add(stay_ms) <= model.clock.now_ms()
    };
    let is_whole = talk.arrived && !talk.more;
    let above = talk.comings.iter().take(known).take_while(|coming| !is_whole || is_faded(coming));
    told.unwrap_or(0).max(above.count())
}

/// That someone came or left: their name, and the rest.
fn coming_says(coming: &Coming, now_ms: u64) -> (&str, &'static str) {
    let name = coming.name.as_str();
    match (coming.how, name.is_empty()) {
        (How::Passed, _) => ("", "Someone new came and went."),
        (How::Left, true) => ("", "Someone has left."),
        (How::Left, false) => (name, " has left."),
        (How::Came, true) => ("", "Someone has joined. Their name has not arrived yet."),
        (How::Came, false) if now_ms < coming.at_ms.saturating_add(HELLO_MS) => {
            (name, " has joined. Say hello if you like.")
        }
        (How::Came, false) => (name, " has joined."),
    }
}

/// Whether a message is set off from the one above it.
fn begins(above: &MessageView, message: &MessageView) -> bool {
    above.author != message.author
        || above.pseudonym != message.pseudonym
        || message.sent_at_ms.abs_diff(above.sent_at_ms) > PAUSE_MS
}

/// About how high a message is, without laying it out.
fn guess(message: &MessageView, head: bool, width: f32) -> f32 {
    let letters = ((width - GUTTER - HAND) / 7.4).max(10.0);
    let lines: f32 =
        message.text.split('\n').map(|line| (line.len() as f32 / letters).ceil().max(1.0)).sum();
    lines * theme::LINE_BODY + if head { HEAD + 4.0 } else { 6.0 }
}

/// A row that can be painted.
pub(super) struct Laid {
    /// How high it is.
    pub(super) height: f32,
    /// What it says; for a message, its words.
    pub(super) text: Arc<Galley>,
    /// What is said below a message, and how far below its words.
    pub(super) note: Option<(Arc<Galley>, f32)>,
    /// What a message answers: who said it, what, and which it is.
    pub(super) quote: Option<(Arc<Galley>, Arc<Galley>, MessageId)>,
    /// Only the beginning of a long message is shown.
    pub(super) is_folded: bool,
}

/// Height of the line that a message answers.
pub(super) const QUOTE: f32 = 24.0;

/// Height of the words that unfold a long message.
pub(super) const MORE: f32 = 28.0;

/// A message of more lines is folded, and so many are left of it.
const FOLD: (usize, usize) = (18, 10);

/// What stands for a message, and whether its author said it so.
pub(super) fn words_of(message: &MessageView) -> (&str, bool) {
    match (message.gone, message.known) {
        (true, _) => (GONE, false),
        (false, false) => (UNKNOWN, false),
        (false, true) => (&message.text, true),
    }
}

/// Whether it is one's own.
pub(super) fn is_mine(talk: &Talk, message: &MessageView) -> bool {
    talk.members.iter().any(|member| member.me && member.member == message.author)
}

/// How many messages wait, up to the nth; none when the next waits too: then it is said there, once.
fn waiting_at(messages: &[MessageView], nth: usize) -> usize {
    let next = nth.saturating_add(1);
    if messages.get(next).is_some_and(|message| message.waiting) {
        return 0;
    }
    messages.iter().take(next).rev().take_while(|message| message.waiting).count()
}

/// What is to be said below a message, a line each.
fn notes_of(message: &MessageView, mine: bool, waiting: usize) -> Vec<String> {
    let forked = if mine { FORKED_MINE } else { FORKED };
    let marks = [(message.edited, EDITED), (message.forked, forked)];
    let mut notes: Vec<String> =
        marks.iter().filter(|(is_so, _)| *is_so).map(|(_, says)| (*says).to_owned()).collect();
    for (left, verb) in [(true, "left"), (false, "came")] {
        let who = message.unheard.iter().filter(|unheard| unheard.left == left);
        let who: Vec<&str> = who.map(|unheard| unheard.pseudonym.as_str()).collect();
        notes.extend(listed(&who).map(|who| format!("Written before {who} {verb}")));
    }
    notes.extend(match waiting {
        0 => None,
        1 => Some("Will be sent when someone can be reached".to_owned()),
        n => Some(format!("The last {n} will be sent when someone can be reached")),
    });
    notes
}

/// What stands above everything.
fn beginning(is_empty: bool, words_stay_secs: u32) -> String {
    let first = if is_empty {
        "There is nothing to read here at the moment. There is no hurry."
    } else {
        "Nothing older can be read here."
    };
    match words_stay_secs.div_ceil(24 * 3600) {
        0 => first.to_owned(),
        1 => format!("{first} Words fade after a day."),
        days => format!("{first} Words fade after {days} days."),
    }
}

/// `Alder, Birch and Wren`, on one line whatever the names are.
fn listed(names: &[&str]) -> Option<String> {
    let (mut all, mut nameless): (Vec<String>, usize) = (Vec::new(), 0);
    for name in names.iter().map(|name| plain_name(name)) {
        if name.is_empty() {
            nameless = nameless.saturating_add(1);
        } else {
            all.push(name);
        }
    }
    match nameless {
        0 => {}
        1 => all.push("someone whose name has not arrived".to_owned()),
        n => all.push(format!("{n} people whose names have not arrived")),
    }
    let last = all.pop()?;
    Some(if all.is_empty() { last } else { format!("{} and {last}", all.join(", ")) })
}

/// Lays a row out. The same words at the same width come from a cache of the typesetter's.
pub(super) fn lay_out(
    ui: &Ui,
    (model, talk): (&Model, &Talk),
    row: &Row,
    width: f32,
    is_unfolded: bool,
) -> Laid {
    let palette = Palette::of(ui.ctx());
    let small = format(theme::SIZE_SMALL, 600.0, palette.muted);
    let plain = |text: &str, height: f32| Laid {
        height,
        text: wrapped(ui, text, small.clone(), width),
        note: None,
        quote: None,
        is_folded: false,
    };
    let (nth, head) = match row.kind {
        Kind::Beginning => {
            let stay = model.open_group().map_or(0, |group| group.words_stay_secs);
            let says = beginning(talk.messages.is_empty(), stay);
            let form = format(theme::SIZE_SMALL, 400.0, palette.muted);
            let text = wrapped(ui, &says, form, width);
            let height = text.size().y + 36.0;
            return Laid { height, text, note: None, quote: None, is_folded: false };
        }
        Kind::Day(ms) => return plain(&model.clock.day_name(ms), 52.0),
        Kind::New => {
            let text = wrapped(ui, "New", format(theme::SIZE_SMALL, 620.0, palette.accent), width);
            return Laid { height: 36.0, text, note: None, quote: None, is_folded: false };
        }
        Kind::Coming { nth } => {
            let says =
                talk.comings.get(nth).map(|coming| coming_says(coming, model.clock.now_ms()));
            let (name, rest) = says.unwrap_or_default();
            // Heavier: else a name could say something in the window's own voice.
            let mut job = LayoutJob::default();
            job.append(name, 0.0, format(theme::SIZE_PREVIEW, 560.0, palette.text));
            job.append(rest, 0.0, format(theme::SIZE_PREVIEW, 400.0, palette.muted));
            job.wrap.max_width = width;
            let text = ui.painter().layout_job(job);
            let height = (text.size().y + 20.0).round();
            return Laid { height, text, note: None, quote: None, is_folded: false };
        }
        Kind::Message { nth, head } => (nth, head),
    };
    let Some(message) = talk.messages.get(nth) else { return plain("", 0.0) };
    lay_out_message(ui, talk, (message, nth, head), width - GUTTER - HAND, is_unfolded)
}

fn lay_out_message(
    ui: &Ui,
    talk: &Talk,
    (message, nth, head): (&MessageView, usize, bool),
    room: f32,
    is_unfolded: bool,
) -> Laid {
    let palette = Palette::of(ui.ctx());
    let (says, said) = words_of(message);
    let form = if said {
        format(theme::SIZE_BODY, palette.body_weight(), palette.text)
    } else {
        format(theme::SIZE_PREVIEW, 400.0, palette.muted)
    };
    let form = format_lines(form, theme::LINE_BODY);
    let (most, left) = FOLD;
    let mut text = linked(ui, says, &form, (room, usize::MAX));
    let is_folded = said && !is_unfolded && text.rows.len() > most;
    if is_folded {
        text = linked(ui, says, &form, (room, left));
    }
    let quote = message.reply_to.filter(|_| said).map(|id| {
        let (who, what) = quote_of(talk, &id);
        let author = talk.messages.iter().find(|message| message.id == id);
        let ink = author.map_or(palette.muted, |author| ink_of(palette, author));
        let who = one_line(ui, &who, format(theme::SIZE_PREVIEW, 600.0, ink), room * 0.5);
        let form = format(theme::SIZE_PREVIEW, 400.0, palette.muted);
        let what = one_line(ui, &what, form, (room - who.size().x - 32.0).max(0.0));
        (who, what, id)
    });
    let notes = notes_of(message, is_mine(talk, message), waiting_at(&talk.messages, nth));
    let note = (!notes.is_empty()).then(|| {
        let form = format(theme::SIZE_SMALL, 400.0, palette.muted);
        let gap = if said { 0.0 } else { ABOVE_NOTE };
        (wrapped(ui, &notes.join("\n"), format_lines(form, LINE_NOTE), room), gap)
    });
    let above = if head { HEAD } else { 2.0 } + if quote.is_some() { QUOTE } else { 0.0 };
    let more = if is_folded { MORE } else { 0.0 };
    let below = note.as_ref().map_or(4.0, |(note, gap)| gap + note.size().y + BELOW_NOTE);
    let height = (above + text.size().y + more + below).round();
    Laid { height, text, note, quote, is_folded }
}

/// Words in which links are marked, on so many lines at most.
fn linked(ui: &Ui, text: &str, form: &TextFormat, (width, rows): (f32, usize)) -> Arc<Galley> {
    let accent = Palette::of(ui.ctx()).accent;
    let mut link = form.clone();
    link.color = accent;
    link.underline = Stroke::new(1.0, accent.gamma_multiply(0.6));
    let mut job = LayoutJob::default();
    let mut from = 0;
    for place in links_in(text) {
        job.append(text.get(from..place.start).unwrap_or_default(), 0.0, form.clone());
        from = place.end;
        job.append(text.get(place).unwrap_or_default(), 0.0, link.clone());
    }
    job.append(text.get(from..).unwrap_or_default(), 0.0, form.clone());
    job.wrap.max_width = width;
    job.wrap.max_rows = rows;
    ui.painter().layout_job(job)
}

#[cfg(test)]
mod tests {
    use proto::MemberId;

    use super::*;
    use crate::backend::Page;
    use crate::backend::Unheard;

    fn plain() -> MessageView {
        MessageView {
            id: [1; 32],
            author: MemberId([2; 32]),
            pseudonym: "Wren".to_owned(),
            text: "hello".to_owned(),
            sent_at_ms: 0,
            reply_to: None,
            known: true,
            edited: false,
            gone: false,
            faded: false,
            forked: false,
            unheard: Vec::new(),
            heard: 0,
            waiting: false,
        }
    }

    #[test]
    fn what_has_faded_leaves_no_row_and_above_all_stands_how_long_words_stay() {
        let faded = |nth: u8| MessageView { id: [nth; 32], faded: true, gone: true, ..plain() };
        let messages = vec![faded(1), faded(2), plain()];
        let page = Page { messages: messages.clone(), more: true }.without_faded();
        assert_eq!((page.messages, page.more), (vec![plain()], false));
        let page = Page { messages: vec![plain(), faded(3)], more: true }.without_faded();
        assert_eq!((page.messages.len(), page.more), (1, true), "older ones may be here");
        assert!(beginning(false, 30 * 24 * 3600).ends_with(" Words fade after 30 days."));
        assert!(beginning(true, 0).ends_with(" There is no hurry."));
    }

    #[test]
    fn what_became_of_a_message_is_said_below_it_or_in_its_place() {
        let plain = plain();
        let notes = |message: &MessageView| notes_of(message, false, 0);
        assert_eq!((words_of(&plain), notes(&plain).len()), (("hello", true), 0));
        let marked = MessageView { edited: true, forked: true, ..plain.clone() };
        assert_eq!(words_of(&marked), ("hello", true));
        assert_eq!(notes(&marked), [EDITED, FORKED]);
        assert_eq!(notes_of(&marked, true, 0), [EDITED, FORKED_MINE]);
        let unheard = |pseudonym: &str, left| Unheard { pseudonym: pseudonym.to_owned(), left };
        let unheard = vec![unheard("Alder", true), unheard("", false)];
        let late = MessageView { unheard, ..plain.clone() };
        let came = "Written before someone whose name has not arrived came";
        assert_eq!(notes(&late), ["Written before Alder left", came]);
        let gone = MessageView { text: String::new(), gone: true, ..plain };
        assert_eq!(words_of(&gone), (GONE, false));
    }

    #[test]
    fn of_who_only_looked_no_name_is_said() {
        let says = |name: &str, how, hours: u64| {
            let coming = Coming { member: MemberId([9; 32]), name: name.to_owned(), at_ms: 5, how };
            let (name, rest) = coming_says(&coming, 5 + hours * 3_600_000);
            format!("{name}{rest}")
        };
        assert_eq!(says("Alder", How::Came, 23), "Alder has joined. Say hello if you like.");
        assert_eq!(says("Alder", How::Came, 24), "Alder has joined.");
        assert_eq!(says("", How::Came, 0), "Someone has joined. Their name has not arrived yet.");
        assert_eq!(says("Alder", How::Left, 0), "Alder has left.");
        assert_eq!(says("", How::Left, 0), "Someone has left.");
        assert_eq!(says("Alder", How::Passed, 0), "Someone new came and went.");
    }

    #[test]
    fn several_people_share_a_line_and_no_name_makes_another() {
        assert_eq!(listed(&[]), None);
        assert_eq!(listed(&["Alder", "Birch\nEdited"]).as_deref(), Some("Alder and Birch Edited"));
        let three = listed(&["", "Alder", " ", "Wren"]);
        let says = "Alder, Wren and 2 people whose names have not arrived";
        assert_eq!(three.as_deref(), Some(says));
    }

    #[test]
    fn that_messages_wait_is_said_once_below_the_last_of_them() {
        let sent = plain();
        let waits = MessageView { waiting: true, ..plain() };
        let messages = [sent.clone(), waits.clone(), waits.clone(), waits.clone()];
        let counts: Vec<usize> = (0..4).map(|nth| waiting_at(&messages, nth)).collect();
        assert_eq!(counts, [0, 0, 0, 3]);
        assert_eq!(waiting_at(&messages[..2], 1), 1);
        let one = notes_of(&waits, true, 1);
        assert_eq!(one, ["Will be sent when someone can be reached"]);
        let three = notes_of(&waits, true, 3);
        assert_eq!(three, ["The last 3 will be sent when someone can be reached"]);
    }
}
