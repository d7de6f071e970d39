//! The command line: arguments, the pipeline file as a whole, supervision of processes.

pub mod args;
pub mod feed;
pub mod graph;
pub mod load;
pub mod supervise;
