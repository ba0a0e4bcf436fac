//! What is in an MP3 file: its tags, its frames, how long it is, where a time lies in it. Nothing is decoded.
//!
//! ```text
//!   source      positioned reads
//!     │
//!     ├─► tags                                title, artist, album, track
//!     └─► extent      where the audio lies, between the tags at either end
//!           └─► frames ◄── header             the frames that a decoder finds there
//!                 ├─► duration ◄── info_tag   how long the music is, and what to trim
//!                 │     └─► content_tag       names the audio by its bytes
//!                 └─► seek                    from a time to the frame to start with
//! ```
//!
//! Every file is untrusted input. All reading is bounded in memory, whatever a file says of itself.

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
