//! Turns connections away that there is no room for: eight bytes, and a moment for the client to read them.
//!
//! A thread of its own does it for all of them, so that no client can keep the listener waiting, and a client that is
//! turned away costs no thread.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use trill_proto::error::Refusal;
use trill_proto::message::refusal;

use crate::link::bid_farewell;
use crate::threads;

/// Connections that may wait to be closed; what comes above that is closed at once, and may not read its refusal.
const MAX_QUEUED: usize = 64;

/// How long a client may take to read its refusal and close.
const PATIENCE: Duration = Duration::from_secs(1);

/// A handle to the porter's thread, which ends when the handle is dropped.
#[derive(Debug)]
pub(crate) struct Porter {
    queue: SyncSender<(TcpStream, Instant)>,
}

impl Porter {
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start() -> io::Result<Self> {
        let (queue, turned_away) = sync_channel(MAX_QUEUED);
        threads::spawn("porter", move || close_all(&turned_away))?;
        Ok(Self { queue })
    }

    /// Tells the client that the server is busy, and closes the connection. Does not wait.
    pub(crate) fn turn_away(&self, stream: TcpStream) {
        // Eight bytes always fit into the empty buffer of a new connection.
        let written = stream.set_nonblocking(true).and_then(|()| (&stream).write_all(&refusal(Refusal::Busy)));
        if written.and_then(|()| stream.set_nonblocking(false)).is_ok() {
            let _ = self.queue.try_send((stream, Instant::now() + PATIENCE));
        }
    }
}

/// The deadlines count from the refusal, so that clients that do not close delay each other by no more than that.
fn close_all(turned_away: &Receiver<(TcpStream, Instant)>) {
    for (stream, deadline) in turned_away {
        bid_farewell(&stream, deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    #[test]
    fn everybody_reads_the_refusal_whatever_they_sent_and_however_many_do_not_close() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let porter = Porter::start().unwrap();
        let connect = || {
            let client = TcpStream::connect(address).unwrap();
            (&client).write_all(&[b'x'; 2_000]).unwrap();
            porter.turn_away(listener.accept().unwrap().0);
            client
        };
        let _lazy: Vec<_> = (0..10).map(|_| connect()).collect();
        let mut answer = Vec::new();
        connect().read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"TRNO\x03\x01\0\0");
    }
}
