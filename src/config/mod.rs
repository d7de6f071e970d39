//! The pipeline file: TOML with spans, read into [`spec`] with all errors at once.

pub mod spec;
