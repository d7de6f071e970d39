//! The HTTP interface of a run (`--http`): its health, its figures for Prometheus, its versions, and a live page.
//!
//! In: snapshots of the run, which the end of the walk leaves in [`Shown`]. Out: answers to GET and HEAD. Keeps: the
//! last snapshot only. The server has threads of its own and takes nothing but a pointer from the dataflow, which never
//! waits for it; what it says is of committed ticks. Limits: [`MOST_CONNECTIONS`] at once, heads of
//! [`MOST_HEAD_BYTES`], [`READ_WITHIN`] to ask and [`WRITE_WITHIN`] to be answered. There is no authentication: whoever
//! reaches the address may read, but at a loopback address no page of another host that a browser shows here.

mod answers;
mod http;
mod page;
mod prometheus;
mod series;
mod shown;

pub use http::{MOST_CONNECTIONS, MOST_HEAD_BYTES, READ_WITHIN, WRITE_WITHIN};
pub use series::Series;
pub use shown::{Counts, Latency, ModelShown, Shown, Snapshot, State};

use answers::Answers;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

/// How its threads are called. One of them that panics ends itself, and not the run.
pub const THREAD: &str = "http";

/// How long nobody is let in when the system refuses a connection, as when it has no more files to open.
const PAUSE: Duration = Duration::from_millis(100);

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve HTTP at {address}: {cause}")]
pub struct ServeError {
    address: SocketAddr,
    cause: io::Error,
}

/// Where a run serves: an address that it has taken.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the address; port 0 is a free one.
    ///
    /// # Errors
    /// It is taken, or is not this machine's.
    pub fn bind(address: SocketAddr) -> Result<Server, ServeError> {
        let bound = TcpListener::bind(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|cause| ServeError { address, cause })?;
        Ok(Server { listener, address })
    }

    /// The address that it has.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves what is shown of a pipeline, until the process ends.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn start(self, pipeline: &str, shown: Shown) -> Result<(), ServeError> {
        let Server { listener, address } = self;
        let answers = Answers::new(pipeline, shown);
        let serve = move || {
            let connections = http::Connections::new(answers, address.ip().is_loopback());
            for stream in listener.incoming() {
                match stream {
                    Ok(stream) => connections.take(stream),
                    Err(error) => {
                        tracing::warn!(%error, "an HTTP connection could not be accepted");
                        thread::sleep(PAUSE);
                    }
                }
            }
        };
        let thread = thread::Builder::new().name(THREAD.to_owned()).spawn(serve);
        thread.map(|_| ()).map_err(|cause| ServeError { address, cause })
    }
}

#[cfg(test)]
mod tests;
