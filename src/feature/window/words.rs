//! A window state as words, for checkpoints: the rows as they lie in the ring, and where the windows over them begin.
//!
//! In: a state. Out: a line of [`WindowShape::line_words`] words (how many rows; then, for each distinct extent, the
//! instant that it has passed and how many rows it is over), and rows of [`WindowShape::row_words`] words. Running
//! results are not written: they are integers or queues over those rows, and come out the same when they are made anew.

use super::running::Running;
use super::{Cursor, Ring, Window, WindowShape};
use crate::time::Time;

impl WindowShape {
    /// The words of a state's line.
    pub fn line_words(&self) -> usize {
        1 + 2 * self.extents.len()
    }

    /// The words of a row: its time, its order, and the bits of its values (NaN is null).
    pub fn row_words(&self) -> usize {
        2 + self.arguments
    }
}

impl Window {
    /// Appends the state's line, and its rows.
    pub fn write(&self, line: &mut Vec<u64>, rows: &mut Vec<u64>) {
        line.push(self.ring.len() as u64);
        for cursor in &self.cursors {
            line.extend([cursor.after.0 as u64, self.ring.end() - cursor.start]);
        }
        self.ring.write_to(rows);
    }

    /// The state of such a line, which takes its rows from the front of `rows`; `None` if they are no state of this
    /// shape.
    pub fn read(shape: &WindowShape, line: &[u64], rows: &mut &[u64]) -> Option<Window> {
        let (count, extents) = line.split_first()?;
        let words = usize::try_from(*count).ok()?.checked_mul(shape.row_words())?;
        let (mine, rest) = rows.split_at_checked(words)?;
        if extents.len() != 2 * shape.extents.len() || !sorted(mine, shape.row_words()) {
            return None;
        }
        let ring = Ring::of_words(shape.arguments, mine);
        let cursor = |(extent, written): (&super::Extent, &[u64])| -> Option<Cursor> {
            let start = ring.end().checked_sub(written[1])?;
            let running = extent.tallies.iter().map(|tally| {
                let mut running = Running::new(tally.what);
                (start..ring.end()).for_each(|row| running.append(tally, &ring, row));
                running
            });
            Some(Cursor { start, after: Time(written[0] as i64), running: running.collect() })
        };
        let cursors = shape.extents.iter().zip(extents.chunks_exact(2)).map(cursor).collect::<Option<_>>()?;
        *rows = rest;
        Some(Window { ring, cursors })
    }
}

/// Whether rows stand by time, then order. (Of equal ones the values decide, which a checksum vouches for.)
fn sorted(rows: &[u64], width: usize) -> bool {
    rows.chunks_exact(width).map(|row| (row[0] as i64, row[1])).is_sorted()
}
