//! What the user sees: pure functions from state to text.

pub mod status;
pub mod table;
pub mod text;
