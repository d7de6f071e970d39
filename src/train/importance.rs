//! Permutation importance: how much worse a model is when a feature's values are dealt out to other rows.
//!
//! In: a fitted model, held-out rows, and which slots each feature has. Out: by feature, the mean by which the loss of
//! a row grows (logarithmic; of a regression the absolute error), with its standard error. Keeps: nothing. Cost: a
//! prediction a row and feature, over at most [`ROWS`] rows at equal distances. One deal a feature, by dice of the
//! feature's place, so that the same rows give the same figures. A one-hot group is one feature. Of two features that
//! say the same each looks unimportant, for the other still says it.
//!
//! Source: Breiman 2001, "Random forests", section 10; Fisher, Rudin and Dominici 2019, "All models are wrong, but many
//! are useful" (as a property of any model).

use super::Example;
use crate::evaluate::Tally;
use crate::feature::Vector;
use crate::feature::program::Slots;
use crate::model::{Dice, Fixed};
use crate::task::{Label, Task};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The most rows.
pub const ROWS: usize = 2000;

/// What a feature is worth to a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Importance {
    /// Its name.
    pub feature: String,
    /// By how much the mean loss grows without it; below 0 it does harm.
    pub increase: f64,
    /// The standard error of that.
    pub error: f64,
}

/// Every feature's worth, in the order of the slots.
pub fn importance(task: Task, model: &Fixed, held_out: &[impl AsRef<Example>], features: &[Slots]) -> Vec<Importance> {
    let step = held_out.len().div_ceil(ROWS).max(1);
    let rows: Vec<&Example> = held_out.iter().step_by(step).map(AsRef::as_ref).collect();
    let loss = |x: &Vector, label: Label| Tally::labelled(task, &model.predict(x), label).loss as f64 * Tally::STEP;
    let before: Vec<f64> = rows.iter().map(|row| loss(&row.vector, row.label)).collect();
    let n = rows.len() as f64;
    let worth = |(place, Slots { feature, slots, .. }): (usize, &Slots)| {
        let dealt = Dice::new(place as u64).choose(rows.len() as u32, rows.len() as u32);
        let grown = |(row, from): (usize, &u32)| {
            let x = with_slots_of(&rows[row].vector, &rows[*from as usize].vector, slots);
            loss(&x, rows[row].label) - before[row]
        };
        let grown: Vec<f64> = dealt.iter().enumerate().map(grown).collect();
        let increase = grown.iter().sum::<f64>() / n.max(1.0);
        let variance = grown.iter().map(|one| (one - increase).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        Importance { feature: feature.clone(), increase, error: (variance / n.max(1.0)).sqrt() }
    };
    features.iter().enumerate().map(worth).collect()
}

/// A vector without some features: their slots are 0.
pub fn without<'a>(x: &Vector, features: impl Iterator<Item = &'a Slots>) -> Vector {
    let (mut dense, mut hot) = (x.dense.clone(), x.hot.to_vec());
    for Slots { slots, .. } in features {
        let end = (slots.end as usize).min(dense.len());
        dense[(slots.start as usize).min(end)..end].fill(0.0);
        hot.retain(|slot| !slots.contains(slot));
    }
    Vector { dense, hot: hot.into() }
}

/// A vector but for some slots, which are those of another.
fn with_slots_of(x: &Vector, other: &Vector, slots: &Range<u32>) -> Vector {
    let mut dense = x.dense.clone();
    for slot in slots.start as usize..(slots.end as usize).min(dense.len()) {
        dense[slot] = other.dense[slot];
    }
    let kept = x.hot.iter().filter(|slot| !slots.contains(slot));
    let mut hot: Vec<u32> = kept.chain(other.hot.iter().filter(|slot| slots.contains(slot))).copied().collect();
    hot.sort_unstable();
    Vector { dense, hot: hot.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Body, Logistic};
    use crate::time::Time;
    use std::sync::Arc;

    /// A model whose weights are known: what it does not look at is worth nothing, and what it looks at most is worth
    /// most, as a naive deal of the values says too.
    #[test]
    fn what_is_not_looked_at_is_worth_nothing() {
        let mut dice = Dice::new(3);
        let model = Fixed::from(Body::Logistic(Logistic::fitted(vec![3.0, 0.0, 0.0, 1.0, -1.0], 0.0, 1)));
        let example = |n: i64| {
            let mut number = || 2.0 * dice.uniform() - 1.0;
            let x = Vector { dense: [number(), number()].into(), hot: [2 + (n % 3) as u32].into() };
            let label = dice.uniform() < model.score(&x);
            Arc::new(Example {
                id: n.to_string().into(),
                predicted: Time(n),
                known: Time(n),
                vector: Arc::new(x),
                label: label.into(),
                served: 0.5.into(),
                live: 0.5.into(),
                no_change: None,
                slices: Default::default(),
            })
        };
        let rows: Vec<Arc<Example>> = (0..3000).map(example).collect();
        let slots = |feature: &str, slots| Slots { feature: feature.to_owned(), slots, rolling: false };
        let features = [slots("a", 0..1), slots("b", 1..2), slots("group", 2..5)];
        let found = importance(Task::Binary, &model, &rows, &features);
        assert_eq!(found[1].increase, 0.0, "its weight is 0");
        assert!(found[0].increase > 5.0 * found[0].error && found[0].increase > found[2].increase, "{found:?}");
        assert!(found[2].increase > 3.0 * found[2].error, "{found:?}");
        assert_eq!(found, importance(Task::Binary, &model, &rows, &features));
        assert!(importance(Task::Binary, &model, &rows[..0], &features).iter().all(|one| one.increase == 0.0));
    }

    #[test]
    fn groups_are_dealt_as_a_whole() {
        let a = Vector { dense: [1.0, 2.0].into(), hot: [2, 6].into() };
        let b = Vector { dense: [3.0, 4.0].into(), hot: [4, 5].into() };
        assert_eq!(with_slots_of(&a, &b, &(0..1)), Vector { dense: [3.0, 2.0].into(), hot: [2, 6].into() });
        assert_eq!(with_slots_of(&a, &b, &(2..5)), Vector { dense: [1.0, 2.0].into(), hot: [4, 6].into() });
    }
}
