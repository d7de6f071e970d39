//! Features: expressions, as-of tables, rolling windows, standardization, and the vector that they make.

pub mod asof;
pub mod layout;
mod moments;
pub mod standardize;
mod vector;
pub mod window;

pub use moments::LIMIT;
pub use vector::Vector;
