//! Command-line [options](Arguments) and [signals], for Trill's programs on a PC.

mod arguments;
pub mod signals;

pub use arguments::{ArgumentError, Arguments};
