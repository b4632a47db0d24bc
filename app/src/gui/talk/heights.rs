//! Rows and how high they are. Where a row begins is asked in every frame, with a hundred thousand of them:
//! sums are kept for blocks of rows.

use super::rows::{Key, Row};

/// Rows of one block.
const BLOCK: usize = 256;

/// The rows of a timeline, in order.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: Vec<Row>,
    /// How high each block is. Wider than a row's height: ten million points and more come together.
    blocks: Vec<f64>,
}

impl Rows {
    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// All, in order.
    pub(super) fn all(&self) -> &[Row] {
        &self.rows
    }

    /// The nth.
    pub(super) fn get(&self, nth: usize) -> Option<&Row> {
        self.rows.get(nth)
    }

    /// Where this row is now; it is looked for at `hint` first.
    pub(super) fn find(&self, key: Key, hint: usize) -> Option<usize> {
        match self.rows.get(hint) {
            Some(row) if row.key == key => Some(hint),
            Some(_) | None => self.rows.iter().position(|row| row.key == key),
        }
    }

    /// Notes how high a row is.
    pub(super) fn set_height(&mut self, nth: usize, height: f32) {
        if let (Some(row), Some(block)) = (self.rows.get_mut(nth), self.blocks.get_mut(nth / BLOCK))
        {
            *block += f64::from(height) - f64::from(row.height);
            row.height = height;
        }
    }

    /// How high everything above the nth row is.
    pub(super) fn above(&self, nth: usize) -> f32 {
        let block = nth / BLOCK;
        let whole: f64 = self.blocks.iter().take(block).sum();
        let within = self.rows.iter().take(nth).skip(block * BLOCK);
        narrow(whole + within.map(|row| f64::from(row.height)).sum::<f64>())
    }

    /// How high all are.
    pub(super) fn total(&self) -> f32 {
        narrow(self.blocks.iter().sum())
    }

    /// The row that is so far from the beginning, and where it begins.
    pub(super) fn at(&self, offset: f32) -> Option<(usize, f32)> {
        let (mut above, mut block) = (0.0, 0);
        while let Some(height) =
            self.blocks.get(block).filter(|height| above + **height <= offset.into())
        {
            above += height;
            block += 1;
        }
        for (nth, row) in self.rows.iter().enumerate().skip(block * BLOCK) {
            if above + f64::from(row.height) > offset.into() {
                return Some((nth, narrow(above)));
            }
            above += f64::from(row.height);
        }
        None
    }

    /// Replaces all from the nth on.
    pub(super) fn replace_from(&mut self, nth: usize, rows: Vec<Row>) {
        self.rows.truncate(nth);
        self.rows.extend(rows);
        let first = nth / BLOCK;
        self.blocks.truncate(first);
        let changed = self.rows.chunks(BLOCK).skip(first);
        self.blocks
            .extend(changed.map(|rows| rows.iter().map(|row| f64::from(row.height)).sum::<f64>()));
    }
}

/// As egui counts: within one point up to sixteen million.
#[expect(clippy::cast_possible_truncation, reason = "points; a part of one is nobody's loss")]
const fn narrow(height: f64) -> f32 {
    height as f32
}

#[cfg(test)]
mod tests {
    use super::super::rows::Kind;
    use super::*;

    fn row(nth: usize, height: f32) -> Row {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(nth as u64).to_be_bytes());
        Row { key: Key::Message(id), kind: Kind::Message { nth, head: false }, height }
    }

    /// As it is asked for, the slow and obvious way.
    fn above(rows: &Rows, nth: usize) -> f32 {
        rows.all().iter().take(nth).map(|row| row.height).sum()
    }

    fn agrees(rows: &Rows) {
        for nth in [0, 1, 255, 256, 257, 511, 512, 700, rows.len()] {
            assert!((rows.above(nth) - above(rows, nth)).abs() < 0.5, "{nth}");
        }
        assert!((rows.total() - above(rows, rows.len())).abs() < 0.5);
        for nth in [0, 3, 256, 699].into_iter().filter(|nth| *nth < rows.len()) {
            let (found, top) = rows.at(above(rows, nth) + 1.0).unwrap();
            assert_eq!((found, (top - above(rows, nth)).abs() < 0.5), (nth, true));
        }
        assert_eq!(rows.at(rows.total() + 1.0), None);
    }

    #[test]
    fn sums_agree_with_the_rows_whatever_changes() {
        let mut rows = Rows::default();
        agrees(&rows);
        rows.replace_from(0, (0..1_000).map(|nth| row(nth, 20.0 + (nth % 7) as f32)).collect());
        agrees(&rows);
        for nth in [0, 255, 256, 700, 999] {
            rows.set_height(nth, 90.0);
        }
        rows.set_height(5_000, 90.0);
        agrees(&rows);
        for from in [999, 600, 256, 255, 0] {
            rows.replace_from(from, (from..from + 400).map(|nth| row(nth, 33.0)).collect());
            assert_eq!(rows.len(), from + 400);
            agrees(&rows);
        }
    }

    #[test]
    fn a_row_is_found_also_where_it_was_not_expected() {
        let mut rows = Rows::default();
        rows.replace_from(0, (0..50).map(|nth| row(nth, 1.0)).collect());
        let key = row(30, 0.0).key;
        assert_eq!([30, 7, 99].map(|hint| rows.find(key, hint)), [Some(30); 3]);
        assert_eq!(rows.find(row(60, 0.0).key, 3), None);
    }
}
