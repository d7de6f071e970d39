//! What is said over a socket: answers, limits, and who is kept waiting.

use super::*;
use crate::time::Time;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Instant;

fn figure(version: Value) -> Value {
    json!({
        "model": "late",
        "role": "champion",
        "version": version,
        "window": "all",
        "n": 4,
        "log_loss": 0.5,
    })
}

fn snapshot() -> Snapshot {
    let record = json!({ "model": "late", "version": 1, "role": "champion", "report": { "long": true } });
    let model = ModelShown { name: "late".to_owned(), champion: Some(1), records: vec![Arc::new(record)] };
    let mut series = Series::new("late", "since 2013-04-01T00:00:00Z", "as served");
    series.publish(Time(3_600_000_000), Box::new([0.5, f64::NAN]));
    Snapshot {
        state: State::Running,
        tick: 41,
        time: Time(1_500_000),
        first: Some(Time(0)),
        counts: Counts { records: 5, used: 4, dead_letters: 1, events: 4, labelled: 4, ..Counts::default() },
        sources: vec![("a \"source\"".to_owned(), 5)],
        reasons: BTreeMap::from([("wrong_type".to_owned(), 1)]),
        others: 0,
        no_room: 0,
        verdicts: BTreeMap::from([("fired".to_owned(), 2)]),
        trainings: 1,
        training_s: (0.25, 0.0),
        models: vec![model],
        decisions: Vec::new(),
        names: vec!["log_loss", "f1"],
        figures: [Value::Null, json!(1)].map(|version| Arc::new(figure(version))).into(),
        series: vec![Arc::new(series)],
        event_latency: Latency { count: 4, sum_s: 0.5, quantiles_s: vec![(0.5, 0.125)] },
        tick_latency: Latency::default(),
        started: Instant::now(),
        fresh_events: 4,
    }
}

/// A server of a pipeline `flights`, and where its snapshots are left.
fn serving() -> (SocketAddr, Shown) {
    let server = Server::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let (address, shown) = (server.address(), Shown::default());
    server.start("flights", shown.clone()).expect("a thread");
    (address, shown)
}

/// Sends bytes, and reads all of the answer.
fn send(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.write_all(bytes).expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is text");
    answer
}

/// The status and body of an answer to GET.
fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = send(address, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (status(head), body.to_owned())
}

fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest[..3].parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn it_is_not_healthy_before_a_tick_is_committed() {
    let (address, shown) = serving();
    assert_eq!(get(address, "/healthz"), (503, "{\"pipeline\":\"flights\",\"status\":\"starting\"}\n".to_owned()));
    assert_eq!(get(address, "/models"), (200, "[]\n".to_owned()));
    assert!(get(address, "/metrics").1.contains("tidemill_run_info{pipeline=\"flights\",state=\"starting\""));
    assert_eq!(get(address, "/api/state").1, "{\"pipeline\":\"flights\",\"state\":\"starting\"}\n");
    shown.put(snapshot());
    let (code, health) = get(address, "/healthz");
    let health: Value = serde_json::from_str(&health).expect("it is JSON");
    let expected = json!({ "status": "ok", "pipeline": "flights", "tick": 41,
        "pipeline_time": "1970-01-01T00:00:01.500Z", "state": "running" });
    assert_eq!((code, &health), (200, &expected));
    shown.put(Snapshot { state: State::Ended, tick: 42, ..snapshot() });
    assert!(get(address, "/healthz").1.contains("\"state\":\"ended\""));
}

#[test]
fn each_path_says_what_it_is_for() {
    let (address, shown) = serving();
    shown.put(snapshot());
    let metrics = get(address, "/metrics").1;
    for line in [
        "tidemill_records_read_total{source=\"a \\\"source\\\"\"} 5",
        "tidemill_dead_letters_total{reason=\"wrong_type\"} 1",
        "tidemill_ticks_total 42",
        "tidemill_pipeline_time_seconds 1.5",
        "tidemill_model_log_loss{model=\"late\",role=\"champion\",version=\"served\",window=\"all\"} 0.5",
        "tidemill_model_log_loss{model=\"late\",role=\"champion\",version=\"1\",window=\"all\"} 0.5",
        "tidemill_champion_version{model=\"late\"} 1",
        "tidemill_event_latency_seconds{quantile=\"0.5\"} 0.125",
        "tidemill_event_latency_seconds_count 4",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line} is not in\n{metrics}");
    }
    let models: Value = serde_json::from_str(&get(address, "/models").1).expect("it is JSON");
    assert_eq!(models[0]["versions"][0]["report"]["long"], true, "records are whole: {models}");
    let state: Value = serde_json::from_str(&get(address, "/api/state?metric=f1&window=never").1).expect("it is JSON");
    assert_eq!((&state["metric"], &state["window"]), (&json!("f1"), &json!("since 2013-04-01T00:00:00Z")));
    assert_eq!(state["series"][0]["values"], json!([null]), "what is not a number is null");
    assert_eq!(state["figures"].as_array().map(Vec::len), Some(1), "a version's own time is left out");
    assert!(state["models"][0]["versions"][0].get("report").is_none());
    let state: Value = serde_json::from_str(&get(address, "/api/state?metric=%").1).expect("it is JSON");
    assert_eq!((&state["metric"], &state["series"][0]["at"]), (&json!("log_loss"), &json!([3600])));
    assert!(get(address, "/").1.starts_with("<!doctype html>"));
}

#[test]
fn what_is_not_answered_is_told_why() {
    let (address, _shown) = serving();
    for (asked, code) in [
        ("GET /nowhere HTTP/1.1\r\n\r\n", 404),
        ("GET /metrics/ HTTP/1.1\r\n\r\n", 404),
        ("GET http://elsewhere/metrics HTTP/1.1\r\n\r\n", 404),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 405),
        ("DELETE / HTTP/1.1\r\n\r\n", 405),
        ("GET /models HTTP/1.1\r\nHost: localhost:8080\r\n\r\n", 200),
        ("GET /models HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", 200),
        ("GET /models HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200),
        ("GET /models HTTP/1.1\r\nHost: elsewhere.example:8080\r\n\r\n", 421),
        ("GET /models HTTP/1.1\r\nHost: 127.0.0.1.elsewhere.example\r\n\r\n", 421),
        ("GET /models HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n", 421),
        ("\u{16}\u{3}\u{1}\u{0} a handshake of TLS", 400),
        ("GET / SPDY/3\r\n\r\n", 400),
    ] {
        assert_eq!(status(&send(address, asked.as_bytes())), code, "{asked}");
    }
    assert!(send(address, b"PUT / HTTP/1.1\r\n\r\n").contains("\r\nAllow: GET, HEAD\r\n"));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(MOST_HEAD_BYTES));
    assert_eq!(status(&send(address, long.as_bytes())), 431);
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100));
    assert_eq!(status(&send(address, many.as_bytes())), 431);
    let head = send(address, b"HEAD /models HTTP/1.0\r\n\r\n");
    assert!(head.contains("\r\nContent-Length: 3\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn slow_clients_keep_nobody_waiting_and_too_many_are_refused() {
    let (address, _shown) = serving();
    let silent = || TcpStream::connect(address).expect("somebody listens");
    let mut held: Vec<TcpStream> = (1..MOST_CONNECTIONS).map(|_| silent()).collect();
    held.iter_mut().for_each(|stream| stream.write_all(b"GET / HT").expect("it is taken"));
    // The answer itself takes the last place, and gives it back when its client is gone.
    let served = || {
        let mut stream = silent();
        let mut answer = String::new();
        // Who is refused at once may find the connection closed already.
        let asked = stream.write_all(b"GET /models HTTP/1.1\r\n\r\n").and_then(|()| stream.read_to_string(&mut answer));
        asked.is_ok() && answer.starts_with("HTTP/1.1 200")
    };
    assert!(served());
    while !served() {}
    held.push(silent());
    // As long as all places are held there is no other answer; who holds them is cut off in the end.
    let mut refused = String::new();
    while refused.is_empty() {
        let _ = silent().read_to_string(&mut refused);
    }
    assert!(refused.starts_with("HTTP/1.1 503 ") || refused.starts_with("HTTP/1.1 408 "), "{refused}");
    held.iter().for_each(|stream| stream.shutdown(Shutdown::Both).expect("it is open"));
    while !served() {}
}

#[test]
fn an_address_that_is_taken_is_told() {
    let (address, _shown) = serving();
    let told = Server::bind(address).map(|_| ()).expect_err("it is taken").to_string();
    assert!(told.starts_with(&format!("cannot serve HTTP at {address}: ")), "{told}");
}
