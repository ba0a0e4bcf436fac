//! The harness of Trill's end-to-end tests: real processes, real sockets, real sound.
//!
//! | module | provides |
//! |---|---|
//! | [`binaries`] | freshly built `trill-server` and `trill`, also for an emulated machine |
//! | [`server`], [`client`], [`terminal`] | the running programs: addresses, output, screens and costs |
//! | [`board`] | a board in QEMU: its console and its sound |
//! | [`pulse`] | a private PulseAudio server whose sinks are recorded |
//! | [`bus`] | a private D-Bus session bus, and `playerctl` on it |
//! | [`corpus`] | generated MP3 files, and directories of them |
//! | [`mod@reference`] | the expected sound of a file, and comparison of sounds |
//! | [`proxy`] | a bad network between the two programs |
//! | [`names`] | host names of a program, changeable while it runs |
//! | [`stretch`] | the part of a song that passed on each connection |
//! | [`raw`], [`messages`] | peers for arbitrary bytes and for whole messages |
//! | [`session`] | a client that checks every protocol rule for servers |
//! | [`listener`] | a listener that requires every byte in time |
//! | [`fake_server`] | a correct server in the test's process that drops connections on demand |
//! | [`scenarios`] | scenarios for every client, on laptops and boards |
//! | [`soak`] | fifty clients of all kinds against one server for a long time |
//! | [`load`] | thousands of listeners on one thread, and measurement of the server |
//! | [`mod@bench`] | benchmarks next to comparable programs |
//! | [`wait`] | waits for conditions with a deadline |
//!
//! A helper that cannot be set up panics with the reason, such as a missing system package. Nothing sleeps for a fixed
//! time: every wait has a condition and a deadline. The modules that read /proc, open terminals or run PulseAudio exist
//! only on Linux. A guard ([`server::ServerProcess`], [`pulse::PulseServer`], …) stops what it started when it is
//! dropped.
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
pub mod bus;
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
pub mod namespace;
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
