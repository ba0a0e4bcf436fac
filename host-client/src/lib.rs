//! Trill's client for a PC: plays music from a Trill server on this machine.
//!
//! ```text
//!   socket ⇄ network ──▶ ┌────────────────┐ ──▶ decode loop ──▶ output: ring ──▶ device
//!                        │ shared: Player │                         ▲
//!   app: commands   ──▶  └────────────────┘ ──▶ pause, discard ─────┘
//!    ▲ ui: prompt          │ events
//!    └─────────────────────┘ ui: console
//! ```
//!
//! | module | contents |
//! |---|---|
//! | [`options`] | the command line |
//! | [`app`] | the main loop: executes commands and shows events |
//! | [`shared`] | the player, which all threads share under one lock |
//! | [`network`] | a connection: a socket and its two threads |
//! | [`decode_loop`] | the thread that decodes and writes to the output |
//! | [`decoder`] | MP3 frames to PCM; the only module that uses minimp3, and the only one with `unsafe` |
//! | [`output`] | sound device, WAV file or null output; the only module that uses cpal |
//! | [`ui`] | the prompt, and functions from state to text |
//!
//! [`trill_player`] decides what to play, what to request and what to do after a cut. [`trill_proto`] encodes the messages.
//! Both are the same on boards.
//!
//! # Threads and hand-overs
//!
//! In these diagrams an arrow is labelled with what wakes the next thread. The connection and the output are open.
//!
//! From the typed line `play 3` to the first sample in the ring:
//!
//! ```text
//!                 terminal             channel            condvar `Shared::network`
//!   (user) ──────────────────▶ prompt ─────────▶ app ─────────────────────────────▶ network writer
//!                                                                                         │ socket
//!                                                                                         ▼
//!   ring ◀── decoder ◀──────────────────────────────────────────── network reader ◀── (server)
//!      push, wakes    condvar `Shared::changed` if it waits for a song,           socket
//!      no thread      the output's condvar if it waits for room in the ring
//! ```
//!
//! 1. `prompt` reads the line and sends it to `app`, which runs on the main thread.
//! 2. `app` calls `Player::play` under the lock. `Shared::settle` collects PLAY and wakes the writer.
//! 3. `network writer` writes PLAY to the socket. The old song plays on.
//! 4. `network reader` receives STARTED and DATA. STARTED discards the samples of the old song.
//! 5. `decoder` opens the device if it is not open in the song's format, decodes and fills the ring.
//!
//! These are three hand-overs inside the program: one channel and two condition variables. The terminal and the socket wake
//! a thread each. If DATA arrives after STARTED or in several pieces, the reader wakes the decoder for each, until it has
//! enough to begin. The reader's events for `app` and the text for the `screen` thread, which draws, are not on this path.
//!
//! From the socket to the ring while a song plays:
//!
//! ```text
//!            socket                   lock                      timer
//!   (server) ──────▶ network reader ──────▶ Player's buffer ──────────▶ decoder ──▶ ring ──▶ audio callback
//!      ▲                                                      200 ms       │            (woken by the device)
//!      │ socket                                                            │ condvar `Shared::network`,
//!      └───────────── network writer ◀─────────────────────────────────────┘ if a CREDIT is due
//! ```
//!
//! No thread wakes another on the way to the ring: the socket wakes the reader, a timer wakes the decoder, and the device
//! calls the audio callback. The reader notifies `Shared::changed`, but the decoder waits there only when the buffer is
//! empty. Otherwise it waits for room in the ring and checks every 200 ms. Bytes that leave the buffer make a CREDIT due from
//! time to time; then the decoder wakes the writer. While the buffer still fills, the reader wakes the writer for CREDITs.
//!
//! A WAV file has no ring: the decoder waits only for bytes, on `Shared::changed`, and wakes for every read of the reader.
//!
//! The remaining threads are not on these paths. `connect` looks up the server, tries each address on a thread of its own,
//! and becomes the network reader. `signals` waits for signals, and at a prompt `job control` waits for SIGCONT. cpal has
//! its own threads and calls the audio callback on one of them. The null output has one thread.

pub mod app;
pub mod decode_loop;
pub mod decoder;
pub mod network;
pub mod options;
pub mod output;
pub mod shared;
pub mod ui;
