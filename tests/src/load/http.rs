//! A listener on an HTTP/1.1 server. It requests a file and reads it at the rate of the music, as players do.

use super::{Listener, Tick, Traffic, closed};
use rustix::event::epoll::EventFlags;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// Size of one read of the header. It may include music.
const HEADER_BYTES: usize = 1_024;

/// Largest header of an honest server.
const MOST_HEADER_BYTES: usize = 16 * 1_024;

pub(super) struct HttpListener {
    stream: TcpStream,
    /// The received part of the header; empty when it is complete.
    header: Vec<u8>,
    /// Whether the header is complete.
    is_playing: bool,
    /// Whether a whole tick of music has arrived, so that it plays.
    is_sounding: bool,
    /// The announced size of the file, if any.
    expected: Option<u64>,
    /// Whether the server has closed its side.
    is_closed: bool,
    is_greedy: bool,
    traffic: Traffic,
}

impl HttpListener {
    pub(super) fn new(mut stream: TcpStream, path: &str, is_greedy: bool) -> io::Result<Self> {
        let address = stream.peer_addr()?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: load\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        stream.set_nonblocking(true)?;
        let traffic = Traffic { sent_bytes: request.len() as u64, ..Traffic::default() };
        Ok(Self {
            stream,
            header: Vec::new(),
            is_playing: false,
            is_sounding: false,
            expected: None,
            is_closed: false,
            is_greedy,
            traffic,
        })
    }

    /// Reads once. Returns the number of bytes.
    fn read(&mut self, scratch: &mut [u8]) -> io::Result<usize> {
        let count = match self.stream.read(scratch) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        self.is_closed |= count == 0;
        self.traffic.received_bytes += count as u64;
        Ok(count)
    }

    /// Reads until `scratch` is full or no input is left. Returns the number of bytes.
    fn fill(&mut self, scratch: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < scratch.len() {
            match self.read(&mut scratch[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// Counts received `bytes`.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_playing {
            self.traffic.payload_bytes += bytes.len() as u64;
        } else {
            self.take_header(bytes)?;
        }
        match self.expected {
            Some(expected) if self.traffic.payload_bytes > expected => Err(io::Error::other("more than was announced")),
            _ if self.is_closed && !self.is_over() => Err(closed()),
            _ => Ok(()),
        }
    }

    /// Parses received `bytes` of the header. The rest is music.
    fn take_header(&mut self, bytes: &[u8]) -> io::Result<()> {
        const END: &[u8] = b"\r\n\r\n";
        self.header.extend_from_slice(bytes);
        let Some(end) = self.header.windows(END.len()).position(|window| window == END) else {
            let is_endless = self.header.len() > MOST_HEADER_BYTES;
            return if is_endless { Err(io::Error::other("no header")) } else { Ok(()) };
        };
        let text = String::from_utf8_lossy(&self.header[..end]);
        let status = text.lines().next().unwrap_or_default();
        if status.split_whitespace().nth(1) != Some("200") {
            return Err(io::Error::other(format!("the server answers {status:?}")));
        }
        let length = |line: &str| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok();
        self.expected = text.lines().find_map(length);
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
        let count = self.read(scratch)?;
        self.take(&scratch[..count])
    }

    fn on_tick(&mut self, _now: Instant, needed: u32, scratch: &mut [u8]) -> io::Result<Tick> {
        if self.is_greedy {
            return Ok(if self.traffic.payload_bytes > 0 { Tick::Full } else { Tick::Silent });
        }
        if !self.is_playing {
            let count = self.fill(&mut scratch[..HEADER_BYTES])?;
            self.take(&scratch[..count])?;
        }
        if !self.is_playing {
            return Ok(Tick::Silent);
        }
        let wanted = needed as usize;
        let count = self.fill(&mut scratch[..wanted])?;
        self.take(&scratch[..count])?;
        let is_full = count == wanted || self.is_over();
        self.is_sounding |= is_full;
        Ok(match (is_full, self.is_sounding) {
            (true, _) => Tick::Full,
            (false, true) => Tick::Short,
            (false, false) => Tick::Silent,
        })
    }

    fn is_over(&self) -> bool {
        // Without a size, the end of the connection is the end of the file.
        match self.expected {
            Some(expected) => self.traffic.payload_bytes >= expected,
            None => self.is_playing && self.is_closed,
        }
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}
