//! What Trill's two programs for PCs share as command-line programs: [options](Arguments) and [signals].

mod arguments;
pub mod signals;

pub use arguments::{ArgumentError, Arguments};
