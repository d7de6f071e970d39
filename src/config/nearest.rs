//! The nearest known name: what a person probably meant.
//!
//! In: a name that is not known, and the known ones. Out: a line of help. Source: Damerau 1964, as `strsim` computes
//! it.

use strsim::damerau_levenshtein;

/// At most so many known names are listed.
const LISTED: usize = 8;

/// The known name that is nearest to `name`, if one is near enough: at most a third of its letters differ (at least one
/// may), or the two are the same but for case, `-` and `_`, or one is a word of the other (`auc`, `roc_auc`), which
/// goes before what is equally near. The first of equally near ones.
///
/// ```
/// use tidemill::config::nearest;
/// assert_eq!(nearest("lable", ["label", "key"]), Some("label"));
/// assert_eq!(nearest("zebra", ["label", "key"]), None);
/// ```
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // The distance is quadratic in the length; nobody mistypes a name of hundreds of letters.
    if name.len() > 100 {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let allowed = (name.chars().count() / 3).max(1);
    let word = |k: &str| k.split('_').any(|w| w == name) || name.split('_').any(|w| w == k);
    known
        .into_iter()
        .map(|k| match damerau_levenshtein(name, k) {
            _ if plain(k) == plain(name) => (0, false, k),
            // Behind whatever is nearer by its letters.
            distance if word(k) => (distance.min(allowed), false, k),
            distance => (distance, true, k),
        })
        .filter(|(distance, _, k)| *distance <= allowed && *distance < k.chars().count())
        .min_by_key(|(distance, strange, _)| (*distance, *strange))
        .map(|(_, _, k)| k)
}

/// A line of help: the nearest known name, if there is one, and up to 8 of the known ones.
///
/// ```
/// use tidemill::config::suggest;
/// assert_eq!(suggest("lable", &["label", "key"]), "did you mean `label`? known: label, key");
/// ```
pub fn suggest(name: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return String::new();
    }
    let list = match known.len() {
        n if n <= LISTED => known.join(", "),
        n => format!("{}, and {} more", known[..LISTED].join(", "), n - LISTED),
    };
    match nearest(name, known.iter().copied()) {
        Some(k) => format!("did you mean `{k}`? known: {list}"),
        None => format!("known: {list}"),
    }
}
