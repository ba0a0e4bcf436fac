//! Trill's client for boards.
#![no_std]
#![forbid(unsafe_code)]
#![allow(async_fn_in_trait)]

#[cfg(test)]
extern crate std;

pub mod board;
pub mod pcm;
pub mod radio;
pub mod server;

mod buffer;
mod console;
mod line;
mod network;
mod player;
mod screen;
mod state;
mod wish;
