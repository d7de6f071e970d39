//! Features: expressions, as-of tables, rolling windows, standardization, and the vector that they make.

mod vector;

pub use vector::Vector;
