//! Pages: round trips, every damaged byte, hostile headers, and any bytes at all.

use super::*;
use crate::state::frame::{FORMAT, HEADER_BYTES};
use proptest::prelude::*;

crate::page_row! {
    /// As a window keeps its rows.
    struct Entry { time: i64, order: u64, value: f64 }
}
crate::page_row! {
    /// As [`Entry`], with another name for a column.
    struct Renamed { time: i64, place: u64, value: f64 }
}
crate::page_row! {
    /// One word.
    struct Single { count: u64 }
}

fn entry() -> impl Strategy<Value = Entry> {
    (any::<i64>(), any::<u64>(), any::<u64>()).prop_map(|(time, order, bits)| Entry {
        time,
        order,
        value: f64::from_bits(bits),
    })
}

/// Rows as words, since NaN is not equal to itself.
fn bits(rows: &[Entry]) -> Vec<[u64; 3]> {
    rows.iter().map(|r| [r.time as u64, r.order, r.value.to_bits()]).collect()
}

/// A header that is right in itself, whatever it says, so that what is refused is refused for what it says.
fn forged(schema: Schema, row_bytes: u32, count: u64, length: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[0..4].copy_from_slice(b"TMIL");
    bytes[4] = Kind::Page as u8;
    bytes[6..8].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[8..40].copy_from_slice(&schema.0);
    bytes[40..44].copy_from_slice(&row_bytes.to_le_bytes());
    bytes[48..56].copy_from_slice(&count.to_le_bytes());
    bytes[56..64].copy_from_slice(&length.to_le_bytes());
    let checksum = blake3::Hasher::new().update(&bytes[..64]).update(body).finalize();
    bytes[64..96].copy_from_slice(checksum.as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

proptest! {
    #[test]
    fn rows_come_back(rows in prop::collection::vec(entry(), 0..50)) {
        let bytes = encode(&rows);
        prop_assert_eq!(bytes.len(), HEADER_BYTES + 24 * rows.len());
        prop_assert_eq!(bits(&decode::<Entry>(&bytes).unwrap()), bits(&rows));
        // Where the bytes lie does not matter.
        let mut shifted = vec![0u8];
        shifted.extend_from_slice(&bytes);
        prop_assert_eq!(bits(&decode::<Entry>(&shifted[1..]).unwrap()), bits(&rows));
        // A page is the header that is written out here by hand, and the words.
        let body: Vec<u8> = bits(&rows).iter().flatten().flat_map(|word| word.to_ne_bytes()).collect();
        prop_assert_eq!(bytes, forged(schema_of::<Entry>(), 24, rows.len() as u64, body.len() as u64, &body));
    }

    #[test]
    fn words_come_back(width in 1u16..6, rows in 0usize..20, seed in any::<u64>()) {
        let words: Vec<u64> = (0..rows as u64 * u64::from(width)).map(|i| seed.wrapping_mul(i + 1)).collect();
        let bytes = encode_words("times and values", width, &words);
        prop_assert_eq!(decode_words("times and values", width, &bytes).unwrap(), words);
        prop_assert!(decode_words("other columns", width, &bytes).is_err());
        prop_assert!(decode_words("times and values", width + 1, &bytes).is_err());
    }

    #[test]
    fn pages_stand_one_behind_the_other(
        a in prop::collection::vec(entry(), 0..9),
        b in prop::collection::vec(any::<u64>(), 0..9),
    ) {
        let singles: Vec<Single> = b.iter().map(|count| Single { count: *count }).collect();
        let mut bytes = encode(&a);
        bytes.extend(encode(&singles));
        let trailing = FrameError::Trailing { extra: HEADER_BYTES + 8 * b.len() };
        prop_assert_eq!(decode::<Entry>(&bytes).unwrap_err(), trailing);
        let (first, rest) = take::<Entry>(&bytes).unwrap();
        prop_assert_eq!(bits(&first), bits(&a));
        let (second, rest) = take::<Single>(rest).unwrap();
        prop_assert_eq!(second, singles);
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn a_changed_page_is_refused(
        rows in prop::collection::vec(entry(), 0..9),
        at in any::<prop::sample::Index>(),
        mask in 1u8..,
    ) {
        let mut bytes = encode(&rows);
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        prop_assert!(decode::<Entry>(&bytes).is_err());
        bytes[at] ^= mask;
        bytes.truncate(at);
        prop_assert!(decode::<Entry>(&bytes).is_err());
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode::<Entry>(&bytes).is_err());
        prop_assert!(decode_words("columns", 2, &bytes).is_err());
    }

    /// The checksum is no signature: whoever makes a page can make its checksum.
    #[test]
    fn a_forged_header_is_checked(
        row_bytes in prop_oneof![Just(24u32), any::<u32>()],
        count in prop_oneof![Just(2u64), any::<u64>()],
        length in prop_oneof![Just(48u64), any::<u64>()],
    ) {
        let bytes = forged(schema_of::<Entry>(), row_bytes, count, length, &[7; 48]);
        let right = (row_bytes, count, length) == (24, 2, 48);
        prop_assert_eq!(decode::<Entry>(&bytes).is_ok(), right);
    }
}

#[test]
fn each_lie_is_named() {
    let schema = schema_of::<Entry>();
    let refused = |bytes: &[u8]| decode::<Entry>(bytes).unwrap_err();
    let good = forged(schema, 24, 2, 48, &[1; 48]);
    assert_eq!(decode::<Entry>(&good).unwrap().len(), 2);
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    assert_eq!(refused(&[]), FrameError::Short { found: 0 });
    assert_eq!(refused(&good[..95]), FrameError::Short { found: 95 });
    assert_eq!(refused(&changed(0, b'X')), FrameError::Magic);
    assert_eq!(refused(&changed(4, 2)), FrameError::Kind { found: 2, expected: 1 });
    assert_eq!(refused(&changed(5, 1)), FrameError::Reserved);
    assert_eq!(refused(&changed(6, 9)), FrameError::Format { found: 9 });
    assert_eq!(refused(&changed(47, 1)), FrameError::Reserved);
    assert_eq!(refused(&changed(95, !good[95])), FrameError::Checksum);
    assert_eq!(refused(&changed(96, 2)), FrameError::Checksum);
    let huge = u64::MAX / 24 * 24;
    let lies = [
        (forged(schema, 8, 6, 48, &[1; 48]), FrameError::RowBytes { found: 8, expected: 24 }),
        (forged(schema, 24, 3, 48, &[1; 48]), FrameError::Count { count: 3, row_bytes: 24, length: 48 }),
        (forged(schema, 24, u64::MAX, 48, &[1; 48]), FrameError::Count { count: u64::MAX, row_bytes: 24, length: 48 }),
        (forged(schema, 24, 3, 72, &[1; 48]), FrameError::Length { length: 72, left: 48 }),
        (forged(schema, 24, huge / 24, huge, &[1; 48]), FrameError::Length { length: huge, left: 48 }),
        (forged(schema, 24, 1, 24, &[1; 48]), FrameError::Checksum),
    ];
    for (bytes, why) in lies {
        assert_eq!(refused(&bytes), why);
    }
    let other = schema_of::<Renamed>();
    assert_eq!(refused(&forged(other, 24, 2, 48, &[1; 48])), FrameError::Schema { found: other, expected: schema });
}

#[test]
fn no_address_is_written() {
    let rows: Vec<Single> = (0..4).map(|count| Single { count }).collect();
    // The same rows, elsewhere in memory: the same bytes.
    let elsewhere = [vec![Single { count: 0 }], rows[1..].to_vec()].concat();
    assert_ne!(rows.as_ptr(), elsewhere.as_ptr());
    assert_eq!(encode(&rows), encode(&elsewhere));
}
