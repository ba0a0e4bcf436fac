//! What comes out of the sound device: to the sample, while a person types at a terminal.
#![cfg(target_os = "linux")]

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir, Song};
use trill_tests::pcm::Pcm;
use trill_tests::pulse::{Capture, DEFAULT_SINK, PulseServer};
use trill_tests::reference::compare::{Sound, Stretch, assert_same, stretches};
use trill_tests::reference::{self, likeness};
use trill_tests::server::ServerProcess;
use trill_tests::terminal::{Size, Terminal, key};
use trill_tests::wait;

const DEADLINE: Duration = Duration::from_secs(60);
const MS: fn(u64) -> Duration = Duration::from_millis;

/// How long it must be silent before the sound counts as over: longer than any pause in the music.
const SILENCE: Duration = Duration::from_millis(300);

/// How long a pause takes to fade out and in again, each, in frames at 44.1 kHz: 5 ms.
const RAMP: usize = 221;

/// What the client says with `-v` of a song that begins, before the number of milliseconds.
const FIRST_SAMPLE: &str = "first sample after ";

/// Room for a long line of the details that `-v` tells.
const WIDE: Size = Size { rows: 50, columns: 160 };

// ── at a terminal ──

#[test]
fn a_song_plays_whole_whatever_nonsense_is_typed() {
    let room = Room::with([corpus::CBR_128.milliseconds(3_000), corpus::VBR.milliseconds(3_000)]);
    let mut terminal = room.sit_down(DEFAULT_SINK);
    let capture = room.pulse.capture(DEFAULT_SINK);
    terminal.type_line("list");
    terminal.wait_for_text(DEADLINE, "1  1");
    terminal.wait_for_text(DEADLINE, "2  2");

    for (number, music) in room.music.iter().enumerate() {
        let begin = capture.frames();
        terminal.type_line(&format!("play {}", number + 1));
        capture.wait_for_sound(DEADLINE, begin);
        for (nonsense, answer) in [
            ("play 9", "no song 9"),
            ("info 8", "no song 8"),
            ("fly 3", "no command \"fly\""),
            ("play", "play needs more"),
            ("seek 9:00", "only 0:03 long"),
            ("volume 101", "101"),
        ] {
            terminal.type_line(nonsense);
            terminal.wait_for_text(DEADLINE, answer);
        }
        capture.wait_for_silence(DEADLINE, SILENCE);
        assert_same(&capture.since(begin), music);
    }
    terminal.type_text(key::CTRL_D);
    assert_eq!(terminal.wait(DEADLINE).code(), Some(0), "{terminal}");
    assert_eq!(terminal.side_effects(), [""; 0]);
}

#[test]
fn stop_switch_pause_and_seek_are_heard_to_the_sample() {
    let room = Room::with([corpus::CBR_128, corpus::VBR.milliseconds(8_000)]);
    let terminal = room.sit_down(DEFAULT_SINK);
    let capture = room.pulse.capture(DEFAULT_SINK);

    terminal.type_line("play 1");
    let sound = capture.wait_for_sound(DEADLINE, 0);
    wait_for_more(&capture, sound, MS(300));
    terminal.type_line("stop");
    capture.wait_for_silence(DEADLINE, SILENCE);
    let stopped = Heard::of(&capture.so_far(), &room.music.each_ref());
    assert_eq!(stopped.songs(), [(0, 0)], "one piece of song 1, from its beginning: {stopped}");

    let begin = capture.frames();
    terminal.type_line("play 1");
    let sound = capture.wait_for_sound(DEADLINE, begin);
    wait_for_more(&capture, sound, MS(300));
    terminal.type_line("play 2");
    terminal.wait_for_text(DEADLINE, "play 2: first sample");
    wait_for_more(&capture, capture.frames(), MS(600));
    terminal.type_line("pause");
    capture.wait_for_silence(DEADLINE, SILENCE);
    terminal.type_line("resume");
    let sound = capture.wait_for_sound(DEADLINE, capture.frames() - 1);
    wait_for_more(&capture, sound, MS(500));
    terminal.type_line("seek 0:06.5");
    capture.wait_for_silence(DEADLINE, SILENCE);

    let recorded = capture.since(begin);
    let played = Heard::of(&recorded, &room.music.each_ref());
    let [old, paused, resumed, sought] = &played.pieces[..] else { panic!("four pieces: {played}") };
    assert_eq!((old.song, old.from, paused.song, paused.from), (0, 0, 1, 0), "{played}");
    assert_eq!((resumed.song, sought.song, sought.from), (1, 1, 6_500 * 44_100 / 1_000), "{played}");
    assert_eq!(sought.end(), room.music[1].frames(), "to the end: {played}");
    let faded = resumed.from.checked_sub(paused.end()).expect("nothing is heard twice");
    assert!(faded <= 2 * RAMP, "{faded} frames lost by the pause: {played}");
    let pause = paused.captured.end + RAMP..resumed.captured.start - RAMP;
    assert!(recorded.slice(pause).sounding().is_empty(), "noise in the pause: {played}");
    // In the moment of a switch there may be silence, and nothing else.
    let switches = [old.captured.end..paused.captured.start, resumed.captured.end..sought.captured.start];
    for silence in switches {
        assert!(silence.len() < 44_100 / 4 && recorded.slice(silence).sounding().is_empty(), "{played}");
    }
}

#[test]
fn a_switch_is_immediate_and_leaves_nothing_of_the_old_song() {
    const SWITCHES: usize = 10;

    let room = Room::with([corpus::CBR_128, corpus::CBR_320.seed(2)]);
    let terminal = room.sit_down(DEFAULT_SINK);
    let capture = room.pulse.capture(DEFAULT_SINK);
    let mut typed = Vec::new();
    for index in 0..=SWITCHES {
        typed.push(Instant::now());
        terminal.type_line(&format!("play {}", index % 2 + 1));
        let what = "the client's word for it";
        wait::wait_for(DEADLINE, what, || terminal.transcript().matches(FIRST_SAMPLE).count() > index);
        wait_for_more(&capture, capture.frames(), MS(300));
    }
    terminal.type_line("stop");
    capture.wait_for_silence(DEADLINE, SILENCE);

    let recorded = capture.so_far();
    let played = Heard::of(&recorded, &room.music.each_ref());
    let expected: Vec<_> = (0..=SWITCHES).map(|index| (index % 2, 0)).collect();
    assert_eq!(played.songs(), expected, "each from its beginning, and nothing of the one before: {played}");
    let gaps: Vec<_> = played.pieces.windows(2).map(|pair| pair[0].captured.end..pair[1].captured.start).collect();
    assert!(gaps.iter().all(|gap| recorded.slice(gap.clone()).sounding().is_empty()), "noise at a switch: {played}");

    let transcript = terminal.transcript();
    let device = transcript.lines().find(|line| line.contains("output: device")).unwrap_or_default();
    println!("figure: switch: {}", device.trim());
    let asked_ms = number_between(device, "asked ", " ms").expect("the period that was asked for");
    assert!(asked_ms <= 20.0, "{asked_ms} ms: {device}");
    let handed_over = transcript.lines().filter_map(|line| number_between(line, FIRST_SAMPLE, " ms")).skip(1);
    report("play N to its first sample handed to the device", handed_over.collect(), Some(30.0));
    let recorded = played.pieces.iter().zip(typed).skip(1).map(|(piece, typed)| {
        let arrived = capture.arrival(piece.captured.start);
        arrived.saturating_duration_since(typed).as_secs_f64() * 1_000.0
    });
    report(
        "Return to the song in the recording, with the buffers of sound server and recorder",
        recorded.collect(),
        None,
    );
    report("silence at a switch", gaps.iter().map(|gap| gap.len() as f64 / 44.1).collect(), None);
}

// ── devices ──

#[test]
fn songs_follow_each_other_without_a_gap() {
    let room = Room::with([corpus::CBR_128, corpus::VBR, corpus::CBR_320].map(|song| song.milliseconds(1_500)));
    let capture = room.pulse.capture(DEFAULT_SINK);
    room.client(DEFAULT_SINK).args(["play", "all"]).run(DEADLINE).expect_code(0);
    let joined = room.music.iter().flat_map(|music| music.samples.clone()).collect();
    assert_same(&capture.stop(), &Pcm { samples: joined, ..room.music[0] });
}

#[test]
fn every_device_gets_what_it_can_play() {
    let (stereo, mono) = (corpus::CBR_128.milliseconds(2_500), corpus::MONO_22050.milliseconds(2_500));
    let mut room = Room::with([stereo, mono]);
    for (name, rate) in [("slow", 22_050), ("usual", 44_100), ("fast", 48_000), ("named", 44_100)] {
        room.pulse.add_sink(name, rate);
    }
    let captures = [("slow", 22_050), ("usual", 44_100), ("fast", 48_000), ("named", 44_100)]
        .map(|(name, rate)| room.pulse.capture_at(name, rate));
    let unused = room.pulse.capture(DEFAULT_SINK);

    let mut playing = Vec::new();
    for (client, capture) in [
        room.client("slow").args(["play", "2"]),
        room.client("usual").args(["play", "2"]),
        room.client("fast").args(["play", "1"]),
        room.client(DEFAULT_SINK).args(["--output=device:named", "play", "1"]),
    ]
    .into_iter()
    .zip(&captures)
    {
        playing.push(client.spawn());
        capture.wait_for_sound(DEADLINE, 0);
    }
    for client in playing {
        client.wait(DEADLINE).expect_code(0);
    }
    let [slow, usual, fast, named] = captures.map(Capture::stop);
    let [stereo, mono] = &room.music;
    assert_same(&slow, mono);
    assert_same(&named, stereo);
    assert!(unused.stop().sounding().is_empty(), "a named device, and the default one too");
    for (what, played, original) in
        [("22.05 kHz mono on 44.1 kHz", &usual, mono), ("44.1 kHz stereo on 48 kHz", &fast, stereo)]
    {
        let expected = likeness::resample(original, played.rate);
        let found = likeness::find(played, &expected).expect("the whole song was played");
        println!("figure: devices: {what}, resampled by the sound server: correlation {:.4}", found.correlation);
        assert!(found.correlation > 0.97, "{what}: {found:?}");
        let sounding = played.sounding().len();
        assert!(sounding.abs_diff(expected.frames()) <= expected.frames() / 200, "{what}: {sounding} frames");
    }
}

#[test]
fn a_device_that_comes_back_goes_on_with_the_music() {
    let mut room = Room::with([corpus::CBR_128.milliseconds(7_000)]);
    let song = [&room.music[0]];
    let capture = room.pulse.capture(DEFAULT_SINK);
    let mut client = room.client(DEFAULT_SINK).args(["play", "1"]).spawn();
    let sound = capture.wait_for_sound(DEADLINE, 0);
    wait_for_more(&capture, sound, MS(500));
    // The only one: from another the sound server would move the stream, and the client would not even notice.
    room.pulse.remove_sink(DEFAULT_SINK);
    let unplugged = Instant::now();
    client.wait_for_line(DEADLINE, "lost");
    let noticed = unplugged.elapsed();
    let before = Heard::of(&capture.stop(), &song);

    room.pulse.add_sink(DEFAULT_SINK, 44_100);
    let capture = room.pulse.capture(DEFAULT_SINK);
    client.wait_for_line(DEADLINE, "back");
    client.wait(DEADLINE).expect_code(0);
    let after = Heard::of(&capture.stop(), &song);
    let ([.., last], [first, ..]) = (&before.pieces[..], &after.pieces[..]) else { panic!("{before}{after}") };
    let lost = first.from.checked_sub(last.end()).expect("nothing is heard twice");
    println!("figure: devices: loss noticed after {noticed:?}, {} ms of the music lost", lost * 1_000 / 44_100);
    assert!(lost < 44_100, "more than what was on its way to the device: {lost} frames");
    let ends: Vec<_> = after.pieces.iter().map(Piece::end).collect();
    let begins: Vec<_> = after.pieces[1..].iter().map(|piece| piece.from).chain([song[0].frames()]).collect();
    assert_eq!(ends, begins, "nothing more is lost until the song's end: {after}");
}

#[test]
fn without_a_device_there_is_one_line_that_says_so() {
    let room = Room::with([corpus::CBR_128.milliseconds(1_500)]);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let nobody = directory.path().join("nobody-listens-here");
    let empty = directory.path().join("asound.conf");
    std::fs::write(&empty, "").expect("a writable temporary directory");
    let expect_line = |client: Client, expected: &str| {
        let output = client.args(["play", "1"]).run(DEADLINE).expect_code(1);
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
        assert!(output.stderr.starts_with("trill: ") && output.stderr.contains(expected), "{output}");
    };
    expect_line(room.client(DEFAULT_SINK).env("ALSA_CONFIG_PATH", &empty), "sound device");
    let gone = format!("unix:{}", nobody.display());
    expect_line(room.client(DEFAULT_SINK).env("PULSE_SERVER", &gone), "sound device");
    expect_line(room.client(DEFAULT_SINK).arg("--output=device:tuba"), "no sound device `tuba`; there are: ");

    // Whoever only wants to look can.
    let terminal = room.client(DEFAULT_SINK).env("PULSE_SERVER", &gone).in_terminal(WIDE);
    terminal.wait_for_text(DEADLINE, "no sound device");
    terminal.type_line("list");
    terminal.wait_for_text(DEADLINE, "1  1");
    terminal.type_line("play 1");
    terminal.wait_for(DEADLINE, "a second message", |screen| {
        screen.rows.iter().filter(|row| row.contains("no sound device")).count() == 2
    });
}

#[test]
fn the_devices_are_listed() {
    let mut room = Room::with([]);
    room.pulse.add_sink("headphones", 44_100);
    let client = Client::new().plays_to(&room.pulse, DEFAULT_SINK).arg("--list-devices");
    let output = client.run(DEADLINE).expect_code(0);
    let named = |name: &str| output.stdout.lines().any(|line| line.split_whitespace().next() == Some(name));
    assert!(named("default") && named("headphones") && output.stderr.is_empty(), "{output}");
}

// ── helpers ──

/// A server with songs, a sound server, and what the songs sound like.
///
/// There is one at a time: on two cores, a test that takes a minute of sound apart would be heard in another's.
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
        // A test that failed leaves nothing behind that the next could stumble over.
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

    /// A person at a terminal who wants to know everything, connected.
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

/// What was heard, piece by piece.
struct Heard {
    all: Vec<Stretch>,
    /// Those that are of a song.
    pieces: Vec<Piece>,
}

/// A part of a song.
struct Piece {
    /// Where it lies in the recording, in frames.
    captured: Range<usize>,
    /// Which song.
    song: usize,
    /// Its first frame's place in the song.
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

    /// Which songs, and from which of their frames.
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

/// The number in `… BEFORE … (NUMBER AFTER …` or `… BEFORE NUMBER AFTER …`.
fn number_between(line: &str, before: &str, after: &str) -> Option<f64> {
    let (_, rest) = line.split_once(before)?;
    let (number, _) = rest.split_once(after)?;
    number.rsplit([' ', '(']).next()?.parse().ok()
}

fn report(what: &str, mut figures: Vec<f64>, target_ms: Option<f64>) {
    assert!(!figures.is_empty(), "{what}");
    figures.sort_by(f64::total_cmp);
    let (median, worst) = (figures[figures.len() / 2], figures[figures.len() - 1]);
    let verdict = target_ms.map(|target| {
        let verdict = if median <= target { "met" } else { "missed" };
        format!(" (target {target} ms: {verdict})")
    });
    println!("figure: switch: {what}: median {median:.1} ms, worst {worst:.1} ms{}", verdict.unwrap_or_default());
}
