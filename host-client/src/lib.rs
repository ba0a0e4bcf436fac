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
//! | [`settings`] | what a user can set: environment, `config.toml`, `state.toml` |
//! | [`server`] | the server to connect to, why it was chosen, and how to find it |
//! | [`discovery`] | the servers on the local network; the only module that uses mdns-sd |
//! | [`remote`] | commands from outside the program, by [`ctl`] from another terminal and by [`mpris`] from the desktop |
//! | [`app`] | the main loop: executes commands and shows events |
//! | [`shared`] | the player, which all threads share under one lock |
//! | [`network`] | a connection: a socket, and the thread that reads it |
//! | [`decode_loop`] | the thread that decodes and writes to the output |
//! | [`decoder`] | MP3 frames to PCM; the only module that uses minimp3, and the only one with `unsafe` |
//! | [`output`] | sound device, WAV file or null output; the only module that uses cpal |
//! | [`ui`] | the prompt, and functions from state to text |
//! | [`browse`] | the full screen: its state, keys and drawing |
//!
//! [`trill_player`] decides what to play, what to request and what to do after a cut. [`trill_proto`] encodes the messages.
//! Both are the same on boards.
//!
//! # How an answer finds who has asked
//!
//! The prompt, clients outside the program, the full screen and the completion of titles all ask the server through the one
//! player. It sends one question at a time, in order, and each ends exactly once: with its answer, or without one. `app` keeps
//! one queue of open questions beside it, each with its purpose and the client that has asked, and passes them on as the player
//! has room. So every page, every `info` and every refusal of a question belongs to the first of them.
//!
//! # Threads and hand-overs
//!
//! In these diagrams the label of an arrow says what wakes the next thread. The connection and the output are open.
//!
//! From the typed line `play 3` to the first sample in the ring:
//!
//! ```text
//!              terminal            channel        socket, without waiting
//!   (user) ───────────────▶ prompt ───────▶ app ───────────────────────────▶ (server)
//!                                                                                │ socket
//!                                                                                ▼
//!   ring ◀── decoder ◀──────────────────────────────────────────────────────── network
//!      push, wakes    condvar `Shared::changed` if it waits for a song,
//!      no thread      the output's condvar if it waits for room in the ring
//! ```
//!
//! 1. `prompt` reads the line and sends it to `app`, which runs on the main thread.
//! 2. `app` calls `Player::play` under the lock. `Shared::settle` sends PLAY. The old song plays on.
//! 3. `network` receives STARTED and DATA. STARTED discards the samples of the old song.
//! 4. `decoder` opens the device if it is not open in the song's format, decodes and fills the ring.
//!
//! These are two hand-overs inside the program, and both are needed. The prompt waits for keys while `app` goes on. The
//! decoder waits for the output while `network` goes on. The terminal and the socket wake a thread each.
//!
//! Three other wakes may happen. PLAY may move the network thread's next deadline forward; then `app` wakes it. Events of
//! the network and of the decoder wake `app`. If DATA arrives after STARTED or in several pieces, `network` wakes the decoder
//! for each, until it has enough to begin.
//!
//! From the socket to the ring while a song plays:
//!
//! ```text
//!            socket            lock                      timer
//!   (server) ──────▶ network ──────▶ Player's buffer ──────────▶ decoder ──▶ ring ──▶ audio callback
//!      ▲                │                                200 ms     │            (woken by the device)
//!      └────────────────┴───────────────────────────────────────────┘ socket, without waiting, if a CREDIT is due
//! ```
//!
//! No thread wakes another: the socket wakes `network`, a timer wakes the decoder, and the device calls the audio callback.
//! `network` notifies `Shared::changed`, but the decoder waits there only when the buffer is empty. Otherwise it waits for
//! room in the ring and checks every 200 ms. Bytes that leave the buffer make a CREDIT due from time to time; then the decoder
//! sends it. While the buffer still fills, `network` sends the CREDITs. If the socket takes no more bytes, `network` sends the
//! rest when it does.
//!
//! A WAV file has no ring: the decoder waits only for bytes, on `Shared::changed`, and wakes for every read of `network`.
//!
//! The remaining threads are not on these paths.
//!
//! | thread | waits for | may block on |
//! |---|---|---|
//! | `app`, the main thread | its channel | the terminal or pipe that it writes to; a device that is opened |
//! | `prompt`, `keys` or `input` | lines or keys of the terminal, or lines of standard input | nothing else |
//! | `network` | the socket, a deadline, a wake | nothing else; before that it searches for the server and looks up its name |
//! | mdns-sd's daemon, while a server is searched by its name | multicast answers | nothing else |
//! | `connect`, one for each address that is tried | the TCP handshake | nothing else |
//! | `decoder` | bytes, room in the ring | a device that is opened; the disk of a WAV file |
//! | `signals`; `job control` at a terminal | signals; SIGCONT | nothing else |
//! | `ctl`; `ctl client` for each client | connections; a line, then the answers of `app` | a client's socket |
//! | `mpris` | the session bus, changes of the status | nothing else |
//! | cpal's audio callback | | nothing: it takes no lock |
//! | the null output | its clock | nothing else |
//!
//! A thread that holds the lock of `Shared` never waits: it sends without waiting and decodes at most one frame.

pub mod app;
pub mod browse;
#[cfg(unix)]
pub mod ctl;
pub mod decode_loop;
pub mod decoder;
pub mod discovery;
#[cfg(all(target_os = "linux", feature = "mpris"))]
pub mod mpris;
pub mod network;
pub mod options;
pub mod output;
pub mod remote;
pub mod server;
pub mod settings;
pub mod shared;
pub mod ui;
