//! What a record of ours is as a Kafka message: key, value, headers.

use super::Names;
use crate::broker::MESSAGE_BYTES;
use crate::sink::{Entry, Headers};
use rdkafka::message::{Header, OwnedHeaders};

/// The longest value of a dead letter that is kept whole.
const VALUE_BYTES: usize = MESSAGE_BYTES as usize - (64 << 10);

/// Key, value and headers of a message.
pub(super) struct Content<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: OwnedHeaders,
}

fn plain(tick: &str) -> OwnedHeaders {
    OwnedHeaders::new().insert(Header { key: "tick", value: Some(tick) })
}

/// The message of an output record.
pub(super) fn message_of<'a>(entry: &'a Entry, line: &'a [u8], tick: &str, names: &Names) -> Content<'a> {
    let with = |headers: OwnedHeaders, key: &str, value: &str| headers.insert(Header { key, value: Some(value) });
    let headers = plain(tick);
    let key = (!entry.key.is_empty()).then_some(entry.key.as_bytes());
    match &entry.headers {
        Headers::Plain => Content { key, value: Some(line), headers },
        Headers::Version { model, version, role } => {
            let model = names.models.get(usize::from(*model)).map_or("", String::as_str);
            let headers = with(headers, "model", model);
            let headers = with(headers, "version", &version.to_string());
            Content { key, value: Some(line), headers: with(headers, "role", role.word()) }
        }
        Headers::Dead(letter) => {
            let source = names.sources.get(usize::from(letter.position.source)).map_or("", String::as_str);
            let headers = with(headers, "source", source);
            let headers = with(headers, "partition", &letter.position.partition.to_string());
            let headers = with(headers, "offset", &letter.position.offset.to_string());
            let headers = with(headers, "stage", &letter.stage);
            let mut headers = with(headers, "reason", letter.reason.word());
            let mut value = letter.raw.value.as_deref();
            // No topic takes more; what is cut is told.
            if let Some(whole) = value.filter(|v| v.len() > VALUE_BYTES) {
                headers = with(headers, "cut_from", &whole.len().to_string());
                value = Some(&whole[..VALUE_BYTES]);
            }
            Content { key: letter.raw.key.as_deref(), value, headers }
        }
    }
}

/// The message of a tick's progress record.
pub(super) fn progress_of<'a>(line: &'a [u8], tick: &str, names: &Names) -> Content<'a> {
    let headers = plain(tick).insert(Header { key: "pipeline", value: Some(names.spec.as_str()) });
    Content { key: None, value: Some(line), headers }
}
