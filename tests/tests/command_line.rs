//! The client without a terminal: one command, piped commands, and error messages.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use trill_proto::message::{EndReason, Message, MessageType};
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir, Song};
use trill_tests::fake_server::{self, FakeServer};
use trill_tests::messages::{self, Frame};
use trill_tests::pcm::Pcm;
use trill_tests::process::Output;
use trill_tests::proxy::{Conditions, Direction, Proxy};
use trill_tests::raw::{ClosedPort, RawListener};
use trill_tests::reference::compare::assert_same_from;
use trill_tests::reference::{self, likeness};
use trill_tests::server::ServerProcess;
use trill_tests::terminal::{Size, key};
use trill_tests::wait;

const DEADLINE: Duration = Duration::from_secs(60);

// ── playback ──

/// A song, and the smallest signal-to-error ratio of its decoded sound, in dB.
const TAGGED: [(Song, f64); 6] = [
    (corpus::CBR_128, 12.0),
    (corpus::CBR_320, 14.0),
    (corpus::VBR, 12.0),
    (corpus::MONO_22050, 14.0),
    (corpus::WITH_PICTURE, 12.0),
    (corpus::WITH_ID3V1, 12.0),
];

#[test]
fn a_wav_file_holds_exactly_the_samples_that_went_into_the_encoder() {
    let music = MusicDir::new();
    for (index, (song, _)) in TAGGED.iter().enumerate() {
        music.add(format!("{}.mp3", index + 1), song);
    }
    let server = ServerProcess::start(music.path());
    for (index, (song, least_db)) in TAGGED.iter().enumerate() {
        let played = play_to_wav(server.address(), &["play", &(index + 1).to_string()]);
        assert_eq!(played.frames(), song.input_frames(), "{song:?}");
        assert_same_from(&played, &reference::decode(&song.make()).music, 0);
        let ratio = likeness::signal_to_noise_db(&played, &song.music());
        assert!(ratio >= *least_db, "{ratio:.1} dB: {song:?}");
        println!("figure: wav: {}: {} samples, {ratio:.1} dB from the music", song.kind(), played.frames());
    }
}

#[test]
fn a_program_can_read_the_sound_from_standard_output() {
    let music = MusicDir::new();
    music.add("1.mp3", &corpus::CBR_128.milliseconds(1_500));
    let server = ServerProcess::start(music.path());
    let expected = play_to_wav(server.address(), &["play", "1"]);
    // One command, and a script that also requests text.
    for (words, script) in [(&["play", "1"][..], ""), (&[], "list\nplay 1\n")] {
        let mut command = Client::of(server.address()).arg("--output=wav:-").args(words).into_command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = command.spawn().expect("the client was just built");
        let mut stdin = client.stdin.take().expect("it is piped");
        stdin.write_all(script.as_bytes()).expect("the client reads its script");
        drop(stdin);
        let output = client.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (header, sound) = output.stdout.split_at(output.stdout.len() - expected.samples.len() * 2);
        assert!(header.starts_with(b"RIFF\xff\xff\xff\xffWAVE") && header.ends_with(b"data\xff\xff\xff\xff"));
        assert!(sound == expected.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<_>>());
        assert!(String::from_utf8_lossy(&output.stderr).contains("playing 1"));
    }
}

#[test]
fn a_file_is_kept_until_there_is_music_to_replace_it() {
    let music = MusicDir::new();
    music.add("1.mp3", &corpus::CBR_128.milliseconds(1_500));
    let server = ServerProcess::start(music.path());
    let wav = WavPath::new();
    std::fs::write(wav.path(), [7; 100_000]).expect("a writable temporary directory");
    let nobody = ClosedPort::reserve();
    for client in [Client::of(nobody.address()).args(["play", "1"]), Client::of(server.address()).args(["play", "9"])] {
        client.arg(wav.option()).run(DEADLINE).expect_code(1);
        assert_eq!(std::fs::read(wav.path()).expect("it is there"), [7; 100_000]);
    }
    Client::of(server.address()).arg(wav.option()).args(["play", "1"]).run(DEADLINE).expect_code(0);
    assert_eq!(wav.read().samples, play_to_wav(server.address(), &["play", "1"]).samples);
}

#[test]
fn songs_of_one_format_join_without_a_gap() {
    let songs = [1, 2, 3].map(|seed| corpus::CBR_128.seed(seed).milliseconds(1_500));
    let music = MusicDir::new();
    for (index, song) in songs.iter().enumerate() {
        music.add(format!("{}.mp3", index + 1), song);
    }
    let server = ServerProcess::start(music.path());
    let music = songs.map(|song| reference::decode(&song.make()).music);
    for (what, range) in [("1-3", 0..3), ("2-3", 1..3), ("all", 0..3)] {
        let played = play_to_wav(server.address(), &["play", what]);
        let joined = music[range].iter().flat_map(|music| music.samples.clone()).collect();
        assert_same_from(&played, &Pcm { samples: joined, ..music[0] }, 0);
    }
}

#[test]
fn a_song_of_another_rate_is_resampled() {
    let songs = [corpus::CBR_128, corpus::MONO_22050, corpus::MONO_8_KBPS].map(|song| song.milliseconds(2_000));
    let music = MusicDir::new();
    for (index, song) in songs.iter().enumerate() {
        music.add(format!("{}.mp3", index + 1), song);
    }
    let server = ServerProcess::start(music.path());
    let played = play_to_wav(server.address(), &["play", "all"]);
    assert_eq!((played.rate, played.channels), (44_100, 2), "the format of the first song");

    let mut begin = 0;
    for song in songs {
        let original = reference::decode(&song.make()).music;
        let expected = likeness::resample(&original, played.rate).to_stereo();
        let end = begin + expected.frames();
        assert!(played.frames() >= end, "{} of {end} frames: {song:?}", played.frames());
        let ratio = likeness::signal_to_noise_db(&played.slice(begin..end), &expected);
        println!("figure: wav: {} Hz as {} Hz: {ratio:.1} dB", original.rate, played.rate);
        assert!(ratio >= 40.0, "{ratio:.1} dB: {song:?}");
        begin = end;
    }
    assert!(played.frames().abs_diff(begin) <= 2, "{} frames for {begin}", played.frames());
}

#[test]
fn piped_commands_are_obeyed_and_the_last_song_plays_out() {
    let song = corpus::CBR_128.milliseconds(2_500);
    let (_music, server) = serve(&[song]);
    let client = Client::of(server.address()).arg("--output=null");
    let output = client.run_script("list\nplay 1\n", DEADLINE).expect_code(0);
    assert!(output.stdout.starts_with("1\t1\t"), "{output}");
    assert!(output.elapsed >= Duration::from_millis(2_500), "a clock that plays 2.5 s: {output}");

    let wav = WavPath::new();
    Client::of(server.address()).arg(wav.option()).run_script("list\nplay 1", DEADLINE).expect_code(0);
    assert_same_from(&wav.read(), &reference::decode(&song.make()).music, 0);
}

#[test]
fn what_is_wrong_in_a_script_is_said_and_the_rest_is_done() {
    let song = corpus::CBR_128.milliseconds(1_500);
    let (_music, server) = serve(&[song]);
    let wav = WavPath::new();
    let client = Client::of(server.address()).arg(wav.option());
    let output = client.run_script("play 9\nfly 1\n\nplay 0\ninfo x\nplay 1\n", DEADLINE).expect_code(1);
    let complaints: Vec<_> = output.stderr.lines().filter(|line| line.starts_with("trill: ")).collect();
    assert_eq!(complaints.len(), 4, "{output}");
    assert_same_from(&wav.read(), &reference::decode(&song.make()).music, 0);
}

#[test]
fn standard_input_that_cannot_be_read_is_an_error() {
    let song = corpus::CBR_128.milliseconds(1_500);
    let (_music, server) = serve(&[song]);
    for (path, reason) in [("/", "Is a directory"), ("/proc/self/mem", "Input/output error")] {
        let mut command = Client::of(server.address()).arg("--output=null").into_command();
        command.stdin(File::open(path).expect("everybody may open it"));
        let output = command.output().expect("the client was just built");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!((output.status.code(), &*stdout), (Some(1), ""), "{path}: {stderr}");
        let begin = format!("trill: cannot read standard input: {reason}");
        assert!(stderr.starts_with(&begin) && stderr.lines().count() == 1, "{path}: {stderr}");
    }
}

#[test]
fn a_script_may_be_slow_on_a_descriptor_that_does_not_wait() {
    let (_music, server) = serve(&[corpus::CBR_128.milliseconds(1_500)]);
    let (script, mut writer) = UnixStream::pair().expect("the system has free descriptors");
    script.set_nonblocking(true).expect("a socket can be non-blocking");
    let mut command = Client::of(server.address()).into_command();
    command.stdin(OwnedFd::from(script)).stdout(Stdio::piped());
    let mut client = command.spawn().expect("the client was just built");
    drop(command);
    let mut answers = BufReader::new(client.stdout.take().expect("stdout was piped above")).lines();
    // A hundred times, because a line that arrives before its request proves nothing.
    for volume in 0..100 {
        for piece in ["volu", &format!("me {volume}\nvol"), "ume\n"] {
            writer.write_all(piece.as_bytes()).expect("the client reads");
        }
        let answer = answers.next().expect("an answer").expect("UTF-8");
        assert_eq!(answer, format!("volume {volume}"));
    }
    drop(writer);
    assert_eq!(client.wait().expect("a child can be waited for").code(), Some(0));
}

// ── no files are kept ──

#[test]
fn every_list_and_every_play_is_a_new_exchange() {
    let songs = [1, 2].map(|seed| corpus::CBR_128.seed(seed).milliseconds(2_000));
    let (_music, server) = serve(&songs);
    let proxy = Proxy::recording(server.address(), Conditions::PERFECT);
    let to_client = || messages::frames(&proxy.recorded(0, Direction::ToClient));
    let wav = WavPath::new();
    let mut client = Client::of(proxy.address()).arg(wav.option()).spawn();
    client.write(b"list\nlist\nlist\nplay 1\n");
    wait::wait_for(DEADLINE, "the first END", || proxy.accepted() > 0 && finished(&to_client()) == 1);
    client.write(b"play 1\n");
    wait::wait_for(DEADLINE, "the second END", || finished(&to_client()) == 2);
    client.write(b"list\nquit\n");
    client.close_stdin();
    client.wait(DEADLINE).expect_code(0);

    let (sent, received) = (messages::frames(&proxy.recorded(0, Direction::ToServer)), to_client());
    assert_eq!((count(&sent, MessageType::List), count(&received, MessageType::ListEnd)), (4, 4), "every list asks");
    assert_eq!((count(&sent, MessageType::Play), count(&received, MessageType::Started)), (2, 2), "every play asks");
    let audio = reference::decode(&songs[0].make()).layout.audio.len();
    let data: Vec<_> = received.iter().filter(|frame| frame.kind() == Some(MessageType::Data)).collect();
    let streams: Vec<_> = received.iter().filter(|frame| frame.kind() == Some(MessageType::Started)).collect();
    for stream in streams {
        let bytes: usize = data.iter().filter(|f| f.header.id == stream.header.id).map(|f| f.payload.len()).sum();
        assert_eq!(bytes, audio, "the whole song on stream {}", stream.header.id);
    }
    assert_eq!(proxy.accepted(), 1, "one connection");
}

fn finished(frames: &[Frame]) -> usize {
    let is_end = |frame: &&Frame| matches!(frame.message(), Message::End(end) if end.reason == EndReason::Finished);
    frames.iter().filter(|frame| frame.kind() == Some(MessageType::End)).filter(is_end).count()
}

fn count(frames: &[Frame], kind: MessageType) -> usize {
    frames.iter().filter(|frame| frame.kind() == Some(kind)).count()
}

// ── exit codes ──

#[test]
fn what_is_done_exits_with_0() {
    let (_music, server) = serve(&[corpus::CBR_128.milliseconds(1_500)]);
    let check = |words: &[&str], expected: &str| {
        let output = Client::of(server.address()).args(words).run(DEADLINE).expect_code(0);
        assert!(output.stdout.contains(expected) && output.stderr.is_empty(), "{words:?}: {output}");
    };
    check(&["list"], "1\t1\t");
    check(&["l"], "1\t1\t");
    check(&["info", "1"], "44100 Hz");
    check(&["status"], "state      stopped\nqueue      empty\nunderruns  0\nvolume     100 %\n");
    check(&["help"], "play");
    for (option, expected) in [("--help", "Usage"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let output = Client::new().arg(option).run(DEADLINE).expect_code(0);
        assert!(output.stdout.contains(expected) && output.stderr.is_empty(), "{output}");
    }
}

#[test]
fn only_devices_that_a_person_can_use_are_listed() {
    let output = Client::new().arg("--list-devices").run(DEADLINE);
    let unknown = Client::new().args(["--output=device:x", "play", "1"]).run(DEADLINE).expect_code(1);
    // Pseudo-devices of the ALSA plugins: parts of other devices, and sound servers that do not run here.
    for name in ["lavrate", "samplerate", "speexrate", "speex", "upmix", "vdownmix", "null", "oss", "pulse", "jack"] {
        let is_listed = output.stdout.lines().any(|line| line.split(' ').next() == Some(name));
        assert!(!is_listed, "{name}: {output}");
        assert!(!unknown.stderr.contains(name), "{name}: {unknown}");
    }
    if output.stdout.is_empty() {
        expect_one_line(output, 1, "no sound device found: connect one or start a sound server");
    } else {
        output.expect_code(0);
    }
}

#[test]
fn a_missing_sound_device_is_explained_once() {
    let (_music, server) = serve(&[corpus::CBR_128.milliseconds(1_500)]);
    // Without ALSA's configuration no machine has a device.
    let client = Client::of(server.address()).env("ALSA_CONFIG_PATH", "/dev/null");
    let mut terminal = client.in_terminal(Size { rows: 24, columns: 59 });
    // As many whole words as fit the row.
    let explanation = "no sound device: connect one or start a sound server, or";
    terminal.wait_for(DEADLINE, "an explanation", |screen| screen.rows.iter().any(|row| row == explanation));
    terminal.wait_for_text(DEADLINE, "trill>");
    terminal.type_text("play 1\rplay 1\rfly\r");
    let screen = terminal.wait_for_text(DEADLINE, "no command \"fly\"");
    let again = screen.rows.iter().filter(|row| row.contains("there is still no sound output")).count();
    let explained = screen.rows.iter().filter(|row| *row == explanation).count();
    assert_eq!((explained, again), (1, 2), "{terminal}");
    terminal.type_text(key::CTRL_D);
    assert_eq!(terminal.wait(DEADLINE).code(), Some(0), "{terminal}");
}

#[test]
fn a_server_that_does_not_run_is_one_line() {
    let nobody = RawListener::bind().address();
    let refused = format!("trill: {nobody} refused the connection; is trill-server running there?\n");
    let check = |client: Client| expect_one_line(client.run(DEADLINE), 1, &refused);
    check(Client::of(nobody).arg("list"));
    check(Client::of(nobody).args(["--output=null", "play", "1"]));
    check(Client::of(nobody));
    let unknown = Client::new().args(["no-such-host.invalid", "list"]).run(DEADLINE);
    expect_one_line(unknown, 1, "trill: cannot find the host no-such-host.invalid: ");
}

#[test]
fn a_server_that_closes_without_a_word_is_called_so() {
    let listener = RawListener::bind();
    let server = listener.address();
    let closer = thread::spawn(move || drop(listener.accept(DEADLINE)));
    let said = format!("trill: {server} closed the connection without a reply; is it a Trill server?\n");
    expect_one_line(Client::of(server).arg("list").run(DEADLINE), 1, &said);
    closer.join().expect("a client");
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_the_server_is_asked() {
    let server = FakeServer::with([fake_server::Song::short("one", 300.0)]);
    let client = Client::of(server.address).args(["--output=wav:/nowhere/x.wav", "play", "1"]);
    expect_one_line(client.run(DEADLINE), 1, "/nowhere/x.wav");
    assert_eq!(server.count("PLAY"), 0, "{:?}", server.log());
}

#[test]
fn an_empty_script_does_nothing() {
    let server = FakeServer::with([]);
    for script in ["", "\n\n  \nquit\nlist\n"] {
        let output = Client::of(server.address).run_script(script, DEADLINE).expect_code(0);
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""), "{script:?}");
    }
}

#[test]
fn an_empty_library_is_said() {
    let server = FakeServer::with([]);
    let output = Client::of(server.address).arg("list").run(DEADLINE).expect_code(0);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", "the server has no songs\n"));
    let play = Client::of(server.address).args(["--output=null", "play", "all"]).run(DEADLINE);
    expect_one_line(play, 1, "trill: the server has no songs\n");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let song = fake_server::Song { title: "t".repeat(200), ..fake_server::Song::short("x", 300.0) };
    let mute = fake_server::Song { audio: Vec::new(), music: Vec::new(), ..song };
    let server = FakeServer::with((0..2_000).map(|_| mute.clone()));
    let mut command = Client::of(server.address).arg("list").into_command();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = command.spawn().expect("the client was just built");
    let mut first = String::new();
    BufReader::new(client.stdout.take().expect("it is piped")).read_line(&mut first).expect("a line");
    assert!(first.starts_with("1\tttt"), "{first}");
    let output = client.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    assert!(server.log().len() < 1_000, "it kept requesting pages without a reader");
}

#[test]
fn output_that_nobody_reads_is_no_disaster() {
    let music = MusicDir::new();
    // Several pages: the client must stop requesting pages when its output is closed.
    for index in 0..2_000 {
        music.add_bytes(format!("{index:04}.mp3"), b"");
    }
    let server = ServerProcess::start(music.path());
    for words in [["list"].as_slice(), &["help"], &["info", "1"]] {
        let (status, stderr) = run_unread(server.address(), words);
        assert!(!stderr.contains("panicked"), "{words:?}: {stderr}");
        assert!(status.code().is_some_and(|code| code <= 1), "{words:?}: {status}: {stderr}");
    }
}

/// Runs a client whose stdout is closed at the other end, as with `| head -1`.
fn run_unread(server: SocketAddr, words: &[&str]) -> (ExitStatus, String) {
    let (reader, writer) = io::pipe().expect("the system has free descriptors");
    drop(reader);
    let mut command = Client::of(server).args(words).into_command();
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the client was just built");
    let ended = || child.try_wait().expect("a child can be asked for its status");
    let status = wait::wait_for_some(DEADLINE, "the end of a client with a closed output", ended);
    let mut stderr = String::new();
    child.stderr.take().expect("stderr was piped above").read_to_string(&mut stderr).expect("messages in UTF-8");
    (status, stderr)
}

// ── helpers ──

/// Serves songs as `1.mp3`, `2.mp3`, …
fn serve(songs: &[Song]) -> (MusicDir, ServerProcess) {
    let music = MusicDir::new();
    for (index, song) in songs.iter().enumerate() {
        music.add(format!("{}.mp3", index + 1), song);
    }
    let server = ServerProcess::start(music.path());
    (music, server)
}

#[track_caller]
fn play_to_wav(server: SocketAddr, words: &[&str]) -> Pcm {
    let wav = WavPath::new();
    Client::of(server).arg(wav.option()).args(words).run(DEADLINE).expect_code(0);
    wav.read()
}

/// The line is the whole output.
#[track_caller]
fn expect_one_line(output: Output, code: i32, expected: &str) {
    let output = output.expect_code(code);
    let is_line = output.stderr.starts_with("trill: ") && output.stderr.trim_end().lines().count() == 1;
    assert!(is_line && output.stderr.contains(expected), "one line with {expected:?}: {output}");
    assert!(output.stdout.is_empty(), "nothing was done: {output}");
}

/// The client's output file.
struct WavPath(TempDir);

impl WavPath {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("out.wav")
    }

    fn option(&self) -> String {
        format!("--output=wav:{}", self.path().display())
    }

    #[track_caller]
    fn read(&self) -> Pcm {
        Pcm::read_wav(&self.path())
    }
}
