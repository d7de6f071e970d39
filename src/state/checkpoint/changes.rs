//! How the operators of a checkpoint differ from those of the run that is to go on from it.

use super::SectionEntry;
use crate::state::Schema;
use std::collections::BTreeMap;

/// Operators by what becomes of their state; each list in order of name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In both with one schema: they keep their state.
    pub kept: Vec<String>,
    /// Only in the run: they start empty.
    pub added: Vec<String>,
    /// Only in the checkpoint: their state would be lost.
    pub removed: Vec<String>,
    /// In both with different schemas: their state cannot be read.
    pub incompatible: Vec<String>,
}

impl Changes {
    pub(super) fn between<'n>(
        sections: &[SectionEntry],
        operators: impl IntoIterator<Item = (&'n str, Schema)>,
    ) -> Changes {
        let mut there: BTreeMap<&str, Vec<Schema>> = BTreeMap::new();
        for section in sections {
            there.entry(&section.operator).or_default().push(section.schema);
        }
        let declared: BTreeMap<&str, Schema> = operators.into_iter().collect();
        let mut changes = Changes::default();
        for (name, schema) in &declared {
            let list = match there.get(name) {
                None => &mut changes.added,
                Some(schemas) if schemas.iter().all(|s| s == schema) => &mut changes.kept,
                Some(_) => &mut changes.incompatible,
            };
            list.push((*name).to_string());
        }
        let removed = there.keys().filter(|name| !declared.contains_key(*name));
        changes.removed = removed.map(|name| (*name).to_string()).collect();
        changes
    }
}
