//! Which leaf of a growing tree is split next.

/// The place of the leaf whose split gains most, of equals the first; `None` if none has a split. `gain` is that of a
/// leaf's best split, above 0.
pub(super) fn next<L>(leaves: &[L], gain: impl Fn(&L) -> Option<f64>) -> Option<usize> {
    let gains = leaves.iter().enumerate().filter_map(|(place, leaf)| Some((place, gain(leaf)?)));
    // The greatest that comes last is the first, from behind.
    gains.rev().max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_those_that_gain_most_is_split() {
        let of = |leaves: &[Option<f64>]| next(leaves, |gain| *gain);
        assert_eq!(of(&[None, Some(1.0), Some(3.0), None, Some(3.0), Some(2.0)]), Some(2));
        assert_eq!(of(&[None, Some(1e-12)]), Some(1));
        assert_eq!(of(&[None, None]), None);
        assert_eq!(of(&[]), None);
    }
}
