//! MPD as a music database, with its own configuration and without sound.

use super::free_address;
use crate::bench::lister::Listed;
use crate::process::{Process, system_program};
use crate::usage::Usage;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Deadline of a start or an answer. An update of 100,000 files takes half a minute.
const DEADLINE: Duration = Duration::from_secs(300);

/// Interval of connection attempts during the start.
const CONNECT_INTERVAL: Duration = Duration::from_millis(1);

/// Size of one read, as in Trill's client.
const READ_BYTES: usize = 64 * 1024;

/// Debian's default `max_output_buffer_size` in KiB (mpd.conf(5)).
pub const USUAL_OUTPUT_KIB: u32 = 8_192;

/// A running MPD. Dropping it stops it.
#[derive(Debug)]
pub struct Mpd {
    process: Process,
    address: SocketAddr,
    started: Instant,
    /// Its configuration, database and log.
    _directory: TempDir,
}

impl Mpd {
    /// Starts it on the loopback address with the songs in `music` and an empty database, so that it updates at once.
    ///
    /// # Panics
    /// It is not installed.
    #[track_caller]
    pub fn start(music: &Path, max_output_kib: u32) -> Self {
        let directory = TempDir::with_prefix("trill-mpd-").expect("a temporary directory");
        let address = free_address();
        let configuration = directory.path().join("mpd.conf");
        fs::write(&configuration, self::configuration(directory.path(), music, address, max_output_kib))
            .expect("a writable temporary directory");
        let mut command = system_program("mpd", "mpd");
        command.arg("--no-daemon").arg(configuration);
        let started = Instant::now();
        let process = Process::spawn("mpd", command);
        Self { process, address, started, _directory: directory }
    }

    /// Lists all songs with their tags over an open connection.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] or [`io::ErrorKind::ConnectionReset`] if it closes the connection early.
    ///
    /// # Panics
    /// It has ended.
    #[track_caller]
    pub fn list(&mut self) -> io::Result<Listed> {
        self.connect().take_songs("listallinfo")
    }

    /// Lists all songs with a tag in which this text occurs.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    ///
    /// # Panics
    /// It has ended.
    #[track_caller]
    pub fn search(&mut self, text: &str) -> io::Result<Listed> {
        self.connect().take_songs(&format!("search any \"{text}\""))
    }

    /// Connects as soon as it listens.
    ///
    /// # Panics
    /// It has ended or does not listen in time.
    #[track_caller]
    fn connect(&mut self) -> Connection {
        let end = Instant::now() + DEADLINE;
        loop {
            match Connection::open(self.address) {
                Ok(connection) => return connection,
                Err(error) => {
                    assert!(!self.process.has_ended() && Instant::now() < end, "{error}: {}", self.process);
                    std::thread::sleep(CONNECT_INTERVAL);
                }
            }
        }
    }

    /// Waits until it is idle with `songs` in its database. Returns the time since its start.
    ///
    /// # Panics
    /// It is idle with another number of songs.
    #[track_caller]
    pub fn wait_until_updated(&mut self, songs: usize) -> Duration {
        let mut connection = self.connect();
        loop {
            // `idle` also reports earlier events of this connection.
            let status = connection.ask("status").expect("a status");
            if !status.contains("\nupdating_db: ") {
                break;
            }
            connection.ask("idle update").expect("the end of the update");
        }
        let elapsed = self.started.elapsed();
        let stats = connection.ask("stats").expect("figures");
        assert!(stats.contains(&format!("\nsongs: {songs}\n")), "{songs} songs: {stats}");
        elapsed
    }

    /// Its resource use.
    ///
    /// # Panics
    /// It has ended.
    #[track_caller]
    pub fn usage(&self) -> Usage {
        self.process.usage()
    }
}

/// Debian's configuration, except for private paths and no sound.
fn configuration(directory: &Path, music: &Path, address: SocketAddr, max_output_kib: u32) -> String {
    format!(
        "music_directory \"{music}\"\n\
         db_file \"{directory}/database\"\n\
         log_file \"{directory}/log\"\n\
         bind_to_address \"{}\"\n\
         port \"{}\"\n\
         zeroconf_enabled \"no\"\n\
         filesystem_charset \"UTF-8\"\n\
         max_output_buffer_size \"{max_output_kib}\"\n\
         audio_output {{\n    type \"null\"\n    name \"nothing\"\n}}\n",
        address.ip(),
        address.port(),
        music = music.display(),
        directory = directory.display(),
    )
}

/// A connection after MPD's greeting.
#[derive(Debug)]
struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let mut stream = BufReader::with_capacity(READ_BYTES, stream);
        let mut greeting = String::new();
        stream.read_line(&mut greeting)?;
        match greeting.starts_with("OK MPD ") {
            true => Ok(Self { stream }),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, greeting)),
        }
    }

    /// The answer to a command, with a line feed before its first line.
    fn ask(&mut self, command: &str) -> io::Result<String> {
        self.say(command)?;
        let mut answer = "\n".to_owned();
        while !answer.ends_with("\nOK\n") {
            let start = answer.len();
            if self.stream.read_line(&mut answer)? == 0 || answer[start..].starts_with("ACK ") {
                return Err(io::Error::other(answer));
            }
        }
        Ok(answer)
    }

    /// Sends a command that is answered with songs, and counts these.
    fn take_songs(&mut self, command: &str) -> io::Result<Listed> {
        let asked = Instant::now();
        self.say(command)?;
        let mut songs = Songs::default();
        let (mut buffer, mut filled, mut first) = (vec![0; READ_BYTES], 0, None);
        while !songs.is_over {
            let count = self.stream.get_mut().read(&mut buffer[filled..])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += count;
            let taken = songs.take(&buffer[..filled], || {
                first.get_or_insert_with(|| asked.elapsed());
            });
            buffer.copy_within(taken..filled, 0);
            filled -= taken;
        }
        let last = asked.elapsed();
        Ok(Listed { first: first.unwrap_or(last), last, entries: songs.complete, measured: songs.measured })
    }

    fn say(&mut self, command: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(format!("{command}\n").as_bytes())
    }
}

/// Counts the songs in the answer to `listallinfo` or `search` while it arrives.
///
/// ```text
///  directory: Artist             one line each: a name, a colon and a space, a value
///  file: Artist/1 Song.mp3       begins a song, which ends at the next song, directory, playlist or OK
///  Title: Song
///  duration: 0.300
///  OK
/// ```
#[derive(Debug, Default, PartialEq)]
struct Songs {
    complete: usize,
    /// Songs with a duration.
    measured: usize,
    is_in_song: bool,
    is_over: bool,
}

impl Songs {
    /// Parses the complete lines at the front of `bytes`, calls `on_song` for each complete song, and returns the
    /// length of the lines in bytes.
    fn take(&mut self, bytes: &[u8], mut on_song: impl FnMut()) -> usize {
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        for line in bytes[..whole].split_inclusive(|&byte| byte == b'\n') {
            let is_song = line.starts_with(b"file: ");
            self.is_over |= line == b"OK\n";
            self.measured += usize::from(line.starts_with(b"duration: "));
            if is_song || self.is_over || line.starts_with(b"directory: ") || line.starts_with(b"playlist: ") {
                if self.is_in_song {
                    self.complete += 1;
                    on_song();
                }
                self.is_in_song = is_song;
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"directory: a\nLast-Modified: x\nfile: a/1.mp3\nTitle: OK\nfile: a/2.mp3\nduration: 3\n\
        directory: b\nplaylist: b/all.m3u\nfile: b/1.mp3\nTime: 1\nOK\n";

    #[test]
    fn songs_are_counted_when_they_are_complete() {
        let check = |length: usize, complete: usize, is_over: bool| {
            let (mut songs, mut told) = (Songs::default(), 0);
            songs.take(&ANSWER[..length], || told += 1);
            assert_eq!(
                (songs.complete, told, songs.is_over),
                (complete, complete, is_over),
                "the first {length} bytes"
            );
        };
        let after = |needle: &[u8]| {
            let place = ANSWER.windows(needle.len()).position(|window| window == needle);
            place.expect("it is there") + needle.len()
        };
        check(0, 0, false);
        check(after(b"Title: OK\n"), 0, false);
        check(after(b"file: a/2.mp3"), 0, false);
        check(after(b"file: a/2.mp3\n"), 1, false);
        check(after(b"directory: b\n"), 2, false);
        check(after(b"file: b/1.mp3\n"), 2, false);
        check(ANSWER.len(), 3, true);
    }

    #[test]
    fn it_does_not_matter_in_which_pieces_an_answer_comes() {
        for size in [1, 7, 1_000] {
            let (mut songs, mut pending) = (Songs::default(), Vec::new());
            for piece in ANSWER.chunks(size) {
                pending.extend_from_slice(piece);
                let taken = songs.take(&pending, || {});
                pending.drain(..taken);
            }
            assert_eq!(songs, Songs { complete: 3, measured: 1, is_in_song: false, is_over: true }, "pieces of {size}");
        }
    }
}
