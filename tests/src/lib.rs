//! The harness of Trill's end-to-end tests: real processes, real sockets, real sound.
//!
//! | module | what it gives a test |
//! |---|---|
//! | [`binaries`] | freshly built `trill-server` and `trill` |
//! | [`server`], [`client`], [`terminal`] | the two programs running: their addresses, output, screens and costs |
//! | [`pulse`] | a private PulseAudio whose sinks record what was played |
//! | [`corpus`] | MP3 files made for the purpose, and directories of them |
//! | [`mod@reference`] | what a file must sound like, and where two pieces of sound differ |
//! | [`proxy`] | a bad network between the two programs |
//! | [`raw`], [`messages`] | a peer that speaks bytes, however wrong, and whole messages |
//! | [`session`] | an honest client that holds the server to every rule of the protocol |
//! | [`wait`] | waiting for something to happen, with a deadline |
//!
//! Everything here serves tests, so what cannot be set up panics with a sentence that says why;
//! a missing system package is named. Nothing sleeps to make sure: every wait has a condition and a deadline.
//! A guard ([`server::ServerProcess`], [`pulse::PulseServer`], …) ends what it started when it is dropped.
#![forbid(unsafe_code)]
#![cfg(target_os = "linux")]

pub mod binaries;
pub mod client;
pub mod corpus;
pub mod messages;
pub mod pcm;
pub mod process;
pub mod proxy;
pub mod pulse;
pub mod raw;
pub mod reference;
pub mod server;
pub mod session;
pub mod terminal;
pub mod usage;
pub mod wait;
