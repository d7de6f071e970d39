//! The feature schema: names and order of a vector's slots.
//!
//! In: the dense slots' names in order (0/1 indicators among them), then the one-hot groups, each a feature's name with
//! its values, or with the number of slots that any value is hashed into. Out: slots, by number and by name:
//! `distance`, `carrier=UA`, `carrier=other`; `dest#17`, `dest#null`. Keeps: one hash table a group, for lookups only;
//! nothing iterates it. Limits: fewer than 2^32 slots. Its digest names it in checkpoints and versions:
//! two layouts with the same digest give every slot the same meaning.

use crate::record::digest64;
use compact_str::format_compact;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The end of the name of a group's slot for all that is not among its values.
pub const OTHER: &str = "other";

/// The end of the name of a slot that is 1 where its feature was missing. No feature's own name has a dot.
pub const MISSING: &str = ".missing";

/// The end of the name of a hashed group's slot for null.
pub const NULL: &str = "null";

/// A feature of several slots of which exactly one is 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneHot {
    /// The feature's name.
    pub feature: String,
    /// What has a slot.
    pub values: Values,
}

/// What has a slot in a one-hot group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// Each of these, in order; behind them `other`, for null and all else.
    Listed(Vec<String>),
    /// Any value, in one of so many slots (at least 1) by its pinned hash; behind them one for null alone.
    Hashed(u32),
}

impl Values {
    /// The number of slots.
    pub fn slots(&self) -> usize {
        match self {
            Values::Listed(values) => values.len() + 1,
            Values::Hashed(slots) => *slots as usize + 1,
        }
    }

    /// Whether values share slots by their hash.
    pub fn are_hashed(&self) -> bool {
        matches!(self, Values::Hashed(_))
    }
}

impl From<Vec<String>> for Values {
    fn from(values: Vec<String>) -> Values {
        Values::Listed(values)
    }
}

/// Two slots would have the same name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slot `{0}` would stand twice in the feature vector")]
pub struct DuplicateSlot(pub String);

/// Names and order of the slots; fixed when a run starts.
///
/// ```
/// use tidemill::feature::layout::{Layout, OneHot};
/// let carrier = OneHot { feature: "carrier".into(), values: vec!["UA".into(), "AA".into()].into() };
/// let layout = Layout::new(vec!["hour".into(), "wind".into(), "wind.missing".into()], vec![carrier])?;
/// assert_eq!(layout.width(), 6);
/// assert_eq!(layout.hot_slot(0, "AA"), (4, false));
/// assert_eq!(layout.hot_slot(0, "??"), (5, true));
/// assert_eq!(layout.names()[4..], ["carrier=AA", "carrier=other"]);
/// # Ok::<(), tidemill::feature::layout::DuplicateSlot>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Declared", into = "Declared")]
pub struct Layout {
    names: Vec<String>,
    dense: usize,
    groups: Vec<Group>,
}

/// What a layout is made of, and what is written of it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    dense: Vec<String>,
    one_hot: Vec<OneHot>,
}

impl Layout {
    /// Lays out dense slots, then one-hot groups, both in the given order.
    pub fn new(dense: Vec<String>, one_hot: Vec<OneHot>) -> Result<Layout, DuplicateSlot> {
        let width = dense.len();
        let mut names = dense;
        let mut groups = Vec::with_capacity(one_hot.len());
        for declared in one_hot {
            let first = names.len();
            let feature = &declared.feature;
            match &declared.values {
                Values::Listed(values) => {
                    let values = values.iter().map(String::as_str).chain([OTHER]);
                    names.extend(values.map(|value| format!("{feature}={value}")));
                }
                Values::Hashed(slots) => {
                    names.extend((0..*slots).map(|slot| format!("{feature}#{slot}")));
                    names.push(format!("{feature}#{NULL}"));
                }
            }
            assert!(u32::try_from(names.len()).is_ok(), "a layout has fewer than 2^32 slots");
            groups.push(Group::new(first as u32, declared));
        }
        let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(DuplicateSlot(twice[0].to_string()));
        }
        Ok(Layout { names, dense: width, groups })
    }

    /// The number of slots.
    pub fn width(&self) -> usize {
        self.names.len()
    }

    /// The number of dense slots, which are the first.
    pub fn dense(&self) -> usize {
        self.dense
    }

    /// The slots' names, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The features with their slots: each dense slot by itself, then each one-hot group as a whole.
    pub fn features(&self) -> Vec<(String, Range<u32>)> {
        let dense = self.names[..self.dense].iter().zip(0..).map(|(name, slot)| (name.clone(), slot..slot + 1));
        let group = |group: &Group| (group.declared.feature.clone(), group.first..group.last() + 1);
        dense.chain(self.groups.iter().map(group)).collect()
    }

    /// The feature of which a dense slot says whether it was missing.
    pub fn indicated(&self, slot: usize) -> Option<&str> {
        self.names[..self.dense].get(slot)?.strip_suffix(MISSING)
    }

    /// The number of one-hot groups.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The feature and values of a one-hot group.
    pub fn group(&self, group: usize) -> &OneHot {
        &self.groups[group].declared
    }

    /// The slot of a value in a one-hot group, and whether it is that of `other`.
    pub fn hot_slot(&self, group: usize, value: &str) -> (u32, bool) {
        self.groups[group].slot(value)
    }

    /// The slot of a whole number in a one-hot group: that of its digits.
    pub fn hot_slot_of_int(&self, group: usize, number: i64) -> (u32, bool) {
        let group = &self.groups[group];
        match group.numbers.binary_search_by_key(&number, |(number, _)| *number) {
            Ok(place) => (group.first + group.numbers[place].1, false),
            Err(_) if group.declared.values.are_hashed() => group.slot(&format_compact!("{number}")),
            Err(_) => (group.last(), true),
        }
    }

    /// The slot of a null in a one-hot group, which is its last, and whether that is also that of `other`.
    pub fn null_slot(&self, group: usize) -> (u32, bool) {
        let group = &self.groups[group];
        (group.last(), !group.declared.values.are_hashed())
    }

    /// BLAKE3 of kinds, names and order, in hex.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        // Lengths stand before texts, so that no two layouts write the same bytes.
        let count = |hasher: &mut blake3::Hasher, n: usize| {
            hasher.update(&(n as u64).to_le_bytes());
        };
        hasher.update(b"tidemill layout 1");
        count(&mut hasher, self.dense);
        count(&mut hasher, self.names.len());
        for name in &self.names {
            count(&mut hasher, name.len());
            hasher.update(name.as_bytes());
        }
        for group in &self.groups {
            count(&mut hasher, group.first as usize);
        }
        hasher.finalize().to_hex().to_string()
    }
}

impl PartialEq for Layout {
    fn eq(&self, other: &Layout) -> bool {
        self.digest() == other.digest()
    }
}

impl TryFrom<Declared> for Layout {
    type Error = DuplicateSlot;

    fn try_from(declared: Declared) -> Result<Layout, DuplicateSlot> {
        Layout::new(declared.dense, declared.one_hot)
    }
}

impl From<Layout> for Declared {
    fn from(mut layout: Layout) -> Declared {
        layout.names.truncate(layout.dense);
        Declared { dense: layout.names, one_hot: layout.groups.into_iter().map(|g| g.declared).collect() }
    }
}

/// One group with a table of open addressing: some nanoseconds a lookup, and nothing in it that could be iterated.
#[derive(Clone, Debug)]
struct Group {
    first: u32,
    declared: OneHot,
    /// A power of two of places, at most half of them taken: the value's number plus 1, or 0.
    table: Box<[u32]>,
    /// The values that are whole numbers as they are written out, ascending, with the value's number.
    numbers: Box<[(i64, u32)]>,
}

impl Group {
    fn new(first: u32, declared: OneHot) -> Group {
        let listed = if let Values::Listed(values) = &declared.values { &values[..] } else { &[] };
        let mut table = vec![0_u32; (2 * listed.len()).next_power_of_two().max(2)].into_boxed_slice();
        for (number, value) in listed.iter().enumerate() {
            let mut place = digest64(value.as_bytes()) as usize & (table.len() - 1);
            while table[place] != 0 {
                place = (place + 1) & (table.len() - 1);
            }
            table[place] = number as u32 + 1;
        }
        let written_out = |(place, value): (usize, &String)| {
            let number: i64 = value.parse().ok()?;
            (number.to_string() == *value).then_some((number, place as u32))
        };
        let mut numbers: Vec<(i64, u32)> = listed.iter().enumerate().filter_map(written_out).collect();
        numbers.sort_unstable();
        Group { first, declared, table, numbers: numbers.into() }
    }

    /// The last slot: that of null, and in a group of listed values of all else too.
    fn last(&self) -> u32 {
        self.first + self.declared.values.slots() as u32 - 1
    }

    fn slot(&self, value: &str) -> (u32, bool) {
        let digest = digest64(value.as_bytes());
        let values = match &self.declared.values {
            Values::Listed(values) => values,
            Values::Hashed(slots) => return (self.first + (digest % u64::from(*slots)) as u32, false),
        };
        let mut place = digest as usize & (self.table.len() - 1);
        while let Some(number) = self.table[place].checked_sub(1) {
            if values[number as usize] == value {
                return (self.first + number, false);
            }
            place = (place + 1) & (self.table.len() - 1);
        }
        (self.last(), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn one_hot(feature: &str, values: &[&str]) -> OneHot {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        OneHot { feature: feature.into(), values: values.into() }
    }

    fn hashed(feature: &str, slots: u32) -> OneHot {
        OneHot { feature: feature.into(), values: Values::Hashed(slots) }
    }

    fn layout(dense: &[&str], one_hot: Vec<OneHot>) -> Result<Layout, DuplicateSlot> {
        Layout::new(dense.iter().map(ToString::to_string).collect(), one_hot)
    }

    #[test]
    fn digest_is_pinned_and_sees_names_order_and_kind() {
        let digest = |dense: &[&str], one_hot: Vec<OneHot>| layout(dense, one_hot).unwrap().digest();
        let base = digest(&["a", "b"], vec![one_hot("c", &["x"])]);
        assert_eq!(base, "d2c0913fc41d9256000220feaf3895ce8694a8a8cae5770b864100545b0dc1b7");
        for different in [
            digest(&["b", "a"], vec![one_hot("c", &["x"])]),
            digest(&["ab"], vec![one_hot("c", &["x"])]),
            digest(&["a", "b", "c=x", "c=other"], vec![]),
            digest(&["a"], vec![one_hot("b", &[]), one_hot("c", &["x"])]),
            digest(&["a", "b"], vec![one_hot("c", &["y"])]),
            digest(&["a", "b"], vec![hashed("c", 1)]),
        ] {
            assert_ne!(base, different);
        }
    }

    /// The slots of values are pinned: a model that was fitted yesterday means the same by them.
    #[test]
    fn any_value_has_a_slot_by_its_hash() {
        let layout = layout(&["d"], vec![one_hot("e", &["a"]), hashed("f", 100), hashed("g", 2)]).unwrap();
        assert_eq!((layout.width(), layout.groups()), (1 + 2 + 101 + 3, 3));
        assert_eq!(layout.names()[3..5], ["f#0", "f#1"]);
        assert_eq!(layout.names()[102..], ["f#99", "f#null", "g#0", "g#1", "g#null"]);
        assert_eq!(layout.features()[2..], [("f".to_owned(), 3..104), ("g".to_owned(), 104..107)]);
        for (group, first, slots) in [(1, 3, 100), (2, 104, 2)] {
            for value in ["", "IAH", "null", "-7"] {
                let slot = first + (digest64(value.as_bytes()) % slots) as u32;
                assert_eq!(layout.hot_slot(group, value), (slot, false), "{value}");
            }
            assert_eq!(layout.hot_slot_of_int(group, -7), layout.hot_slot(group, "-7"));
            assert_eq!(layout.null_slot(group), (first + slots as u32, false));
        }
        assert_eq!(layout.names()[layout.hot_slot(1, "IAH").0 as usize], "f#38");
        let back: Layout = serde_json::from_str(&serde_json::to_string(&layout).unwrap()).unwrap();
        assert_eq!((back.names(), back.hot_slot(1, "IAH")), (layout.names(), layout.hot_slot(1, "IAH")));
    }

    #[test]
    fn a_number_has_the_slot_of_its_digits() {
        let values = ["7", "x", "-3", "07", "+3", "9223372036854775807", "9223372036854775808"];
        let layout = layout(&[], vec![one_hot("f", &values)]).unwrap();
        for number in [7, -3, 3, 0, i64::MAX, i64::MIN] {
            assert_eq!(layout.hot_slot_of_int(0, number), layout.hot_slot(0, &number.to_string()), "{number}");
        }
    }

    #[test]
    fn a_name_stands_once() {
        let twice = |dense: &[&str], one_hot| layout(dense, one_hot).unwrap_err().0;
        assert_eq!(twice(&["a", "a"], vec![]), "a");
        assert_eq!(twice(&[], vec![one_hot("c", &["x", "y", "x"])]), "c=x");
        assert_eq!(twice(&[], vec![one_hot("c", &["other"])]), "c=other");
        assert_eq!(DuplicateSlot("c=x".into()).to_string(), "slot `c=x` would stand twice in the feature vector");
    }

    proptest! {
        #[test]
        fn every_value_has_its_slot_and_all_else_is_other(
            values in prop::collection::btree_set("[a-c]{0,4}", 0..60), asked in "[a-c]{0,4}"
        ) {
            let listed: Vec<String> = values.iter().cloned().collect();
            let group = OneHot { feature: "f".into(), values: listed.clone().into() };
            let layout = Layout::new(vec!["d".into()], vec![one_hot("e", &["a"]), group]).unwrap();
            let mut slots = BTreeSet::new();
            for value in &listed {
                let (slot, other) = layout.hot_slot(1, value);
                prop_assert!(!other);
                prop_assert_eq!(&layout.names()[slot as usize], &format!("f={value}"));
                slots.insert(slot);
            }
            prop_assert_eq!(slots.len(), listed.len());
            if !values.contains(&asked) {
                prop_assert_eq!(layout.hot_slot(1, &asked), (layout.width() as u32 - 1, true));
            }
            prop_assert_eq!(layout.null_slot(1), (layout.width() as u32 - 1, true));
            let back: Layout = serde_json::from_str(&serde_json::to_string(&layout).unwrap()).unwrap();
            prop_assert_eq!(back.names(), layout.names());
            prop_assert_eq!(back, layout);
        }
    }
}
