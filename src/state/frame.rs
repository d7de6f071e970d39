//! The header before every block of bytes in a checkpoint, all of it checked before anything behind it is read.
//!
//! In: a kind, a [`Schema`], a row size, a count and a body. Out: 96 bytes of header, then the body. Limits: a body is
//! as long as its header says, and no longer than the bytes that are there.
//!
//! | bytes | what, integers from the lowest byte |
//! |---|---|
//! | 0..4 | `TMIL` |
//! | 4 | kind: page 1, section 2, manifest 3 |
//! | 5 | zero |
//! | 6..8 | version of the format |
//! | 8..40 | schema |
//! | 40..44 | bytes a row |
//! | 44..48 | zero |
//! | 48..56 | rows |
//! | 56..64 | bytes of the body |
//! | 64..96 | blake3 of bytes 0..64 and the body |
//!
//! 96 is a multiple of 8, so words of a body are aligned where the frame is.

use super::Schema;
use thiserror::Error;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 96;
/// The format that is written, and the only one that is read.
pub const FORMAT: u16 = 1;

const MAGIC: [u8; 4] = *b"TMIL";
/// Where the checksum stands; it covers what is before it and the body.
const CHECKSUM: std::ops::Range<usize> = 64..96;

/// What kind of block it is, so that none is read as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Rows of words: [`super::page`].
    Page = 1,
    /// A value by serde: [`super::section`].
    Section = 2,
    /// The list of a checkpoint's parts.
    Manifest = 3,
}

/// Why bytes are not the frame that was asked for.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Not even a header.
    #[error("{found} bytes are less than a header of {HEADER_BYTES}")]
    Short {
        /// The bytes that are there.
        found: usize,
    },
    /// Something else altogether.
    #[error("the bytes do not begin as a frame does")]
    Magic,
    /// A frame of another kind.
    #[error("kind {found} instead of {expected}")]
    Kind {
        /// As in the header.
        found: u8,
        /// As asked for.
        expected: u8,
    },
    /// Written by another release.
    #[error("format {found}, allowed: {FORMAT}")]
    Format {
        /// As in the header.
        found: u16,
    },
    /// The bytes mean something else.
    #[error("schema {found} instead of {expected}")]
    Schema {
        /// As in the header.
        found: Schema,
        /// As asked for.
        expected: Schema,
    },
    /// Rows of another size.
    #[error("rows of {found} bytes instead of {expected}")]
    RowBytes {
        /// As in the header.
        found: u32,
        /// As asked for.
        expected: u32,
    },
    /// The header contradicts itself.
    #[error("{count} rows of {row_bytes} bytes are not {length} bytes")]
    Count {
        /// Rows, as in the header.
        count: u64,
        /// Bytes a row.
        row_bytes: u32,
        /// Bytes of the body, as in the header.
        length: u64,
    },
    /// The body is cut off.
    #[error("a body of {length} bytes, of which {left} are there")]
    Length {
        /// As in the header.
        length: u64,
        /// The bytes behind the header.
        left: usize,
    },
    /// Bytes of the header that have no meaning are set.
    #[error("reserved bytes are not zero")]
    Reserved,
    /// The bytes are not those that were written.
    #[error("the checksum does not match")]
    Checksum,
    /// There is more than the frame.
    #[error("{extra} bytes behind the end")]
    Trailing {
        /// How many.
        extra: usize,
    },
}

/// A frame that is being written: a header's place, then the body as it grows.
pub(super) struct Draft {
    bytes: Vec<u8>,
}

impl Draft {
    /// No body yet; `expected` bytes of it are reserved.
    pub(super) fn new(expected: usize) -> Draft {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + expected);
        bytes.resize(HEADER_BYTES, 0);
        Draft { bytes }
    }

    /// The bytes so far, to append the body to.
    pub(super) fn body(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Fills the header in, and gives the whole frame. The rows are as many as the body holds.
    pub(super) fn seal(mut self, kind: Kind, schema: Schema, row_bytes: u32) -> Vec<u8> {
        let length = self.bytes.len() - HEADER_BYTES;
        let size = row_bytes as usize;
        assert!(size > 0 && length.is_multiple_of(size), "a body is whole rows");
        let header = &mut self.bytes[..HEADER_BYTES];
        header[0..4].copy_from_slice(&MAGIC);
        header[4] = kind as u8;
        header[6..8].copy_from_slice(&FORMAT.to_le_bytes());
        header[8..40].copy_from_slice(&schema.0);
        header[40..44].copy_from_slice(&row_bytes.to_le_bytes());
        header[48..56].copy_from_slice(&((length / size) as u64).to_le_bytes());
        header[56..64].copy_from_slice(&(length as u64).to_le_bytes());
        let checksum = checksum(&self.bytes[..CHECKSUM.start], &self.bytes[HEADER_BYTES..]);
        self.bytes[CHECKSUM].copy_from_slice(&checksum);
        self.bytes
    }
}

/// The body of the frame at the beginning of `bytes`, and what is behind it, once all of the header is found right.
///
/// # Errors
/// [`FrameError`], for any bytes whatever that are not such a frame.
pub(super) fn open(bytes: &[u8], kind: Kind, schema: Schema, row_bytes: u32) -> Result<(&[u8], &[u8]), FrameError> {
    let Some((header, behind)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(FrameError::Short { found: bytes.len() });
    };
    if header[0..4] != MAGIC {
        return Err(FrameError::Magic);
    }
    let format = u16::from_le_bytes(field(header, 6));
    if format != FORMAT {
        return Err(FrameError::Format { found: format });
    }
    if header[4] != kind as u8 {
        return Err(FrameError::Kind { found: header[4], expected: kind as u8 });
    }
    if header[5] != 0 || header[44..48] != [0; 4] {
        return Err(FrameError::Reserved);
    }
    let found = Schema(field(header, 8));
    if found != schema {
        return Err(FrameError::Schema { found, expected: schema });
    }
    let found = u32::from_le_bytes(field(header, 40));
    if found != row_bytes {
        return Err(FrameError::RowBytes { found, expected: row_bytes });
    }
    let (count, length) = (u64::from_le_bytes(field(header, 48)), u64::from_le_bytes(field(header, 56)));
    if count.checked_mul(u64::from(row_bytes)) != Some(length) {
        return Err(FrameError::Count { count, row_bytes, length });
    }
    let left = behind.len();
    let split = usize::try_from(length).ok().and_then(|length| behind.split_at_checked(length));
    let (body, rest) = split.ok_or(FrameError::Length { length, left })?;
    if header[CHECKSUM] != checksum(&header[..CHECKSUM.start], body) {
        return Err(FrameError::Checksum);
    }
    Ok((body, rest))
}

/// As [`open`], for a frame that is all there is.
pub(super) fn open_whole(bytes: &[u8], kind: Kind, schema: Schema, row_bytes: u32) -> Result<&[u8], FrameError> {
    match open(bytes, kind, schema, row_bytes)? {
        (body, []) => Ok(body),
        (_, rest) => Err(FrameError::Trailing { extra: rest.len() }),
    }
}

fn checksum(header: &[u8], body: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new().update(header).update(body).finalize().as_bytes()
}

/// `N` bytes of a header.
fn field<const N: usize>(header: &[u8; HEADER_BYTES], from: usize) -> [u8; N] {
    std::array::from_fn(|i| header[from + i])
}
