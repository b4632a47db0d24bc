//! Links in what was said: marked and copied, never opened and never looked at.

use core::ops::Range;

/// Where links are in a text, in bytes, in order.
///
/// What ends a sentence ends the link too. The text may be anything.
pub(super) fn links_in(text: &str) -> Vec<Range<usize>> {
    let mut links = Vec::new();
    let mut from = 0;
    while let Some(rest) = text.get(from..) {
        let starts = ["https://", "http://"].iter().filter_map(|scheme| rest.find(scheme));
        let Some(start) = starts.min() else { break };
        let begin = from.saturating_add(start);
        let tail = text.get(begin..).unwrap_or_default();
        let len = tail.find(|c: char| c.is_whitespace() || c.is_control()).unwrap_or(tail.len());
        let link = tail.get(..len).unwrap_or_default();
        let bare = link.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '"', '\'', '>']);
        let end = begin.saturating_add(bare.len());
        if !bare.ends_with("//") {
            links.push(begin..end);
        }
        from = begin.saturating_add(len.max(1));
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        links_in(text).into_iter().filter_map(|link| text.get(link)).collect()
    }

    #[test]
    fn a_link_ends_where_its_sentence_does() {
        assert_eq!(found("none here, not even www.example.org"), [""; 0]);
        assert_eq!(found("see https://a.example/b?c=d."), ["https://a.example/b?c=d"]);
        let two = "(http://a.example), then\nhttps://b.example/x!";
        assert_eq!(found(two), ["http://a.example", "https://b.example/x"]);
        assert_eq!(found("https:// is none; grüße https://ä.example/ö ü"), ["https://ä.example/ö"]);
    }
}
