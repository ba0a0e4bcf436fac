//! A server in this process, clients on real sockets, and songs to serve.
#![allow(dead_code, unused_imports, unreachable_pub, missing_docs, reason = "each test file uses a part of it")]

mod client;
mod raw;
mod songs;

pub use client::{Seen, TestClient};
pub use raw::{Frame, Raw, encoded};
pub use songs::{Music, mp3, mp3_of_bytes};

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use trill_server::library::{Library, Options, Source};
use trill_server::{Config, Server};

/// Long enough for a machine on its knees; nothing waits this long if all is well.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Serves `directory` on a free port of the loopback address.
pub fn serve(directory: &Path) -> Server {
    serve_with(directory, Config::default())
}

pub fn serve_with(directory: &Path, config: Config) -> Server {
    let library = Library::open(Source::Directory(directory.into()), Options::default()).expect("a directory");
    library.wait_until_scanned();
    start(library, config)
}

pub fn start(library: Arc<Library>, config: Config) -> Server {
    let socket = Server::bind(Some(any_port())).expect("a free port");
    Server::start(socket, library, Config { name: "attic".into(), ..config }).expect("a server")
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
