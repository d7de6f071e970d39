//! Sections: round trips of what states are made of, lengths that lie, and any bytes at all.

use super::*;
use crate::record::Value;
use proptest::prelude::*;
use serde::Serialize;
use smallvec::SmallVec;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// The shapes that states have. The order of the hash map does not matter: it is compared as a map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Shapes {
    numbers: Vec<(i64, u64, f64)>,
    sums: BTreeMap<u128, i128>,
    names: HashMap<String, Option<u8>>,
    recent: VecDeque<Arc<[Value]>>,
    few: SmallVec<[Wide; 1]>,
    kind: Kinds,
    moments: [u64; 4],
    flag: bool,
    letter: char,
}

/// A small encoding, and large in memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Wide(Option<Box<[u64; 4]>>, [Option<u64>; 32]);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kinds {
    Nothing,
    One(i64),
    Named { name: String, bytes: Vec<u8> },
}

fn kinds() -> impl Strategy<Value = Kinds> {
    prop_oneof![
        Just(Kinds::Nothing),
        any::<i64>().prop_map(Kinds::One),
        (any::<String>(), any::<Vec<u8>>()).prop_map(|(name, bytes)| Kinds::Named { name, bytes }),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::Bool), any::<i64>().prop_map(Value::Int)]
}

fn wide() -> impl Strategy<Value = Wide> {
    any::<[Option<u64>; 32]>().prop_map(|many| Wide(Some(Box::new([1, 2, 3, 4])), many))
}

prop_compose! {
    fn shapes()(
        numbers in prop::collection::vec((any::<i64>(), any::<u64>(), -1e300..1e300), 0..5),
        sums in prop::collection::btree_map(any::<u128>(), any::<i128>(), 0..5),
        names in prop::collection::hash_map(any::<String>(), any::<Option<u8>>(), 0..4),
        recent in prop::collection::vec_deque(prop::collection::vec(value(), 0..4).prop_map(Arc::from), 0..3),
        few in prop::collection::vec(wide(), 0..2),
        kind in kinds(),
        moments in any::<[u64; 4]>(),
        flag in any::<bool>(),
        letter in any::<char>(),
    ) -> Shapes {
        Shapes { numbers, sums, names, recent, few: few.into(), kind, moments, flag, letter }
    }
}

fn schema() -> Schema {
    Schema::of("shapes, 1")
}

/// A section with this body, sealed as it should be.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut draft = Draft::new(0);
    draft.body().extend_from_slice(body);
    draft.seal(Kind::Section, schema(), 1)
}

proptest! {
    #[test]
    fn values_come_back(value in shapes()) {
        let bytes = encode(schema(), &value).unwrap();
        prop_assert_eq!(&decode::<Shapes>(schema(), &bytes).unwrap(), &value);
        let other = Schema::of("shapes, 2");
        let misread = decode::<Shapes>(other, &bytes);
        let named = matches!(misread, Err(SectionError::Frame(FrameError::Schema { .. })));
        prop_assert!(named);
    }

    #[test]
    fn a_changed_section_is_refused(value in shapes(), at in any::<prop::sample::Index>(), mask in 1u8..) {
        let mut bytes = encode(schema(), &value).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        prop_assert!(decode::<Shapes>(schema(), &bytes).is_err());
        bytes[at] ^= mask;
        bytes.truncate(at);
        prop_assert!(decode::<Shapes>(schema(), &bytes).is_err());
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode::<Shapes>(schema(), &bytes).is_err());
    }

    /// Behind a header that is right: what the checksum does not catch may be a value or an error, nothing else.
    #[test]
    fn any_body_is_a_value_or_an_error(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let bytes = sealed(&body);
        let _ = decode::<Shapes>(schema(), &bytes);
        let _ = decode::<Vec<Kinds>>(schema(), &bytes);
        let _ = decode::<BTreeMap<String, Vec<Wide>>>(schema(), &bytes);
        let _ = decode::<HashMap<u64, SmallVec<[Wide; 2]>>>(schema(), &bytes);
    }

    /// A right encoding, changed and sealed again, is a value or an error.
    #[test]
    fn a_forged_body_is_a_value_or_an_error(
        value in shapes(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let bytes = encode(schema(), &value).unwrap();
        let mut body = bytes[frame::HEADER_BYTES..].to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        let _ = decode::<Shapes>(schema(), &sealed(&body));
    }
}

/// Lengths that would be terabytes, were they believed.
#[test]
fn a_length_is_not_believed() {
    for length in [1u64 << 20, 1 << 40, u64::MAX / 2, u64::MAX] {
        let mut body = postcard::to_stdvec(&length).unwrap();
        body.extend([1; 64]);
        let bytes = sealed(&body);
        assert!(decode::<Vec<u64>>(schema(), &bytes).is_err());
        assert!(decode::<String>(schema(), &bytes).is_err());
        assert!(decode::<&[u8]>(schema(), &bytes).is_err());
        assert!(decode::<VecDeque<[u64; 32]>>(schema(), &bytes).is_err());
        assert!(decode::<Arc<[Value]>>(schema(), &bytes).is_err());
        assert!(decode::<SmallVec<[Wide; 1]>>(schema(), &bytes).is_err());
        assert!(decode::<HashMap<u64, Wide>>(schema(), &bytes).is_err());
        assert!(decode::<BTreeMap<String, String>>(schema(), &bytes).is_err());
        assert!(decode::<Vec<Vec<Vec<u8>>>>(schema(), &bytes).is_err());
    }
}

/// A list may claim as many elements as there are bytes; what is reserved for it does not grow with them.
#[test]
fn what_is_reserved_is_bounded() {
    struct Hinted(Option<usize>);
    impl<'de> Deserialize<'de> for Hinted {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Hinted, D::Error> {
            struct Asks;
            impl<'de> serde::de::Visitor<'de> for Asks {
                type Value = Hinted;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a list")
                }
                fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Hinted, A::Error> {
                    let hint = list.size_hint();
                    while list.next_element::<u8>()?.is_some() {}
                    Ok(Hinted(hint))
                }
            }
            from.deserialize_seq(Asks)
        }
    }
    for length in [0, 1, RESERVED, RESERVED + 1, 1 << 20] {
        let bytes = encode(schema(), &vec![1u8; length]).unwrap();
        let Hinted(hint) = decode(schema(), &bytes).unwrap();
        assert_eq!(hint, (length <= RESERVED).then_some(length));
    }
}

#[test]
fn a_body_ends_where_its_value_does() {
    let refused = decode::<u8>(schema(), &sealed(&[1, 2, 3])).unwrap_err();
    assert!(matches!(refused, SectionError::Trailing { extra: 2 }), "{refused}");
    let mut bytes = encode(schema(), &1u8).unwrap();
    bytes.push(0);
    let refused = decode::<u8>(schema(), &bytes).unwrap_err();
    assert!(matches!(refused, SectionError::Frame(FrameError::Trailing { extra: 1 })), "{refused}");
}

#[test]
fn a_section_is_no_page_and_no_manifest() {
    let bytes = encode(schema(), &7u8).unwrap();
    assert!(frame::open_whole(&bytes, Kind::Page, schema(), 1).is_err());
    assert!(decode_as::<u8>(Kind::Manifest, schema(), &bytes).is_err());
}
