//! Scenarios that every client must pass, the laptop's and the boards'.
//!
//! A client implements [`Client::run`]. [`client_scenarios!`](crate::client_scenarios) makes one test per scenario.

use std::net::SocketAddr;
#[cfg(target_os = "linux")]
use std::{thread, time::Duration};

use trill_proto::error::ErrorCode;
#[cfg(target_os = "linux")]
use trill_proto::{
    ids::SongId,
    message::{self, End, EndReason, Info, Message, MessageType, Ping, Play, Start, Started, Welcome},
};

use crate::fake_server::{FakeServer, Setup, Song};
#[cfg(target_os = "linux")]
use crate::proxy::{Conditions, Direction, Fault, Proxy, Script};
#[cfg(target_os = "linux")]
use crate::raw::{RawConnection, RawListener};
#[cfg(target_os = "linux")]
use crate::stretch;

/// A generous deadline.
#[cfg(target_os = "linux")]
const DEADLINE: Duration = Duration::from_secs(60);

/// A client under test.
pub trait Client {
    /// Connects to `server`, types `lines`, and plays to the end.
    fn run(&self, server: SocketAddr, lines: &[&str]) -> Heard;
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The sound, left and right. Mono is the same on both.
    pub frames: Vec<[i16; 2]>,
    /// The text output, on any stream.
    pub text: String,
}

/// Makes one test per scenario, for the client that the expression creates.
#[macro_export]
macro_rules! client_scenarios {
    ($client:expr) => {
        $crate::client_scenarios! { $client =>
            a_song_has_exactly_the_samples_that_went_into_the_encoder
            songs_of_a_range_follow_each_other_without_a_gap
            a_recording_in_several_songs_sounds_as_one
            a_song_that_decodes_to_nothing_is_told_and_passed
            a_range_goes_on_behind_songs_that_are_refused
            next_and_previous_find_songs_across_gaps_and_stay_in_the_range
            a_song_whose_sound_ends_before_its_bytes_is_followed
            after_a_switch_there_is_only_the_new_song
            a_wrong_song_number_leaves_the_music_alone
            nothing_is_cached
            a_seek_asks_the_server_anew
            a_cut_connection_is_resumed_and_not_heard
            a_song_that_changed_meanwhile_ends_where_it_is
            a_server_without_songs_has_nothing_to_play
            what_a_server_sends_cannot_command_the_terminal
        }
        // These need the fault proxy or a server that sends arbitrary bytes.
        #[cfg(target_os = "linux")]
        mod faults {
            use super::*;
            $crate::client_scenarios! { $client =>
                cuts_at_any_byte_are_not_heard
                a_bad_path_is_not_heard
                a_server_that_was_restarted_is_found_again
                a_server_that_delivers_nothing_is_asked_ever_more_rarely
                a_song_goes_on_when_the_one_that_replaced_it_is_refused
                a_song_of_which_nothing_came_is_not_called_undecodable
            }
        }
    };
    ($client:expr => $($scenario:ident)*) => {
        $(#[test]
        fn $scenario() {
            $crate::scenarios::$scenario(&$client);
        })*
    };
}

/// Trims songs for gapless playback at every rate and number of channels.
///
/// # Panics
/// When a client fails it.
pub fn a_song_has_exactly_the_samples_that_went_into_the_encoder(client: &impl Client) {
    let songs = [
        Song::short("stereo", 440.0),
        Song::encode("variable", 300.0, 3, 48_000, 2, &["-V", "4"]),
        Song::encode("mono", 200.0, 3, 22_050, 1, &["-b", "64", "-m", "m"]),
    ];
    let server = FakeServer::with(songs.clone());
    for (number, song) in (1..).zip(&songs) {
        let heard = client.run(server.address, &[&format!("play {number}")]);
        assert!(heard.text.contains(&format!("playing {number} {}", song.title)), "{}", heard.text);
        assert_same_sound(&heard.frames, &frames(song));
    }
}

/// Joins songs without gaps, across missing song numbers.
///
/// # Panics
/// When a client fails it.
pub fn songs_of_a_range_follow_each_other_without_a_gap(client: &impl Client) {
    let songs = [Song::short("one", 300.0), Song::short("two", 500.0), Song::short("three", 700.0)];
    let numbered = [2, 5, 9].into_iter().zip(songs.clone()).collect();
    let server = FakeServer::start(Setup { songs: numbered, ..Setup::default() });
    let heard = client.run(server.address, &["play all"]);
    assert_same_sound(&heard.frames, &songs.iter().flat_map(frames).collect::<Vec<_>>());
    let heard = client.run(server.address, &["play 3-8"]);
    assert_same_sound(&heard.frames, &frames(&songs[1]));
    let heard = client.run(server.address, &["play 10-20"]);
    assert!(heard.frames.is_empty() && heard.text.contains("songs from 10 to 20"), "{}", heard.text);
}

/// Plays a range whose first songs are missing, from silence and over another song. If the whole range is missing, the
/// other song continues.
///
/// # Panics
/// When a client fails it.
pub fn a_range_goes_on_behind_songs_that_are_refused(client: &impl Client) {
    let songs = [300.0, 400.0, 500.0, 600.0, 700.0].map(|hertz| Song::short("a song", hertz));
    let setup = Setup { songs: (1..).zip(songs.clone()).collect(), refused: vec![2, 3, 5], ..Setup::default() };
    let server = FakeServer::start(setup.clone());
    let heard = client.run(server.address, &["play 2-5"]);
    assert_same_sound(&heard.frames, &frames(&songs[3]));
    let server = FakeServer::start(setup.clone());
    let heard = client.run(server.address, &["play 1", "play 2-4"]);
    let expected = frames(&songs[3]);
    let rest = heard.frames.len().checked_sub(expected.len()).expect("song 4 was heard");
    assert_same_sound(&heard.frames[rest..], &expected);
    assert_eq!(heard.text.matches("contains no MP3 audio").count(), 2, "{}", heard.text);
    let server = FakeServer::start(setup);
    let heard = client.run(server.address, &["play 1", "play 5", "play 2-3"]);
    assert_same_sound(&heard.frames, &frames(&songs[0]));
    assert_eq!(server.count("PLAY"), 4, "{:?}", server.log());
}

/// Plays parts of a recording that was cut after encoding. A part that plays alone or after a switch is decoded alone.
///
/// # Panics
/// When a client fails it.
pub fn a_recording_in_several_songs_sounds_as_one(client: &impl Client) {
    let mut songs = Song::recording(3);
    songs.push(Song::short("another", 500.0));
    let server = FakeServer::with(songs.clone());
    let heard = client.run(server.address, &["play all"]);
    assert_same_sound(&heard.frames, &songs.iter().flat_map(frames).collect::<Vec<_>>());

    let alone = client.run(server.address, &["play 2"]).frames;
    assert_eq!(alone.len(), frames(&songs[1]).len());
    let begins_alike = alone.iter().zip(frames(&songs[1])).take(100).all(|(heard, expected)| *heard == expected);
    assert!(!begins_alike, "its first frame refers to the part before it");
    let switched = client.run(server.address, &["play 1", "play 2"]).frames;
    assert_same_sound(&switched[switched.len() - alone.len()..], &alone);
}

/// Plays a song of valid frames without decodable sound, among others.
///
/// # Panics
/// When a client fails it.
pub fn a_song_that_decodes_to_nothing_is_told_and_passed(client: &impl Client) {
    let songs = [Song::short("one", 300.0), Song::mute(), Song::short("three", 500.0)];
    let server = FakeServer::with(songs.clone());
    let heard = client.run(server.address, &["play all"]);
    assert!(heard.text.contains("song 2 contains no decodable MP3 audio"), "{}", heard.text);
    // No silence replaces it.
    assert_same_sound(&heard.frames, &[frames(&songs[0]), frames(&songs[2])].concat());
}

/// Skips forwards and backwards from a single song and within a range. After a single song comes silence.
///
/// # Panics
/// When a client fails it.
pub fn next_and_previous_find_songs_across_gaps_and_stay_in_the_range(client: &impl Client) {
    // Long enough to be still playing at the skip.
    let song = |title, pitch| Song::encode(title, pitch, 20, 44_100, 2, &["-b", "128"]);
    let songs = [(2, song("two", 300.0)), (5, song("five", 500.0)), (9, song("nine", 700.0))];
    for (lines, last, said) in [
        (&["play 2", "next"][..], 5, "playing 5 five"),
        (&["play 2", "next", "next"], 9, "playing 9 nine"),
        (&["play 9", "next"], 9, "song 9 is the last"),
        (&["play 9", "previous"], 5, "playing 5 five"),
        (&["play 2", "previous"], 2, "song 2 is the first"),
        (&["play 3-8", "previous"], 5, "song 5 is the first"),
        (&["play 2-5", "next", "next"], 5, "song 5 is the last"),
    ] {
        let server = FakeServer::start(Setup { songs: songs.to_vec(), ..Setup::default() });
        let heard = client.run(server.address, lines);
        assert!(heard.text.contains(said), "{lines:?}: {}", heard.text);
        let asked = server.log().into_iter().rfind(|line| line.starts_with("PLAY"));
        assert_eq!(asked, Some(format!("PLAY {last} at 0 ms")), "{lines:?}");
        let (_, song) = songs.iter().find(|(number, _)| *number == last).expect("one of them");
        let whole = frames(song);
        assert!(heard.frames.len() >= whole.len(), "{lines:?}: {} frames", heard.frames.len());
        assert_same_sound(&heard.frames[heard.frames.len() - whole.len()..], &whole);
    }
}

/// Bytes after a song's last sample are not played and delay nothing.
///
/// # Panics
/// When a client fails it.
pub fn a_song_whose_sound_ends_before_its_bytes_is_followed(client: &impl Client) {
    let mut one = Song::encode("one", 300.0, 30, 44_100, 2, &["-b", "128"]);
    one.started.end_sample -= 20 * 44_100;
    one.music.truncate(2 * 10 * 44_100);
    let songs = [one, Song::short("two", 500.0)];
    let server = FakeServer::with(songs.clone());
    let heard = client.run(server.address, &["play all"]);
    assert_same_sound(&heard.frames, &songs.iter().flat_map(frames).collect::<Vec<_>>());
}

/// A switch takes effect at once and permanently.
///
/// # Panics
/// When a client fails it.
pub fn after_a_switch_there_is_only_the_new_song(client: &impl Client) {
    let songs = [Song::encode("long", 300.0, 60, 44_100, 2, &["-b", "128"]), Song::short("short", 700.0)];
    let server = FakeServer::with(songs.clone());
    let heard = client.run(server.address, &["play 1", "play 2"]).frames;
    let (old, new) = heard.split_at(heard.len() - frames(&songs[1]).len());
    assert_same_sound(new, &frames(&songs[1]));
    let whole = frames(&songs[0]);
    assert!(old.len() < whole.len(), "the first song was interrupted");
    assert_same_sound(old, &whole[..old.len()]);
}

/// Input errors are reported and have no other effect.
///
/// # Panics
/// When a client fails it.
pub fn a_wrong_song_number_leaves_the_music_alone(client: &impl Client) {
    let song = Song::short("one", 300.0);
    let server = FakeServer::with([song.clone()]);
    let heard = client.run(server.address, &["play 1", "play 99", "info 99", "nonsense"]);
    let refusals = heard.text.lines().filter(|line| line.contains("there is no") && line.contains("99"));
    assert_eq!(refusals.count(), 2, "{}", heard.text);
    assert!(heard.text.contains("no command \"nonsense\""), "{}", heard.text);
    assert_same_sound(&heard.frames, &frames(&song));
}

/// Every command uses fresh data from the server.
///
/// # Panics
/// When a client fails it.
pub fn nothing_is_cached(client: &impl Client) {
    let song = Song::short("one", 300.0);
    let server = FakeServer::with([song.clone()]);
    for _ in 0..2 {
        let heard = client.run(server.address, &["list", "info 1", "play 1"]);
        let tells =
            |words: &[&str]| heard.text.lines().any(|line| line.split_whitespace().take(2).eq(words.iter().copied()));
        assert!(tells(&["1", "one"]), "no list in {}", heard.text);
        assert!(tells(&["title", "one"]), "no info in {}", heard.text);
        assert_same_sound(&heard.frames, &frames(&song));
    }
    assert_eq!((server.count("LIST 0 0 "), server.count("PLAY 1 at 0 ms")), (2, 2), "{:?}", server.log());
}

/// The server executes a seek.
///
/// # Panics
/// When a client fails it.
pub fn a_seek_asks_the_server_anew(client: &impl Client) {
    let server = FakeServer::with([Song::encode("long", 300.0, 60, 44_100, 2, &["-b", "128"])]);
    client.run(server.address, &["play 1", "seek 20"]);
    let asked: Vec<_> = server.log().into_iter().filter(|line| line.starts_with("PLAY")).collect();
    assert_eq!(asked, ["PLAY 1 at 0 ms", "PLAY 1 at 20000 ms"]);
}

/// A client recovers from a lost connection.
///
/// # Panics
/// When a client fails it.
pub fn a_cut_connection_is_resumed_and_not_heard(client: &impl Client) {
    let song = Song::encode("long", 300.0, 20, 44_100, 2, &["-b", "128"]);
    let setup = Setup { songs: vec![(1, song.clone())], cut_after: vec![20_001, 1, 100_000], ..Setup::default() };
    let server = FakeServer::start(setup);
    let heard = client.run(server.address, &["play 1"]);
    assert_same_sound(&heard.frames, &frames(&song));
    assert_eq!(server.count("PLAY 1 at 0 ms"), 1, "{:?}", server.log());
    assert_eq!(server.count("PLAY 1 from"), 3, "{:?}", server.log());
}

/// A song with wrong bytes is not played.
///
/// # Panics
/// When a client fails it.
pub fn a_song_that_changed_meanwhile_ends_where_it_is(client: &impl Client) {
    let song = Song::encode("long", 300.0, 10, 44_100, 2, &["-b", "128"]);
    let server = FakeServer::start(Setup {
        songs: vec![(1, song.clone())],
        cut_after: vec![50_000],
        refuses_resume: Some(ErrorCode::SONG_CHANGED),
        ..Setup::default()
    });
    let heard = client.run(server.address, &["play 1"]);
    assert!(heard.text.contains("has changed on the server; play it anew"), "{}", heard.text);
    let whole = frames(&song);
    assert!(!heard.frames.is_empty() && heard.frames.len() < whole.len(), "{} frames", heard.frames.len());
    assert_same_sound(&heard.frames, &whole[..heard.frames.len()]);
}

/// An empty library is reported.
///
/// # Panics
/// When a client fails it.
pub fn a_server_without_songs_has_nothing_to_play(client: &impl Client) {
    let server = FakeServer::with([]);
    let heard = client.run(server.address, &["play all"]);
    assert!(heard.frames.is_empty() && heard.text.contains("the server has no songs"), "{}", heard.text);
    assert_eq!(server.count("PLAY"), 0, "{:?}", server.log());
}

/// Control characters in tags are not output.
///
/// # Panics
/// When a client fails it.
pub fn what_a_server_sends_cannot_command_the_terminal(client: &impl Client) {
    let song = Song { title: "evil\u{1b}[2J\u{7}\u{202e}name".to_owned(), ..Song::short("x", 300.0) };
    let server = FakeServer::with([song]);
    let heard = client.run(server.address, &["list", "info 1", "play 1"]);
    assert!(heard.text.matches("evilname").count() >= 3, "{}", heard.text);
    assert!(!heard.text.contains("[2J") && !heard.text.contains('\u{202e}'), "{}", heard.text);
}

/// A client recovers from a cut at any byte.
///
/// # Panics
/// When a client fails it.
#[cfg(target_os = "linux")]
pub fn cuts_at_any_byte_are_not_heard(client: &impl Client) {
    const CUTS: usize = 60;
    let song = Song::encode("long", 300.0, 60, 44_100, 2, &["-b", "128"]);
    let server = FakeServer::with([song.clone()]);
    // Every other cut comes before the music, so that the client backs off only once in a row: within the client's
    // first 80 bytes, after which it sends little on a good path, or the server's first 150.
    let early = Script::random_cuts(1, CUTS / 2, 80, 150);
    let late = Script::random_cuts(2, CUTS / 2, 0, 20_000);
    let scripts: Vec<_> = early.into_iter().zip(late).flat_map(|(early, late)| [early, late]).collect();
    let proxy = Proxy::scripted_in_turn(server.address, Conditions::PERFECT, scripts.clone());
    let heard = client.run(proxy.address(), &["play 1"]);
    assert_same_sound(&heard.frames, &frames(&song));
    assert_eq!(proxy.accepted(), CUTS + 1, "connections");
    stretch::check(&stretch::all(&proxy, &scripts), song.audio.len() as u64);
}

/// A client keeps its connection through delays, pauses, fragments and bursts.
///
/// # Panics
/// When a client fails it.
#[cfg(target_os = "linux")]
pub fn a_bad_path_is_not_heard(client: &impl Client) {
    let song = Song::short("one", 300.0);
    let server = FakeServer::with([song.clone()]);
    for seed in 1..=5 {
        let script = Script::survivable(seed, song.audio.len() as u64);
        let proxy = Proxy::scripted(server.address, Conditions::PERFECT, script);
        let heard = client.run(proxy.address(), &["play 1"]);
        assert_same_sound(&heard.frames, &frames(&song));
        assert_eq!(proxy.accepted(), 1, "connections, seed {seed}: {}", heard.text);
    }
}

/// Another process with the same songs is the same server.
///
/// # Panics
/// When a client fails it.
#[cfg(target_os = "linux")]
pub fn a_server_that_was_restarted_is_found_again(client: &impl Client) {
    let song = Song::encode("long", 300.0, 20, 44_100, 2, &["-b", "128"]);
    let old = FakeServer::start(Setup { songs: vec![(1, song.clone())], cut_after: vec![50_000], ..Setup::default() });
    let new = FakeServer::with([song.clone()]);
    let proxy = Proxy::start(old.address, Conditions::PERFECT);
    let heard = thread::scope(|scope| {
        scope.spawn(|| {
            old.wait_for("PLAY 1 at 0 ms");
            proxy.redirect(new.address);
        });
        client.run(proxy.address(), &["play 1"])
    });
    assert_same_sound(&heard.frames, &frames(&song));
    assert_eq!((old.count("PLAY 1 from"), new.count("PLAY 1 from")), (0, 1), "{:?}", new.log());
    assert!(heard.text.contains("connected again"), "{}", heard.text);
}

/// A client retries at once only if the server delivered music before.
///
/// # Panics
/// When a client fails it.
#[cfg(target_os = "linux")]
pub fn a_server_that_delivers_nothing_is_asked_ever_more_rarely(client: &impl Client) {
    /// Length of the server's preamble, WELCOME and STARTED.
    const SAID: u64 = 8 + 35 + 80;
    let song = Song::short("one", 300.0);
    let server = FakeServer::with([song.clone()]);
    let scripts = vec![Script::cut(Direction::ToClient, SAID, Fault::Close); 5];
    let proxy = Proxy::scripted_in_turn(server.address, Conditions::PERFECT, scripts);
    let heard = client.run(proxy.address(), &["play 1"]);
    assert_same_sound(&heard.frames, &frames(&song));
    assert_eq!(server.count("PLAY"), 6, "{:?}", server.log());
    for (index, shortest_ms) in [20, 100, 200, 400, 800].into_iter().enumerate() {
        let cut = proxy.cut_at(index).expect("this connection was cut");
        let waited = proxy.accepted_at(index + 1).saturating_duration_since(cut);
        assert!(waited >= Duration::from_millis(shortest_ms), "{waited:?} after {} attempts", index + 1);
    }
}

/// The server ends a song before its first byte, so its content is unknown.
///
/// # Panics
/// When a client fails it.
#[cfg(target_os = "linux")]
pub fn a_song_of_which_nothing_came_is_not_called_undecodable(client: &impl Client) {
    let song = Song::short("one", 300.0);
    let listener = RawListener::bind();
    let serve = || {
        let mut connection = welcome(&listener);
        let Play { stream, song: number, .. } = next_play(&mut connection);
        connection.send_message(&Message::Started(Started { stream, song: number, ..song.started }));
        connection.send_message(&Message::End(End { stream, reason: EndReason::Stopped }));
        connection.receive_to_end(DEADLINE);
    };
    let heard = thread::scope(|scope| {
        scope.spawn(serve);
        client.run(listener.address(), &["play 1"])
    });
    assert!(heard.text.contains("the server ended song 1 before its end"), "{}", heard.text);
    assert!(!heard.text.contains("decodable"), "{}", heard.text);
}

/// The old song continues if the new one is refused, at once or on the next connection.
///
/// # Panics
/// When a client fails it.
#[cfg(target_os = "linux")]
pub fn a_song_goes_on_when_the_one_that_replaced_it_is_refused(client: &impl Client) {
    /// Bytes received by then, all within the first credit.
    const COME: usize = 5_000;
    let song = Song::encode("one", 300.0, 1, 44_100, 1, &["-b", "64", "-m", "m"]);
    let refusal =
        |play: Play| Message::Error(message::Error { id: play.stream.0, code: ErrorCode::SONG_GONE, text: "" });
    for is_cut in [false, true] {
        let listener = RawListener::bind();
        let serve = || {
            let mut connection = welcome(&listener);
            let first = next_play(&mut connection);
            let started = Started { stream: first.stream, song: first.song, ..song.started };
            connection.send_message(&Message::Started(started));
            connection.send_message(&Message::Data(first.stream.0, &song.audio[..COME]));
            let mut second = next_play(&mut connection);
            connection.send_message(&Message::End(End { stream: first.stream, reason: EndReason::Replaced }));
            if is_cut {
                // So that the connection's loss does not lose the END.
                connection.send_message(&Message::Ping(Ping { token: 7 }));
                connection.receive_until(MessageType::Pong, DEADLINE);
                connection = welcome(&listener);
            } else {
                connection.send_message(&refusal(second));
            }
            let rest = next_play(&mut connection);
            assert_eq!((rest.song, rest.start), (SongId(1), Start::Resume(COME as u64)), "cut: {is_cut}");
            let started = Started { stream: rest.stream, position: COME as u64, ..started };
            connection.send_message(&Message::Started(started));
            if is_cut {
                second = next_play(&mut connection);
                connection.send_message(&refusal(second));
            }
            assert_eq!(second.song, SongId(2), "cut: {is_cut}");
            connection.send_message(&Message::Data(rest.stream.0, &song.audio[COME..]));
            connection.send_message(&Message::End(End { stream: rest.stream, reason: EndReason::Finished }));
            connection.receive_to_end(DEADLINE);
        };
        let heard = thread::scope(|scope| {
            scope.spawn(serve);
            client.run(listener.address(), &["play 1", "play 2"])
        });
        assert_same_sound(&heard.frames, &frames(&song));
    }
}

/// A seek refers to the playing song, even if its number has changed.
///
/// # Panics
/// When a client fails it.
#[cfg(target_os = "linux")]
pub fn a_seek_finds_the_same_music_under_another_number(client: &impl Client) {
    /// Bytes received by then.
    const COME: usize = 5_000;
    let song = Song::encode("one", 300.0, 1, 44_100, 1, &["-b", "64", "-m", "m"]);
    let listener = RawListener::bind();
    let serve = || {
        let mut connection = welcome(&listener);
        let first = next_play(&mut connection);
        assert_eq!(first.content_tag, 0);
        let started = Started { stream: first.stream, song: first.song, ..song.started };
        connection.send_message(&Message::Started(started));
        connection.send_message(&Message::Data(first.stream.0, &song.audio[..COME]));
        let seek = next_play(&mut connection);
        assert_eq!((seek.song, seek.content_tag), (SongId(1), song.started.content_tag));
        connection.send_message(&Message::End(End { stream: first.stream, reason: EndReason::Replaced }));
        connection.send_message(&Message::Started(Started { stream: seek.stream, song: SongId(5), ..started }));
        connection.send_message(&Message::Data(seek.stream.0, &song.audio));
        connection.send_message(&Message::End(End { stream: seek.stream, reason: EndReason::Finished }));
        connection.receive_to_end(DEADLINE);
    };
    let heard = thread::scope(|scope| {
        scope.spawn(serve);
        client.run(listener.address(), &["play 1", "seek 0"])
    });
    let whole = frames(&song);
    assert!(heard.frames.len() >= whole.len(), "{} frames: {}", heard.frames.len(), heard.text);
    assert_same_sound(&heard.frames[heard.frames.len() - whole.len()..], &whole);
}

/// Accepts and welcomes the client's next connection.
#[cfg(target_os = "linux")]
fn welcome(listener: &RawListener) -> RawConnection {
    let mut connection = listener.accept(DEADLINE);
    connection.welcome(Welcome { server_name: "fake", generation: 1, ..Welcome::new() }, DEADLINE);
    connection
}

/// Answers the client's requests until its next PLAY. Returns that song.
#[cfg(target_os = "linux")]
fn next_play(connection: &mut RawConnection) -> Play {
    loop {
        match connection.receive_frame(DEADLINE).message() {
            Message::Play(play) => return play,
            Message::Info(Info { request, song }) => {
                let song = message::Song { request, song, title: "one", ..message::Song::default() };
                connection.send_message(&Message::Song(song));
            }
            _ => {}
        }
    }
}

/// The sound of a song, with mono on both sides.
fn frames(song: &Song) -> Vec<[i16; 2]> {
    match song.started.channels {
        1 => song.music.iter().map(|sample| [*sample, *sample]).collect(),
        _ => song.music.chunks_exact(2).map(|frame| [frame[0], frame[1]]).collect(),
    }
}

/// Asserts equal length and equal samples, except for one step of rounding.
#[track_caller]
fn assert_same_sound(heard: &[[i16; 2]], expected: &[[i16; 2]]) {
    assert_eq!(heard.len(), expected.len(), "frames");
    let differs = |(a, b): (&i16, &i16)| i32::from(*a).abs_diff(i32::from(*b)) > 1;
    let first = heard.as_flattened().iter().zip(expected.as_flattened()).position(differs);
    assert_eq!(first, None, "the first sample that differs");
}
