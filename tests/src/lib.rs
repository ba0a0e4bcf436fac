//! The harness of Trill's end-to-end tests: real processes, real sockets, real sound.
//!
//! | module | what it gives a test |
//! |---|---|
//! | [`binaries`] | freshly built `trill-server` and `trill`, also for another machine that is emulated |
//! | [`server`], [`client`], [`terminal`] | the two programs running: their addresses, output, screens and costs |
//! | [`board`] | a board in QEMU: its console and its sound |
//! | [`pulse`] | a private PulseAudio whose sinks record what was played |
//! | [`corpus`] | MP3 files made for the purpose, and directories of them |
//! | [`mod@reference`] | what a file must sound like, and where two pieces of sound differ |
//! | [`proxy`] | a bad network between the two programs |
//! | [`names`] | what names of hosts mean to a program, changed while it runs |
//! | [`stretch`] | how much of a song passed on each of the connections that brought it |
//! | [`raw`], [`messages`] | a peer that speaks bytes, however wrong, and whole messages |
//! | [`session`] | an honest client that holds the server to every rule of the protocol |
//! | [`listener`] | somebody who hears every byte in time, whatever happens to others |
//! | [`fake_server`] | a server in the test's own process, honest, and cut off on demand |
//! | [`scenarios`] | what every client must do, on a laptop and on a board |
//! | [`soak`] | fifty clients of all kinds on one server, for as long as one likes |
//! | [`load`] | thousands of listeners on one thread, and what a server takes for them |
//! | [`mod@bench`] | Trill beside what a person would pick instead |
//! | [`wait`] | waiting for something to happen, with a deadline |
//!
//! Everything here serves tests, so what cannot be set up panics with a sentence that says why;
//! a missing system package is named. Nothing sleeps to make sure: every wait has a condition and a deadline.
//! The modules that read /proc, open terminals or run PulseAudio are there on Linux alone. A guard ([`server::ServerProcess`], [`pulse::PulseServer`], …) ends what it started when it is dropped.
#![forbid(unsafe_code)]

pub mod binaries;
pub mod fake_server;
pub mod pcm;
pub mod reference;
pub mod scenarios;

#[cfg(target_os = "linux")]
pub mod bench;
#[cfg(target_os = "linux")]
pub mod board;
#[cfg(target_os = "linux")]
pub mod client;
#[cfg(target_os = "linux")]
pub mod corpus;
#[cfg(target_os = "linux")]
pub mod listener;
#[cfg(target_os = "linux")]
pub mod load;
#[cfg(target_os = "linux")]
pub mod messages;
#[cfg(target_os = "linux")]
pub mod names;
#[cfg(target_os = "linux")]
pub mod process;
#[cfg(target_os = "linux")]
pub mod proxy;
#[cfg(target_os = "linux")]
pub mod pulse;
#[cfg(target_os = "linux")]
pub mod raw;
#[cfg(target_os = "linux")]
pub mod server;
#[cfg(target_os = "linux")]
pub mod session;
#[cfg(target_os = "linux")]
pub mod soak;
#[cfg(target_os = "linux")]
pub mod stretch;
#[cfg(target_os = "linux")]
pub mod terminal;
#[cfg(target_os = "linux")]
pub mod usage;
#[cfg(target_os = "linux")]
pub mod wait;
