//! Features: expressions, as-of tables, rolling windows, standardization, and the vector that they make.

pub mod asof;
pub mod check;
pub mod expr;
pub mod layout;
pub(crate) mod moments;
pub mod plan;
pub mod program;
pub mod scope;
pub mod standardize;
mod vector;
pub mod window;

pub use moments::LIMIT;
pub use vector::Vector;
