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
        let mut filled = 0;
        while filled < scratch.len() {
            match self.stream.read(&mut scratch[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.traffic.received_bytes += filled as u64;
        Ok(filled)
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
        if !text.lines().next().is_some_and(|status| status.contains(" 200")) {
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
        let count = match self.stream.read(scratch) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.traffic.received_bytes += count as u64;
        if self.is_playing {
            self.traffic.payload_bytes += count as u64;
            Ok(())
        } else {
            self.take_header(&scratch[..count])
        }
    }

    fn on_tick(&mut self, _now: Instant, needed: u32, scratch: &mut [u8]) -> io::Result<Tick> {
        if self.is_greedy {
            return Ok(if self.is_playing { Tick::Full } else { Tick::Silent });
        }
        let wanted = if self.is_playing { needed as usize } else { 1_024 };
        let count = self.fill(&mut scratch[..wanted])?;
        if !self.is_playing {
            self.take_header(&scratch[..count])?;
            return Ok(Tick::Silent);
        }
        self.traffic.payload_bytes += count as u64;
        Ok(if count == wanted || self.is_over() { Tick::Full } else { Tick::Short })
    }

    fn is_over(&self) -> bool {
        self.expected.is_some_and(|expected| self.traffic.payload_bytes >= expected)
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}
