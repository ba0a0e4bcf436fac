//! The section `play`: time from a command to the music.

use super::figures::{Row, Target, median};
use super::peers::nginx::Nginx;
use super::{Plan, Section};
use crate::client::Client;
use crate::corpus::{self, MusicDir, Song};
use crate::pcm::Pcm;
use crate::process::system_program;
use crate::proxy::{Conditions, Proxy};
use crate::pulse::{Capture, DEFAULT_SINK, PulseServer};
use crate::reference::{self, compare};
use crate::server::ServerProcess;
use crate::wait;
use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The paragraph for the results.
pub(super) const PLAY: Section = Section {
    name: "play",
    title: "From a command to the music",
    about: "Time runs from writing the line `play N` to the standard input of a `trill` that has played before, until it \
        reports (`-v`) that the first samples are in the output's ring. It plays to `--output null`. The figure \
        includes all threads, pipes and system calls in between. The others are started with the URL of the same \
        file at nginx, and time runs until the first samples can be read from their standard output. A proxy that \
        delays every byte makes the round-trip times. It does not delay TCP handshakes, so the others, which connect \
        first, have one round-trip less than on a real path. Each figure of a round is the median of several \
        commands. Stale sound is what a sound server records of the old song, or of no song, after the first sample \
        of the new song.",
    measure,
};

/// Round-trip times in milliseconds. 0 means without a proxy.
const ROUND_TRIPS_MS: [u64; 4] = [0, 20, 100, 300];

/// Largest allowed fraction of a newly started player's time: half on loopback, all of it where the path dominates.
fn most_of_start(round_trip_ms: u64) -> f64 {
    if round_trip_ms == 0 { 0.5 } else { 1.0 }
}

/// Commands of each kind per round.
const COMMANDS: usize = 5;

const LOOPBACK: &str = "loopback";

/// Round-trip time of the second recording of switches. Data of the old song is still in flight then.
const FAR_MS: u64 = 100;

/// Recorded switches per round.
const SWITCHES: usize = 10;

/// How long a song plays before the next switch.
const LISTENING: Duration = Duration::from_millis(300);

const DEADLINE: Duration = Duration::from_secs(60);

/// Two one-minute songs of the most common kind.
const SONGS: [Song; 2] = [corpus::CBR_128.milliseconds(60_000), corpus::CBR_128.milliseconds(60_000).seed(2)];
const NAMES: [&str; 2] = ["1.mp3", "2.mp3"];

const MPG123: &str = "mpg123, started";
const MPG123_AGAIN: &str = "mpg123, killed and started";
const FFMPEG: &str = "ffmpeg, started";

fn measure(plan: &Plan) -> Vec<Row> {
    let music = MusicDir::new();
    for (name, song) in NAMES.iter().zip(&SONGS) {
        music.add(name, song);
    }
    let (server, nginx) = (ServerProcess::start(music.path()), Nginx::start(music.path()));
    let mut rows = Vec::new();
    for milliseconds in ROUND_TRIPS_MS {
        rows.extend(at_distance(plan, milliseconds, server.address(), nginx.address()));
    }
    rows.extend(stale_sound(plan, server.address()));
    rows
}

/// A proxy with this round-trip time.
fn path_to(address: SocketAddr, milliseconds: u64) -> Proxy {
    let delay = Duration::from_micros(milliseconds * 1_000 / 2);
    Proxy::start(address, Conditions { delay, ..Conditions::PERFECT })
}

fn far(milliseconds: u64) -> String {
    format!("round-trip {milliseconds} ms")
}

// ── latency ──

/// Latency of `play` and of a switch at this round-trip time.
fn at_distance(plan: &Plan, milliseconds: u64, trill: SocketAddr, http: SocketAddr) -> [Row; 2] {
    let paths = (milliseconds > 0).then(|| [trill, http].map(|address| path_to(address, milliseconds)));
    let [trill, http] = paths.as_ref().map_or([trill, http], |paths| paths.each_ref().map(Proxy::address));

    let [mut played, mut switched] = [Vec::new(), Vec::new()];
    let [mut mpg123, mut mpg123_again, mut ffmpeg] = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..plan.rounds {
        let mut listener = Listener::connected_to(trill);
        played.push(middle_of(COMMANDS, || {
            listener.stop();
            listener.play(1)
        }));
        let mut songs = [2, 1].into_iter().cycle();
        switched.push(middle_of(COMMANDS, || {
            thread::sleep(LISTENING);
            listener.play(songs.next().expect("a cycle does not end"))
        }));
        drop(listener);
        mpg123.push(middle_of(COMMANDS, || Player::started(self::mpg123(&url(http, NAMES[0]))).1));
        ffmpeg.push(middle_of(COMMANDS, || Player::started(self::ffmpeg(&url(http, NAMES[0]))).1));
        let mut playing = Player::started(self::mpg123(&url(http, NAMES[0]))).0;
        let mut names = [NAMES[1], NAMES[0]].into_iter().cycle();
        mpg123_again.push(middle_of(COMMANDS, || {
            let command = Instant::now();
            playing.kill();
            playing = Player::started(self::mpg123(&url(http, names.next().expect("a cycle does not end")))).0;
            command.elapsed()
        }));
    }
    let place = if milliseconds == 0 { LOOPBACK.to_owned() } else { far(milliseconds) };
    let target = |peer: &str| Target::AtMostTimes(most_of_start(milliseconds), peer.into());
    [
        Row::new(format!("`play` to the first sample, {place}"), "ms", played)
            .beside(MPG123, mpg123)
            .beside(FFMPEG, ffmpeg)
            .target(target(MPG123)),
        Row::new(format!("switch to the first new sample, {place}"), "ms", switched)
            .beside(MPG123_AGAIN, mpg123_again)
            .target(target(MPG123_AGAIN)),
    ]
}

/// The median of `count` measurements, in milliseconds.
fn middle_of(times: usize, mut measure: impl FnMut() -> Duration) -> f64 {
    let all: Vec<f64> = (0..times).map(|_| measure().as_secs_f64() * 1_000.0).collect();
    median(&all).expect("it is measured at least once")
}

/// A `trill` that reads commands from a pipe. Dropping it kills it.
struct Listener {
    process: Child,
    commands: ChildStdin,
    /// Its output and error output, line by line.
    words: BufReader<PipeReader>,
}

impl Listener {
    /// Starts a player on the server at `address`, without a sound device, and plays a song.
    fn connected_to(address: SocketAddr) -> Self {
        Self::launch(Client::of(address).args(["--output=null", "--verbose"]))
    }

    /// As [`Self::connected_to`], for any `client`.
    fn launch(client: Client) -> Self {
        let (words, said) = io::pipe().expect("the system has free descriptors");
        let mut command = client.into_command();
        command.stdin(Stdio::piped());
        command.stdout(said.try_clone().expect("the system has free descriptors")).stderr(said);
        let mut process = command.spawn().expect("a program that was just built");
        // Drops this process's ends of the pipe, so that its end can be detected.
        drop(command);
        let commands = process.stdin.take().expect("stdin was piped above");
        let mut listener = Self { process, commands, words: BufReader::new(words) };
        listener.play(1);
        listener
    }

    /// Plays a song and waits for its first samples. Returns the time taken.
    fn play(&mut self, song: usize) -> Duration {
        let typed = Instant::now();
        self.type_lines(&format!("play {song}\n"));
        self.wait_for_word(&format!("play {song}: first sample after"));
        typed.elapsed()
    }

    /// Stops the music and waits until it has stopped.
    fn stop(&mut self) {
        self.type_lines("stop\nvolume\n");
        self.wait_for_word("volume 100");
    }

    fn type_lines(&mut self, lines: &str) {
        self.commands.write_all(lines.as_bytes()).expect("trill reads its standard input");
    }

    fn wait_for_word(&mut self, word: &str) {
        let mut said = String::new();
        loop {
            let begin = said.len();
            let count = self.words.read_line(&mut said).expect("what trill says is text");
            assert!(count > 0, "trill ended without printing {word:?}: {said}");
            if said[begin..].contains(word) {
                return;
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// A player that writes sound to its standard output. Dropping it kills it.
struct Player(Child);

impl Player {
    /// Starts a player and waits for its first samples. Returns the time taken.
    fn started(mut command: Command) -> (Self, Duration) {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let begin = Instant::now();
        let mut player = Self(command.spawn().expect("a program that was just found"));
        let stdout = player.0.stdout.as_mut().expect("stdout was piped above");
        stdout.read_exact(&mut [0; 4]).expect("sound of a player");
        (player, begin.elapsed())
    }

    fn kill(&mut self) {
        end(&mut self.0);
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Kills a process and waits for its end.
fn end(process: &mut Child) {
    // Fails only for a process that was already reaped.
    process.kill().ok();
    process.wait().ok();
}

fn url(address: SocketAddr, name: &str) -> String {
    format!("http://{address}/{name}")
}

fn mpg123(url: &str) -> Command {
    let mut command = system_program("mpg123", "mpg123");
    command.args(["--quiet", "--stdout", url]);
    command
}

fn ffmpeg(url: &str) -> Command {
    let mut command = system_program("ffmpeg", "ffmpeg");
    command.args(["-v", "error", "-nostdin", "-i", url, "-f", "s16le", "-"]);
    command
}

// ── stale sound ──

/// Samples of an old song recorded after the first sample of a new one, on loopback and on a long path.
fn stale_sound(plan: &Plan, server: SocketAddr) -> [Row; 2] {
    let path = path_to(server, FAR_MS);
    // On a thread of its own, because starting a sound server raises the thread's priority.
    let counted = thread::scope(|scope| {
        let counting = scope.spawn(|| {
            let pulse = PulseServer::start();
            let songs = SONGS.map(|song| reference::decode(&song.make()).music);
            let count = |from| (0..plan.rounds).map(|_| recorded_stale_samples(&pulse, from, &songs) as f64).collect();
            [(LOOPBACK.to_owned(), count(server)), (far(FAR_MS), count(path.address()))]
        });
        counting.join().expect("the thread does not panic")
    });
    counted.map(|(place, counted)| {
        Row::new(format!("stale sound after a switch, in {SWITCHES} switches, {place}"), "samples a channel", counted)
            .beside_none(MPG123_AGAIN, "not recorded: the process is gone")
            .target(Target::Always(0.0))
    })
}

fn recorded_stale_samples(pulse: &PulseServer, server: SocketAddr, songs: &[Pcm; 2]) -> usize {
    let capture = pulse.capture(DEFAULT_SINK);
    let mut listener = Listener::launch(Client::of(server).arg("--verbose").plays_to(pulse, DEFAULT_SINK));
    wait_for_more(&capture, capture.wait_for_sound(DEADLINE, 0));
    for song in [2, 1].into_iter().cycle().take(SWITCHES) {
        listener.play(song);
        wait_for_more(&capture, capture.frames());
    }
    listener.stop();
    capture.wait_for_silence(DEADLINE, LISTENING);
    let heard = Heard::of(&compare::stretches(&capture.stop(), &songs.each_ref()));
    assert_eq!(heard.beginnings, SWITCHES + 1, "each song was heard from its beginning");
    heard.stale
}

/// Waits until [`LISTENING`] has been recorded since frame `begin`.
fn wait_for_more(capture: &Capture, begin: usize) {
    let end = begin + LISTENING.as_millis() as usize * 44_100 / 1_000;
    wait::wait_for(DEADLINE, "more sound in the recording", || capture.frames() >= end);
}

/// The analysis of a recording of switches.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    /// Number of songs that begin.
    beginnings: usize,
    /// Frames that are neither silent nor from the latest song.
    stale: usize,
}

impl Heard {
    fn of(stretches: &[compare::Stretch]) -> Self {
        let mut heard = Self::default();
        let mut present = None;
        for compare::Stretch { captured, what } in stretches {
            match *what {
                compare::Sound::Silence => {}
                compare::Sound::Song { song, from: 0 } => {
                    present = Some(song);
                    heard.beginnings += 1;
                }
                compare::Sound::Song { song, .. } if present == Some(song) => {}
                compare::Sound::Song { .. } | compare::Sound::Unknown => heard.stale += captured.len(),
            }
        }
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use compare::{Sound, Stretch};

    #[test]
    fn what_follows_the_beginning_of_another_song_is_stale() {
        let check = |sounds: &[(usize, Sound)], beginnings, stale| {
            let stretches: Vec<_> =
                sounds.iter().map(|&(frames, what)| Stretch { captured: 0..frames, what }).collect();
            assert_eq!(Heard::of(&stretches), Heard { beginnings, stale }, "{sounds:?}");
        };
        let song = |song, from| Sound::Song { song, from };
        check(&[(9, song(0, 0)), (5, song(1, 0)), (7, song(0, 0))], 3, 0);
        check(&[(9, song(0, 0)), (3, Sound::Silence), (5, song(0, 9)), (7, song(1, 0))], 2, 0);
        check(&[(9, song(0, 0)), (5, song(1, 0)), (2, song(0, 9)), (7, song(1, 5))], 2, 2);
        check(&[(9, song(0, 0)), (1, Sound::Unknown), (5, song(1, 0))], 2, 1);
    }
}
