//! The one call that the compiler cannot check: abomonation's `entomb`, on rows that are plain words.

use abomonation::Abomonation;
use bytemuck::Pod;

/// Appends the rows' bytes.
#[allow(clippy::ptr_arg)] // abomonation has a body for vectors, not for slices
pub(super) fn entomb<R: Abomonation + Pod>(rows: &Vec<R>, into: &mut Vec<u8>) {
    // SAFETY: `entomb` reads the vector's elements as bytes, and then lets each element add what it points to. A `Pod`
    // type has no padding, so all of its bytes are initialized, and no pointer; the row types' own `entomb` is the
    // default, which adds nothing. The vector's header, which does hold an address, is not written.
    let written = unsafe { rows.entomb(into) };
    assert!(written.is_ok(), "appending to memory does not fail");
}
