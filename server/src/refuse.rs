//! Refuses connections that the server has no room for.
//!
//! One thread closes all of them: a refused client cannot block the listener and needs no thread of its own.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use trill_proto::error::Refusal;
use trill_proto::message::refusal;

use crate::close::lingering_close;
use crate::threads;

/// Connections that may wait for their lingering close. Further ones are closed at once and may lose their refusal.
const MAX_QUEUED: usize = 64;

/// How long a client may take to read its refusal and close.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// A handle to the thread that closes refused connections. The thread ends when the handle is dropped.
#[derive(Debug)]
pub(crate) struct Refuser {
    queue: SyncSender<(TcpStream, Instant)>,
}

impl Refuser {
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start() -> io::Result<Self> {
        let (queue, refused) = sync_channel(MAX_QUEUED);
        threads::spawn("refuse", move || close_all(&refused))?;
        Ok(Self { queue })
    }

    /// Tells the client that the server is busy, and closes the connection. Does not block.
    pub(crate) fn refuse(&self, stream: TcpStream) {
        // Eight bytes always fit into the empty send buffer of a new connection.
        let written = stream.set_nonblocking(true).and_then(|()| (&stream).write_all(&refusal(Refusal::Busy)));
        if written.and_then(|()| stream.set_nonblocking(false)).is_ok() {
            let _ = self.queue.try_send((stream, Instant::now() + LINGER_TIMEOUT));
        }
    }
}

/// The deadlines start at the refusal, so clients that do not close delay each other by one time-out at most.
fn close_all(refused: &Receiver<(TcpStream, Instant)>) {
    for (stream, deadline) in refused {
        lingering_close(&stream, deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    #[test]
    fn every_client_reads_its_refusal_while_others_do_not_close() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let refuser = Refuser::start().unwrap();
        let connect = || {
            let client = TcpStream::connect(address).unwrap();
            (&client).write_all(&[b'x'; 2_000]).unwrap();
            refuser.refuse(listener.accept().unwrap().0);
            client
        };
        let _lazy: Vec<_> = (0..10).map(|_| connect()).collect();
        let mut answer = Vec::new();
        connect().read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"TRNO\x03\x01\0\0");
    }
}
