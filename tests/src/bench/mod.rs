//! Trill beside what a person would pick instead, in one run on one machine: the work of `cargo xtask bench`.
//!
//! | section | what is measured | beside |
//! |---|---|---|
//! | `listeners` | a server's CPU time and memory for 500 to 10,000 listeners, and whether any is late | nginx, Icecast |
//! | `throughput` | a song without the pace of its music | nginx, with curl and without |
//! | `wire` | bytes beyond the music, on a fast path and on slow ones | HTTP/1.1 |
//! | `play` | from `play N` and from a switch to the first sample, near and far; stale sound | mpg123, ffmpeg |
//! | `client` | CPU and memory of a player for an hour of music | mpg123, ffmpeg |
//! | `list` | all songs of a library, to the first entry and to the last | MPD |
//! | `scan` | a cold start on a library, to listening and to knowing everything; memory | MPD |
//! | `allocations` | how often memory is asked for while music plays | |
//! | `boards` | instructions and memory of the boards' client | minimp3 and Helix in C |
//!
//! A section measures Trill and its peers in turn, [round](Plan::rounds) by round, so that what else the machine does
//! strikes both. What counts is the median, and [the worst round](figures::Target::Always) of what must never happen.
//! Ratios say more than figures: those depend on the machine.
//!
//! Everything runs on the loopback address, and every program as it ships: released, with the options that a person would
//! give it. What is measured of a server is what the kernel counts for its process.

pub mod figures;
pub mod list;
pub mod lister;
pub mod peers;
pub mod results;
pub mod scan;
pub mod trees;

mod allocations;
mod boards;
mod client;
mod generator;
mod listeners;
mod machine;
mod picture;
mod play;
mod throughput;

pub use machine::Machine;

use figures::Row;

/// How thoroughly.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often each figure is taken, of Trill and of its peers in turn.
    pub rounds: usize,
}

/// A part of the benchmarks, which can be run alone.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it is called in the results.
    pub title: &'static str,
    /// What is measured, and how: a paragraph for the results.
    pub about: &'static str,
    /// Takes its figures.
    pub measure: fn(&Plan) -> Vec<Row>,
}

/// All sections, in the order of the results.
pub const SECTIONS: &[Section] = &[
    listeners::SECTION,
    throughput::THROUGHPUT,
    throughput::WIRE,
    play::PLAY,
    client::CLIENT,
    list::SECTION,
    scan::SECTION,
    allocations::SECTION,
    boards::SECTION,
];
