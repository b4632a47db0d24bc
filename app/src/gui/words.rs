//! Longer texts of the window.

/// What a group may start from; every line can be kept, changed or dropped.
pub(crate) const STARTER_AGREEMENT: &str = "\
We are equal. No one is in charge.
We listen first. We ask before we give ideas. We speak from our own lives.
It is fine to pass, to be quiet, or to take a break.
Who is here and what is said here stays here.
No copies or sharing without a clear yes.
We are peers. This is not an emergency service.
If we are worried about someone, we tell them first and ask what would help.
You can take your words back or leave at any time.
Anyone can suggest a change.";

/// Most letters of a group's name, and of a name in it.
pub(crate) const NAME_LEN_MAX: usize = 60;
/// Most letters of why a group meets.
pub(crate) const REASON_LEN_MAX: usize = 200;
/// Most letters of an agreement: its 350 words, with room.
pub(crate) const AGREEMENT_LEN_MAX: usize = 2400;
/// Most letters of a passphrase.
pub(crate) const PASSPHRASE_LEN_MAX: usize = 256;
/// Most letters of an invitation's link.
pub(crate) const LINK_LEN_MAX: usize = 4096;
/// Most letters of a message: 64 KiB of the longest letters.
pub(crate) const MESSAGE_LEN_MAX: usize = 16_000;

/// Stands for a name that has not arrived.
pub(crate) const NAMELESS: &str = "Someone whose name has not arrived";

/// The name to show for someone.
pub(crate) fn name_or_nameless(pseudonym: &str) -> &str {
    if pseudonym.trim().is_empty() { NAMELESS } else { pseudonym }
}

/// A name as it is shown: on one line, without letters that nobody sees or that turn others around.
pub(crate) fn plain_name(name: &str) -> String {
    let is_odd = |letter: char| {
        matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}')
            || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let plain = name.replace(char::is_control, " ").replace(is_odd, "");
    // These two join letters, and are nothing alone.
    let is_seen =
        |letter: char| !letter.is_whitespace() && !matches!(letter, '\u{200c}' | '\u{200d}');
    if plain.contains(is_seen) { plain.trim().to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_no_more_than_one_sees() {
        assert_eq!(plain_name(" Alder\nBirch "), "Alder Birch");
        assert_eq!(plain_name("\u{202e}redlA\u{2066}"), "redlA");
        assert_eq!(plain_name("\u{200b}\u{200d} \u{feff}"), "");
        assert_eq!(plain_name("👩\u{200d}🌾 Ñandú"), "👩\u{200d}🌾 Ñandú");
    }
}
