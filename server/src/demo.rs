//! The songs that are built in: what is served without a directory.
//!
//! Composed for Trill; `server/assets/README.md` tells how they are made and that they are free for any use.

use crate::library::BuiltIn;

macro_rules! songs {
    ($($name:literal),* $(,)?) => {
        &[$(BuiltIn { name: $name, bytes: include_bytes!(concat!("../assets/", $name)) }),*]
    };
}

/// The songs that are built in.
pub const SONGS: &[BuiltIn] = songs!["01 Paper Kites.mp3", "02 Lantern Light.mp3", "03 Three Swifts.mp3"];
