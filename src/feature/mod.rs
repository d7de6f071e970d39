//! Features: expressions, as-of tables, rolling windows, standardization, and the vector that they make.

pub mod expr;
mod vector;

pub use vector::Vector;
