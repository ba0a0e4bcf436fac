//! The user interface: pure functions from state to text, and the terminal.

pub mod console;
pub mod details;
pub mod json;
pub mod keys;
pub mod look;
pub mod prompt;
pub mod status;
pub mod table;
pub mod text;
