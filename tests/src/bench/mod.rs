//! Benchmarks Trill next to comparable programs on one machine: the work of `cargo xtask bench`.
//!
//! | section | measures | next to |
//! |---|---|---|
//! | `listeners` | CPU time and memory of a server with 500 to 10,000 listeners, and late music | nginx, Icecast |
//! | `throughput` | transfer of a song without a rate limit | nginx, with curl and without |
//! | `wire` | bytes beyond the music, on fast and slow paths | HTTP/1.1 |
//! | `play` | time from `play N` and from a switch to the first sample, on short and long paths; stale sound | mpg123, ffmpeg |
//! | `client` | CPU time and memory of a player for an hour of music | mpg123, ffmpeg |
//! | `start` | time to the prompt, and memory there while music plays | |
//! | `list` | time to the first and the last entry of a list of all songs | MPD |
//! | `scan` | cold start on a library: time to listening and to completion; memory | MPD |
//! | `allocations` | memory allocations during playback | |
//! | `boards` | instructions and memory of the boards' client | minimp3 and Helix in C |
//!
//! A section measures Trill and its peers alternately, [round](Plan::rounds) by round, so that the machine's other load
//! affects both. The median counts; for events that must never happen, [the worst round](figures::Target::Always) does.
//! Ratios are more meaningful than figures, which depend on the machine.
//!
//! Everything runs on the loopback address. Programs are release builds with usual options. Server figures come from
//! the kernel's counters for the process.

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
mod start;
mod throughput;

pub use machine::Machine;

use figures::Row;

/// The extent of a run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Measurements per figure, alternately of Trill and of its peers.
    pub rounds: usize,
}

/// A part of the benchmarks that can run alone.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its title in the results.
    pub title: &'static str,
    /// What it measures and how: a paragraph for the results.
    pub about: &'static str,
    /// Measures its rows.
    pub measure: fn(&Plan) -> Vec<Row>,
}

/// All sections, in the order of the results.
pub const SECTIONS: &[Section] = &[
    listeners::SECTION,
    throughput::THROUGHPUT,
    throughput::WIRE,
    play::PLAY,
    client::CLIENT,
    start::SECTION,
    list::SECTION,
    scan::SECTION,
    allocations::SECTION,
    boards::SECTION,
];
