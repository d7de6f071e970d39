//! The Kafka edges against a real broker: what is read, what is written, and what is said when it cannot be.
//!
//! They need a broker at `TIDEMILL_KAFKA` (`eval "$(scripts/kafka.sh start)"`); without one each says that it is
//! skipped. Every test has topics of its own and deletes them.

#[path = "../crash/asked.rs"]
mod asked;
mod crash;
#[path = "../crash/dice.rs"]
mod dice;
mod feed;
mod own;
mod project;
mod proxy;
mod restart;
mod run;
mod sink;
mod source;
#[path = "../crash/stream.rs"]
mod stream;
mod support;
