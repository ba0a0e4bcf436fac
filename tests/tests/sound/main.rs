//! The output of the sound device, to the sample, while a user types in a terminal.
#![cfg(target_os = "linux")]

mod devices;
mod terminal;

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir, Song};
use trill_tests::pcm::Pcm;
use trill_tests::pulse::{Capture, DEFAULT_SINK, PulseServer};
use trill_tests::reference;
use trill_tests::reference::compare::{Sound, Stretch, assert_same, stretches};
use trill_tests::server::ServerProcess;
use trill_tests::terminal::{Size, Terminal};
use trill_tests::wait;

const DEADLINE: Duration = Duration::from_secs(60);
const MS: fn(u64) -> Duration = Duration::from_millis;

/// Silence that marks the end of the sound: longer than any pause in the music.
const SILENCE: Duration = Duration::from_millis(300);

/// Room for a long line of `-v` output.
const WIDE: Size = Size { rows: 50, columns: 160 };

/// A server with songs, a sound server, and the songs' expected sounds.
///
/// Only one exists at a time: on two cores, a test that analyses a minute of sound would cause gaps in another's.
struct Room<const SONGS: usize> {
    server: ServerProcess,
    pulse: PulseServer,
    music: [Pcm; SONGS],
    _directory: MusicDir,
    _alone: MutexGuard<'static, ()>,
}

impl<const SONGS: usize> Room<SONGS> {
    fn with(songs: [Song; SONGS]) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        // A failed test leaves nothing that could disturb the next.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = MusicDir::new();
        for (index, song) in songs.iter().enumerate() {
            directory.add(format!("{}.mp3", index + 1), song);
        }
        let music = songs.map(|song| reference::decode(&song.make()).music.to_stereo());
        let pulse = PulseServer::start();
        let server = ServerProcess::start(directory.path());
        Self { server, pulse, music, _directory: directory, _alone: alone }
    }

    fn client(&self, sink: &str) -> Client {
        Client::of(self.server.address()).plays_to(&self.pulse, sink)
    }

    /// A connected client in a terminal, with `-v`.
    #[track_caller]
    fn sit_down(&self, sink: &str) -> Terminal {
        let terminal = self.client(sink).arg("-v").in_terminal(WIDE);
        terminal.wait_for_text(DEADLINE, "connected to");
        terminal
    }
}

/// Waits until so much has been recorded after frame `since`.
#[track_caller]
fn wait_for_more(capture: &Capture, since: usize, length: Duration) {
    let frames = since + (length.as_secs_f64() * 44_100.0) as usize;
    wait::wait_for(DEADLINE, "more of the recording", || capture.frames() >= frames);
}

/// The recorded sound, stretch by stretch.
struct Heard {
    all: Vec<Stretch>,
    /// The stretches that belong to a song.
    pieces: Vec<Piece>,
}

/// A part of a song.
struct Piece {
    /// Its position in the recording, in frames.
    captured: Range<usize>,
    /// Index of the song.
    song: usize,
    /// Its first frame in the song.
    from: usize,
}

impl Piece {
    /// The frame of the song after its last.
    fn end(&self) -> usize {
        self.from + self.captured.len()
    }
}

impl Heard {
    fn of(recorded: &Pcm, songs: &[&Pcm]) -> Self {
        let all = stretches(recorded, songs);
        let pieces = all.iter().filter_map(|Stretch { captured, what }| match *what {
            Sound::Song { song, from } => Some(Piece { captured: captured.clone(), song, from }),
            Sound::Silence | Sound::Unknown => None,
        });
        Self { pieces: pieces.collect(), all }
    }

    /// The songs, and the frames at which they start.
    fn songs(&self) -> Vec<(usize, usize)> {
        self.pieces.iter().map(|piece| (piece.song, piece.from)).collect()
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "what was recorded (songs count from 0):")?;
        self.all.iter().try_for_each(|stretch| writeln!(f, "{stretch}"))
    }
}
