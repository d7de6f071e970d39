//! Everything in a checkpoint that is not a page: a value by serde, behind a checked header.
//!
//! In: a value and the [`Schema`] of its encoding. Out: a frame ([`super::frame`]) whose body is the value by postcard.
//! The checksum comes before any byte of the body is read, and the body has to end where the value does.
//!
//! **Lengths.** Text and bytes are taken from what is left, or refused. A list's length reserves nothing beyond
//! [`RESERVED`] elements: further ones are paid for by bytes as they come (a map's reservation is capped by serde, at
//! 1 MiB). So a hostile length costs an error. Two things are the caller's: a value has no lists of elements without
//! any bytes (`Vec<()>`), whose length no byte vouches for, and its types do not contain themselves, as postcard does
//! not bound its depth.
//!
//! **Why postcard**: maintained, its format specified and stable since 1.0, no unsafe code of ours, bytes that are
//! borrowed from a slice. bincode, which timely brings, is unmaintained (RUSTSEC-2025-0141), and its limit counts the
//! bytes read, not those that are there. As with bincode, types cannot be `untagged`, `flatten`ed or tagged inside.
//! Source: <https://postcard.jamesmunns.com/wire-format>.

use super::Schema;
use super::frame::{self, Draft, FrameError, Kind};
use postcard::de_flavors::Flavor;
use postcard::ser_flavors;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// For how many elements of a list memory is reserved before they come.
pub const RESERVED: usize = 1024;

/// Why a value cannot be had from bytes, or bytes from a value.
#[derive(Debug, Error)]
pub enum SectionError {
    /// The header or the checksum.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The bytes are as they were written, but are no such value: the schema should have differed.
    #[error("the body is no such value: {0}")]
    Body(postcard::Error),
    /// The value ends before its body does.
    #[error("{extra} bytes of the body are not the value's")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// A value that this format cannot hold: a sequence of unknown length.
    #[error("the value cannot be encoded: {0}")]
    Value(postcard::Error),
}

/// A section with this value.
///
/// ```
/// use tidemill::state::{Schema, section};
/// let schema = Schema::of("names by number, 1");
/// let bytes = section::encode(schema, &vec![(1u32, "ebb"), (2, "flow")]).unwrap();
/// let names: Vec<(u32, String)> = section::decode(schema, &bytes).unwrap();
/// assert_eq!(names[1].1, "flow");
/// assert!(section::decode::<Vec<(u32, String)>>(Schema::of("names by number, 2"), &bytes).is_err());
/// ```
///
/// # Errors
/// [`SectionError::Value`].
pub fn encode<T: Serialize>(schema: Schema, value: &T) -> Result<Vec<u8>, SectionError> {
    encode_as(Kind::Section, schema, value)
}

/// The value of a section that is all there is.
///
/// # Errors
/// All of [`SectionError`] but `Value`, whatever the bytes are.
pub fn decode<'b, T: Deserialize<'b>>(schema: Schema, bytes: &'b [u8]) -> Result<T, SectionError> {
    decode_as(Kind::Section, schema, bytes)
}

pub(super) fn encode_as<T: Serialize>(kind: Kind, schema: Schema, value: &T) -> Result<Vec<u8>, SectionError> {
    let mut draft = Draft::new(0);
    postcard::serialize_with_flavor(value, Body(draft.body())).map_err(SectionError::Value)?;
    Ok(draft.seal(kind, schema, 1))
}

pub(super) fn decode_as<'b, T: Deserialize<'b>>(
    kind: Kind,
    schema: Schema,
    bytes: &'b [u8],
) -> Result<T, SectionError> {
    let body = frame::open_whole(bytes, kind, schema, 1)?;
    value_of(body)
}

/// The value that these bytes are.
fn value_of<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, SectionError> {
    let mut reader = postcard::Deserializer::from_flavor(Left(body));
    let value = T::deserialize(&mut reader).map_err(SectionError::Body)?;
    match reader.finalize().map_err(SectionError::Body)? {
        [] => Ok(value),
        rest => Err(SectionError::Trailing { extra: rest.len() }),
    }
}

/// The bytes so far. Postcard's own for a vector is behind a feature, and that for a writer is asked byte by byte.
struct Body<'b>(&'b mut Vec<u8>);

impl ser_flavors::Flavor for Body<'_> {
    type Output = ();

    #[inline(always)]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline(always)]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// The bytes left. Postcard's own would have a list reserve as many elements as bytes are left, each of any size.
struct Left<'b>(&'b [u8]);

impl<'b> Flavor<'b> for Left<'b> {
    type Remainder = &'b [u8];
    type Source = &'b [u8];

    fn pop(&mut self) -> postcard::Result<u8> {
        let (first, rest) = self.0.split_first().ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        self.0 = rest;
        Ok(*first)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len().min(RESERVED))
    }

    fn try_take_n(&mut self, count: usize) -> postcard::Result<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        self.0 = rest;
        Ok(taken)
    }

    fn finalize(self) -> postcard::Result<&'b [u8]> {
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests;
