//! Caution after crashes: one record a tick, each named before it is taken, and the one refused that was named last.
//!
//! In: where the record that is to blame stands, and somebody to tell. Out: whether the head of a partition is that
//! record. Keeps: how many records are still to be taken with caution: as many as may have been under way when the
//! crash came, since only one of those can have caused it.

/// A record by its place: source, partition, offset.
pub type Place = ((u16, u16), u64);

/// Told of what is taken next: a record, or what is none (a boundary, a version).
pub type Witness = Box<dyn FnMut(Option<Place>) + Send>;

/// A record that made a worker panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// Where it stands.
    pub place: Place,
    /// What the worker said.
    pub detail: String,
}

/// How careful a run is.
#[derive(Default)]
pub struct Caution {
    witness: Option<Witness>,
    culprit: Option<Culprit>,
    /// Records to be taken one by one.
    left: u64,
}

impl Caution {
    /// For the next `records` records; `culprit` is refused when it is met.
    pub fn new(witness: Witness, culprit: Option<Culprit>, records: u64) -> Caution {
        Caution { witness: Some(witness), culprit, left: records }
    }

    /// Whether records are taken one by one.
    pub(super) fn is_on(&self) -> bool {
        self.left > 0
    }

    /// Why a record is to be refused, if it is the culprit.
    pub(super) fn blames(&mut self, place: Place) -> Option<String> {
        self.culprit.take_if(|culprit| culprit.place == place).map(|culprit| culprit.detail)
    }

    /// Names what is taken next.
    pub(super) fn name(&mut self, next: Option<Place>) {
        if let Some(witness) = self.witness.as_mut().filter(|_| self.left > 0) {
            witness(next);
            self.left -= u64::from(next.is_some());
        }
    }
}
