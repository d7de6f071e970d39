//! Tidemill: continuous machine learning on event streams, as one incremental dataflow.
//!
//! *A model is a view*: it is maintained, like any other derived data, and can say exactly which inputs it was
//! derived from. `ARCHITECTURE.md` tells where everything is; a module imports from lower layers only.
#![deny(missing_docs)]

// layer 0: the words that everybody uses
pub mod config;
pub mod record;
pub mod task;
pub mod time;

// layer 1: pure; no timely, I/O, clock, thread or global
pub mod deploy;
pub mod drift;
pub mod evaluate;
pub mod feature;
pub mod model;
pub mod train;
pub mod trigger;

// layer 2: the edges
pub mod broker;
pub mod fault;
pub mod mesh;
pub mod registry;
pub mod serve;
pub mod sink;
pub mod source;
pub mod state;

// layer 3: the rooms of the walk
pub mod flow;

// layer 4: the command line
pub mod launch;
