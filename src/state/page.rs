//! Window pages: rows of 64-bit words as they lie in memory, behind a checked header.
//!
//! In: rows of a type declared by [`page_row!`](crate::page_row), or words whose width is known when the run starts.
//! Out: a frame ([`super::frame`]) whose body is what abomonation's `entomb` writes: the rows' bytes. Reading never
//! trusts a byte: the whole header, every length and the checksum come first, and then rows are copied out by bytemuck,
//! each to an aligned place. Limits: a row is whole words ([`Word`]), so it has no padding, no pointer, and no bytes
//! that are not a value; the processors that write and read have the same byte order (the schema differs otherwise).
//!
//! Abomonation 0.7.3 (RUSTSEC-2021-0120) is sound for such rows only. Its `encode` of a vector writes an address, and
//! its `decode` trusts what it reads; neither is used.

mod body;

use super::Schema;
use super::frame::{self, Draft, FrameError, Kind};
use abomonation::Abomonation;
use bytemuck::Pod;

#[doc(hidden)]
pub mod sealed {
    /// Implemented by `page_row!` alone.
    pub trait Row {}
    /// Implemented here alone.
    pub trait Word {}
    impl Word for i64 {}
    impl Word for u64 {}
    impl Word for f64 {}
}

/// What a row is made of: `i64`, `u64` and `f64`.
pub trait Word: sealed::Word {}
impl Word for i64 {}
impl Word for u64 {}
impl Word for f64 {}

/// A row that may stand in a page. Only [`page_row!`](crate::page_row) implements it.
pub trait Row: sealed::Row + Abomonation + Pod {
    /// The name, and the names and types of the columns: another shape is another schema.
    const SHAPE: &'static str;
}

/// Declares a row type for pages: a struct of words, for which [`Row`](crate::state::page::Row) holds.
///
/// ```
/// use tidemill::state::page;
/// tidemill::page_row! {
///     /// A value of a window.
///     pub struct Entry {
///         /// Event time, microseconds.
///         pub time: i64,
///         /// Place among rows of one time.
///         pub order: u64,
///         /// NaN is null.
///         pub value: f64,
///     }
/// }
/// let rows = vec![Entry { time: 1, order: 0, value: 0.5 }, Entry { time: 2, order: 0, value: -1.0 }];
/// let bytes = page::encode(&rows);
/// assert_eq!(bytes.len(), 96 + 2 * 24);
/// assert_eq!(page::decode::<Entry>(&bytes).unwrap(), rows);
/// assert!(page::decode::<Entry>(&bytes[..100]).is_err());
/// ```
///
/// What is no word is refused when it is compiled, and so is what would have padding or pointers:
///
/// ```compile_fail
/// tidemill::page_row! { pub struct Padded { pub time: i64, pub flag: u8 } }
/// ```
/// ```compile_fail
/// tidemill::page_row! { pub struct Pointing { pub time: i64, pub name: Box<str> } }
/// ```
#[macro_export]
macro_rules! page_row {
    ($(#[$about:meta])* $vis:vis struct $name:ident {
        $($(#[$column_about:meta])* $column_vis:vis $column:ident: $word:ty),+ $(,)?
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, ::bytemuck::Pod, ::bytemuck::Zeroable)]
        #[repr(C)]
        $vis struct $name {
            $($(#[$column_about])* $column_vis $column: $word),+
        }
        // Nothing behind it: its bytes are all of it.
        impl ::abomonation::Abomonation for $name {}
        impl $crate::state::page::sealed::Row for $name {}
        impl $crate::state::page::Row for $name {
            const SHAPE: &'static str =
                concat!(stringify!($name), "{", $(stringify!($column), ":", stringify!($word), ";"),+, "}");
        }
        const _: () = {
            const fn word<W: $crate::state::page::Word>() {}
            $(word::<$word>();)+
        };
    };
}

/// A page of rows.
#[allow(clippy::ptr_arg)] // abomonation has a body for vectors, not for slices
pub fn encode<R: Row>(rows: &Vec<R>) -> Vec<u8> {
    written(rows, schema_of::<R>(), size_of::<R>() as u32)
}

/// The rows of a page that is all there is.
///
/// # Errors
/// [`FrameError`], whatever the bytes are.
pub fn decode<R: Row>(bytes: &[u8]) -> Result<Vec<R>, FrameError> {
    frame::open_whole(bytes, Kind::Page, schema_of::<R>(), size_of::<R>() as u32).map(read)
}

/// The rows of the page at the beginning of `bytes`, and what is behind it.
///
/// # Errors
/// [`FrameError`], whatever the bytes are.
pub fn take<R: Row>(bytes: &[u8]) -> Result<(Vec<R>, &[u8]), FrameError> {
    let (body, rest) = frame::open(bytes, Kind::Page, schema_of::<R>(), size_of::<R>() as u32)?;
    Ok((read(body), rest))
}

/// A page of rows of `width` words each, laid end to end; `columns` describes them.
///
/// # Panics
/// If `width` is 0 or the words are not whole rows.
#[allow(clippy::ptr_arg)] // abomonation has a body for vectors, not for slices
pub fn encode_words(columns: &str, width: u16, words: &Vec<u64>) -> Vec<u8> {
    assert!(width > 0 && words.len().is_multiple_of(usize::from(width)), "words are whole rows");
    written(words, words_schema(columns), row_bytes(width))
}

/// The words of a page of [`encode_words`] that is all there is.
///
/// # Errors
/// [`FrameError`], whatever the bytes are; also for rows of another width or description.
///
/// # Panics
/// If `width` is 0.
pub fn decode_words(columns: &str, width: u16, bytes: &[u8]) -> Result<Vec<u64>, FrameError> {
    assert!(width > 0, "a row has a word");
    frame::open_whole(bytes, Kind::Page, words_schema(columns), row_bytes(width)).map(read)
}

/// The words of the page of [`encode_words`] at the beginning of `bytes`, and what is behind it.
///
/// # Errors
/// [`FrameError`], whatever the bytes are; also for rows of another width or description.
///
/// # Panics
/// If `width` is 0.
pub fn take_words<'b>(columns: &str, width: u16, bytes: &'b [u8]) -> Result<(Vec<u64>, &'b [u8]), FrameError> {
    assert!(width > 0, "a row has a word");
    let (body, rest) = frame::open(bytes, Kind::Page, words_schema(columns), row_bytes(width))?;
    Ok((read(body), rest))
}

fn written<R: Abomonation + Pod>(rows: &Vec<R>, schema: Schema, row_bytes: u32) -> Vec<u8> {
    let mut draft = Draft::new(size_of_val(&rows[..]));
    body::entomb(rows, draft.body());
    draft.seal(Kind::Page, schema, row_bytes)
}

/// The body is whole rows: its frame said how many, and that they fill it.
fn read<R: Pod>(body: &[u8]) -> Vec<R> {
    body.chunks_exact(size_of::<R>()).map(bytemuck::pod_read_unaligned).collect()
}

fn schema_of<R: Row>() -> Schema {
    described(R::SHAPE)
}

fn words_schema(columns: &str) -> Schema {
    described(&format!("words: {columns}"))
}

/// Words stand in the order of the processor's bytes, so that order is a part of what they mean.
fn described(rows: &str) -> Schema {
    let order = if cfg!(target_endian = "little") { "little" } else { "big" };
    Schema::of(&format!("page, {order} endian: {rows}"))
}

fn row_bytes(width: u16) -> u32 {
    u32::from(width) * size_of::<u64>() as u32
}

#[cfg(test)]
mod tests;
