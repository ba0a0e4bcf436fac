//! What the user sees: pure functions from state to text, and the terminal it is shown on.

pub mod console;
pub mod details;
pub mod prompt;
pub mod status;
pub mod table;
pub mod text;
