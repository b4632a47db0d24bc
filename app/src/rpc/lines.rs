//! Lines of standard input, bounded: a line that is too long is skipped to its end.

use std::io::BufRead;

/// A request line, at most.
const LINE_MAX: usize = 2 * 1024 * 1024;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its end.
    Whole(Vec<u8>),
    /// Over 2 MiB; it was skipped.
    TooLong,
}

/// The lines of an input, until it ends or cannot be read.
pub(super) struct Lines<R>(R);

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(input: R) -> Self {
        Self(input)
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let mut line = Vec::new();
        let mut is_too_long = false;
        loop {
            let bytes = self.0.fill_buf().ok()?;
            if bytes.is_empty() {
                return (!line.is_empty() && !is_too_long).then_some(Line::Whole(line));
            }
            let (piece, used, ends) = match bytes.iter().position(|byte| *byte == b'\n') {
                Some(at) => (bytes.get(..at).unwrap_or_default(), at + 1, true),
                None => (bytes, bytes.len(), false),
            };
            is_too_long |= line.len() + piece.len() > LINE_MAX;
            if is_too_long {
                line = Vec::new();
            } else {
                line.extend_from_slice(piece);
            }
            self.0.consume(used);
            if ends {
                return Some(if is_too_long { Line::TooLong } else { Line::Whole(line) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_the_next_is_read() {
        let mut input = b"one\n".to_vec();
        input.extend(vec![b'x'; LINE_MAX + 1]);
        input.extend(b"\n\ntwo");
        let lines: Vec<_> = Lines::new(&input[..]).collect();
        let whole = |bytes: &[u8]| Line::Whole(bytes.to_vec());
        assert_eq!(lines, [whole(b"one"), Line::TooLong, whole(b""), whole(b"two")]);
    }
}
