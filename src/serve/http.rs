//! HTTP as far as it is needed: one GET or HEAD a connection, with limits on everything.
//!
//! In: connections. Out: one answer each, then the connection is closed. A thread a connection, so that a slow client
//! keeps nobody waiting; whoever comes when all places are taken is told so at once. The times are for the whole
//! request and the whole answer, not for a read or a write, so that a byte a second is no way around them.

use super::THREAD;
use super::answers::{Answer, Answers};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Connections at once.
pub const MOST_CONNECTIONS: usize = 16;
/// The longest head of a request: its line and its fields.
pub const MOST_HEAD_BYTES: usize = 8 * 1024;
/// In this time a request must be there.
pub const READ_WITHIN: Duration = Duration::from_secs(5);
/// In this time its answer must be taken.
pub const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// Fields of a head.
const MOST_FIELDS: usize = 64;
/// What a client may still be sending when it is answered is read so long, and so much of it: closing a connection
/// with unread bytes can take the answer away from it.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 256 * 1024);

/// A request that can be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Whether only the head of the answer is wanted.
    pub(super) head_only: bool,
    /// The path, without the query.
    pub(super) path: String,
    /// What stands behind `?`.
    pub(super) query: String,
    /// Whom it was sent to, if it says.
    pub(super) host: Option<String>,
}

impl Request {
    /// Whether it is sent to this machine by a name that only this machine has. A page from elsewhere can let its own
    /// name stand for 127.0.0.1 and would then be let in by the browser (DNS rebinding); it cannot send another name.
    fn is_local(&self) -> bool {
        let Some(host) = &self.host else { return true };
        let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|c| c.is_ascii_digit()));
        let name = name.map_or(host.as_str(), |(name, _)| name);
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    }
}

/// The connections under way.
pub(super) struct Connections {
    answers: Arc<Answers>,
    /// Whether it is reached from this machine alone.
    local: bool,
    count: Arc<AtomicUsize>,
}

/// One of the places; it is free again when this is dropped, also by a panic.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Connections {
    pub(super) fn new(answers: Answers, local: bool) -> Connections {
        Connections { answers: Arc::new(answers), local, count: Arc::new(AtomicUsize::new(0)) }
    }

    /// Serves a connection, on a thread of its own.
    pub(super) fn take(&self, stream: TcpStream) {
        let before = self.count.fetch_add(1, Ordering::AcqRel);
        let place = Place(self.count.clone());
        if before >= MOST_CONNECTIONS {
            refuse_at_once(stream);
            return;
        }
        let (answers, local) = (self.answers.clone(), self.local);
        let serve = move || {
            let _place = place;
            if let Err(error) = converse(stream, &answers, local) {
                // A client that went away is no news.
                tracing::debug!(%error, "an HTTP connection broke off");
            }
        };
        if let Err(error) = thread::Builder::new().name(THREAD.to_owned()).spawn(serve) {
            tracing::warn!(%error, "there is no thread for an HTTP connection");
        }
    }
}

/// Says that all places are taken, without waiting for anything: the answer fits into the socket's buffer.
fn refuse_at_once(mut stream: TcpStream) {
    let answer = Answer::refusal(503, "all connections are in use");
    let answer = [head(&answer), answer.body].concat();
    if stream.set_nonblocking(true).is_ok() {
        let _ = stream.write_all(&answer);
        let _ = stream.shutdown(Shutdown::Write);
    }
}

/// One request and its answer.
fn converse(mut stream: TcpStream, answers: &Answers, local: bool) -> io::Result<()> {
    let asked = match read(&mut stream, Instant::now() + READ_WITHIN) {
        Ok(asked) => asked,
        Err(error) if error.kind() == ErrorKind::TimedOut => Err(Answer::refusal(408, "the request took too long")),
        Err(error) => return Err(error),
    };
    let (answer, head_only) = match asked {
        Ok(request) if local && !request.is_local() => {
            (Answer::refusal(421, "it was sent to another host's name; ask for localhost"), request.head_only)
        }
        Ok(request) => (answers.answer(&request), request.head_only),
        Err(refusal) => (refusal, false),
    };
    let deadline = Instant::now() + WRITE_WITHIN;
    write(&mut stream, &head(&answer), deadline)?;
    if !head_only {
        write(&mut stream, &answer.body, deadline)?;
    }
    stream.shutdown(Shutdown::Write)?;
    let (deadline, mut left) = (Instant::now() + LINGER.0, LINGER.1);
    let mut rest = [0; 4096];
    while left > 0 {
        let read = read_some(&mut stream, &mut rest, deadline)?;
        if read == 0 {
            break;
        }
        left = left.saturating_sub(read);
    }
    Ok(())
}

/// Reads a head. What is wrong with it comes back as the answer to it.
fn read(stream: &mut TcpStream, deadline: Instant) -> io::Result<Result<Request, Answer>> {
    let mut head = vec![0; MOST_HEAD_BYTES];
    let mut length = 0;
    loop {
        if length == head.len() {
            return Ok(Err(Answer::refusal(431, "the head of the request is too long")));
        }
        let read = read_some(stream, &mut head[length..], deadline)?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        length += read;
        if let Some(parsed) = parse(&head[..length]) {
            return Ok(parsed);
        }
    }
}

/// A head, once it is whole.
pub(super) fn parse(head: &[u8]) -> Option<Result<Request, Answer>> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Some(Err(Answer::refusal(431, "the request has too many fields")));
        }
        Err(_) => return Some(Err(Answer::refusal(400, "this is no HTTP request"))),
    }
    let head_only = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Some(Err(Answer::refusal(405, "only GET and HEAD are answered"))),
    };
    let target = request.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let host = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("host"));
    let host = host.map(|field| String::from_utf8_lossy(field.value).into_owned());
    Some(Ok(Request { head_only, path: path.to_owned(), query: query.to_owned(), host }))
}

/// The head of an answer.
fn head(answer: &Answer) -> Vec<u8> {
    let (status, length) = (answer.status, answer.body.len());
    let mut head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {}\r\nContent-Length: {length}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n",
        reason(status),
        answer.kind
    );
    if status == 405 {
        head.push_str("Allow: GET, HEAD\r\n");
    }
    if let Some(policy) = &answer.policy {
        head.push_str("Content-Security-Policy: ");
        head.push_str(policy);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}

/// What is left until then; nothing left is a timeout.
fn left(deadline: Instant) -> io::Result<Option<Duration>> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(ErrorKind::TimedOut.into()),
        left => Ok(Some(left)),
    }
}

/// A socket's timeout is told as `WouldBlock` here and as `TimedOut` there.
fn timed(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

fn read_some(stream: &mut TcpStream, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
    loop {
        stream.set_read_timeout(left(deadline)?)?;
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read.map_err(timed),
        }
    }
}

fn write(stream: &mut TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(left(deadline)?)?;
        match stream.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(timed(error)),
        }
    }
    Ok(())
}
