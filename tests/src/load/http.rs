//! A listener on a server that speaks HTTP/1.1: it asks for a file and takes it from the socket as its music needs it, as
//! players do.

use super::{Listener, Tick, Traffic};
use rustix::event::epoll::EventFlags;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// No honest server's header is longer.
const MOST_HEADER_BYTES: usize = 16 * 1_024;

pub(super) struct HttpListener {
    stream: TcpStream,
    /// What has come of the header; empty when it is complete.
    header: Vec<u8>,
    is_playing: bool,
    /// Bytes that are to come in all, if the header told.
    expected: Option<u64>,
    is_greedy: bool,
    traffic: Traffic,
}

impl HttpListener {
    pub(super) fn connect(address: SocketAddr, path: &str, is_greedy: bool) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: load\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        stream.set_nonblocking(true)?;
        let traffic = Traffic { sent_bytes: request.len() as u64, ..Traffic::default() };
        Ok(Self { stream, header: Vec::new(), is_playing: false, expected: None, is_greedy, traffic })
    }

    /// Reads into `scratch` until it is full or nothing is left, and returns how many bytes that were.
    fn fill(&mut self, scratch: &mut [u8]) -> io::Result<usize> {
        let (mut filled, mut is_end) = (0, false);
        while filled < scratch.len() && !is_end {
            match self.stream.read(&mut scratch[filled..]) {
                Ok(0) => is_end = true,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.take(&scratch[..filled])?;
        if is_end { self.take_end().map(|()| filled) } else { Ok(filled) }
    }

    /// Counts what has come.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.traffic.received_bytes += bytes.len() as u64;
        if self.is_playing {
            self.traffic.payload_bytes += bytes.len() as u64;
        } else {
            self.take_header(bytes)?;
        }
        match self.expected {
            Some(expected) if self.traffic.payload_bytes > expected => Err(io::Error::other("more than was announced")),
            _ => Ok(()),
        }
    }

    /// The server has closed its side: that ends a file whose length it has not told, and no other.
    fn take_end(&mut self) -> io::Result<()> {
        let expected = *self.expected.get_or_insert(self.traffic.payload_bytes);
        let is_whole = self.is_playing && self.traffic.payload_bytes == expected;
        if is_whole { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Takes `bytes` of the header, and what may have come of the music with it.
    fn take_header(&mut self, bytes: &[u8]) -> io::Result<()> {
        const END: &[u8] = b"\r\n\r\n";
        self.header.extend_from_slice(bytes);
        let Some(end) = self.header.windows(END.len()).position(|window| window == END) else {
            let is_endless = self.header.len() > MOST_HEADER_BYTES;
            return if is_endless { Err(io::Error::other("no header")) } else { Ok(()) };
        };
        let text = String::from_utf8_lossy(&self.header[..end]).to_lowercase();
        let status = text.lines().next().and_then(|line| line.split(' ').nth(1));
        if status != Some("200") {
            return Err(io::Error::other(text));
        }
        self.expected = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        self.traffic.payload_bytes += (self.header.len() - end - END.len()) as u64;
        self.is_playing = true;
        self.header = Vec::new();
        Ok(())
    }
}

impl Listener for HttpListener {
    fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn interest(&self) -> EventFlags {
        if self.is_greedy { EventFlags::IN } else { EventFlags::empty() }
    }

    fn on_input(&mut self, _now: Instant, scratch: &mut [u8]) -> io::Result<()> {
        match self.stream.read(scratch) {
            Ok(0) => self.take_end(),
            Ok(count) => self.take(&scratch[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn on_tick(&mut self, _now: Instant, needed: u32, scratch: &mut [u8]) -> io::Result<Tick> {
        if self.is_greedy {
            return Ok(if self.is_playing { Tick::Full } else { Tick::Silent });
        }
        let was_playing = self.is_playing;
        let wanted = if was_playing { needed as usize } else { 1_024 };
        let count = self.fill(&mut scratch[..wanted])?;
        Ok(match was_playing {
            false => Tick::Silent,
            true if count == wanted || self.is_over() => Tick::Full,
            true => Tick::Short,
        })
    }

    fn is_over(&self) -> bool {
        self.expected.is_some_and(|expected| self.traffic.payload_bytes >= expected)
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}

#[cfg(test)]
mod tests {
    use crate::load::{LoadError, Options, Report, Service, run};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    /// Of every answer: longer than what is read with a header.
    const BODY: [u8; 3_000] = [7; 3_000];

    /// Lets one listener take what a server sends that then closes.
    fn listen(answer: Vec<u8>, bytes_per_second: Option<u32>) -> Result<Report, LoadError> {
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = server.local_addr().expect("a bound socket has an address");
        let serving = thread::spawn(move || {
            let (mut client, _) = server.accept()?;
            let _ = client.read(&mut [0; 1_024])?;
            client.write_all(&answer)
        });
        let report = run(&Options {
            service: Service::Http("/".into()),
            address,
            listeners: 1,
            bytes_per_second,
            ramp: Duration::ZERO,
            settle: Duration::ZERO,
            window: Duration::from_secs(60),
            watched: vec![],
        });
        serving.join().expect("the thread does not panic").expect("a client that asks");
        report
    }

    #[track_caller]
    fn check(header: &str, body: &[u8], is_heard: bool) {
        for rate in [None, Some(12_000)] {
            let heard = listen([header.as_bytes(), body].concat(), rate).map(|report| report.whole.payload as usize);
            assert_eq!(heard.as_ref().ok(), is_heard.then_some(&body.len()), "{header:?} at {rate:?}: {heard:?}");
        }
    }

    #[test]
    fn only_a_whole_file_is_one() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n", &BODY, true);
        check("HTTP/1.1 200 OK\r\n\r\n", &BODY, true);
        check("HTTP/1.1 200 OK\r\nContent-Length: 3001\r\n\r\n", &BODY, false);
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", &BODY, false);
        check("HTTP/1.1 404 Not 200\r\nContent-Length: 3000\r\n\r\n", &BODY, false);
        check("HTTP/1.1 200 OK\r\n", &[], false);
        check("", &[], false);
    }
}
