//! MP3 files: tags, frames, duration, seeking. Nothing is decoded.
//!
//! ```text
//!   source      positioned reads
//!     │
//!     ├─► tags                                title, artist, album, track
//!     └─► extent      the position of the audio between the tags
//!           └─► frames ◄── header             the frames that a decoder finds there
//!                 ├─► duration ◄── info_tag   the duration of the music, and what to trim
//!                 │     └─► content_tag       a hash that identifies the audio
//!                 └─► seek                    from a time to the frame to start with
//! ```
//!
//! Every file is untrusted input. Memory is bounded, whatever a file states.

pub(crate) mod cancellable;
pub(crate) mod content_tag;
pub(crate) mod duration;
mod extent;
mod frames;
mod header;
mod info_tag;
pub(crate) mod seek;
pub(crate) mod source;
pub(crate) mod tags;

#[cfg(test)]
pub(crate) mod tests;
