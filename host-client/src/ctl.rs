//! `trill ctl COMMAND`: commands the player that runs in another terminal, through a Unix socket.
//!
//! ```text
//!   trill ctl next ──▶ $XDG_RUNTIME_DIR/trill/ctl.PID ──▶ connection thread ──▶ app
//!        ▲                                                       │   answers
//!        └───────────────────────────────────────────────────────┘
//! ```
//!
//! Each player listens on a socket of its own. A client sends one line for each command and gets lines back:
//!
//! | line | meaning |
//! |---|---|
//! | `out TEXT` | a line of the result |
//! | `err TEXT` | an error |
//! | `end N` | the command is done, with this exit status |
//!
//! With ` --json` at the end of a line, results are JSON. The line `status --json --follow` gets the status now and at every
//! change, until one side ends. A player serves at most a few clients, reads short lines,
//! and closes the connection of a client that stalls. So no client can stop the music.

mod client;
mod server;
mod socket;

pub use client::run;
pub use server::Server;
