//! A record as read: its digest beside what decoding made of it, the same whatever the transport.
//!
//! The digest covers the bytes of key and value, and whether there were any. Of a record beyond `max_record_bytes` it
//! covers the bytes that were kept and the full length, since the rest was never held.

use super::Record;
use crate::feature::check::Checks;
use crate::record::decode::Decoder;
use crate::record::{DeadLetter, Position, Reason, digest64};
use crate::time::Time;

impl Record {
    /// Decodes a record, see [`Decoder::decode`], and judges it by the checks of its source. A tombstone has nothing to
    /// be judged by.
    #[inline]
    pub fn decode(
        (decoder, checks): (&mut Decoder, &Checks),
        position: Position,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        stamp: Option<Time>,
    ) -> Record {
        let mut body = decoder.decode(position, key, value, stamp);
        if let Ok(row) = &mut body
            && !row.tombstone
            && let Some(detail) = checks.violated(&row.values)
        {
            let raw = std::mem::take(&mut row.raw);
            body =
                Err(Box::new(DeadLetter { position, stage: "check".into(), reason: Reason::CheckFailed, detail, raw }));
        }
        Record { digest: digest(key, value), body }
    }

    /// A record of `bytes` bytes, too many, of which only the first were kept.
    pub fn too_long(decoder: &Decoder, position: Position, kept: &[u8], bytes: u64) -> Record {
        let mut words = [0; 16];
        words[..8].copy_from_slice(&digest(None, Some(kept)).to_le_bytes());
        words[8..].copy_from_slice(&bytes.to_le_bytes());
        Record { digest: digest64(&words), body: Err(decoder.too_long(position, None, kept, bytes)) }
    }

    /// A record that the transport broke off.
    pub fn truncated(decoder: &Decoder, position: Position, kept: &[u8], detail: String) -> Record {
        let letter: Box<DeadLetter> = decoder.refuse(position, Reason::Truncated, detail, None, Some(kept));
        Record { digest: digest(None, Some(kept)), body: Err(letter) }
    }
}

/// The digest of key and value; without a key it is the value's.
fn digest(key: Option<&[u8]>, value: Option<&[u8]>) -> u64 {
    let Some(key) = key else {
        return value.map_or(0, digest64);
    };
    let mut words = [0; 24];
    words[..8].copy_from_slice(&digest64(key).to_le_bytes());
    words[8..16].copy_from_slice(&value.map_or(0, digest64).to_le_bytes());
    words[16] = u8::from(value.is_some());
    digest64(&words)
}
