//! Makes Trill's three demo songs, from the notes to the MP3 files in `server/assets`.
//!
//! ```text
//! songs ──▶ score ──▶ instrument ──▶ mixer, reverb ──▶ wav ──▶ encode
//! text      notes     one note       the piece         bytes   lame
//! ```
//!
//! Everything up to the encoder is this crate's own and gives the same samples on every machine: see
//! `exact` for how. It is a tool and a test fixture, not a synthesis library: it plays these three songs.

#![forbid(unsafe_code)]

mod encode;
mod exact;
mod instrument;
mod mixer;
mod random;
mod reverb;
mod score;
mod songs;
mod wav;

pub use encode::{EncodeError, encode};
pub use score::ScoreError;
pub use songs::{Song, songs};
pub use wav::Pcm;
