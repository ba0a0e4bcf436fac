//! Trill's client for a PC: plays the music of a Trill server on this machine.

pub mod decoder;
pub mod ui;
