//! What the player decides, on a virtual clock, against the server's session machine.

mod albums;
mod cuts;
mod decoder;
mod loudness;
mod pause_and_seek;
mod playlist;
mod questions;
mod queue;
mod searches;
mod switches;
mod world;
