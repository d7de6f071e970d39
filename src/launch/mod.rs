//! .

pub mod feed;
