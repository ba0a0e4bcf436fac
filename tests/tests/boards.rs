//! The boards' programs in QEMU with the real server: commands, console output, and every sample.
#![cfg(target_os = "linux")]

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use id3::Version;
use trill_decoder::Decoder;
use trill_proto::decoder::{Decoded, FrameDecoder, PCM_SAMPLES};
use trill_tests::board::{self, Board, Kind};
use trill_tests::corpus::tags::{Tags, raw_id3v24};
use trill_tests::corpus::{self, MusicDir, Song};
use trill_tests::pcm::Pcm;
use trill_tests::reference;
use trill_tests::server::ServerProcess;
use trill_tests::wait;

/// The most common sample rate.
const RATE: u32 = 44_100;

/// The songs in the directory, in the order of their numbers.
fn songs() -> [Song; 5] {
    [corpus::CBR_128, corpus::CBR_320, corpus::VBR, corpus::MONO_22050, corpus::WITH_PICTURE]
        .map(|song| song.milliseconds(2_500))
}

fn directory() -> MusicDir {
    let directory = MusicDir::new();
    for (number, song) in (1..).zip(&songs()) {
        directory.add(format!("{number}.mp3"), song);
    }
    directory
}

/// The expected sound of a song on a board: always stereo.
fn music(song: &Song) -> Pcm {
    reference::decode_as_a_board(&song.make()).music.to_stereo()
}

#[track_caller]
fn assert_equal(heard: &Pcm, expected: &Pcm, what: &str) {
    let differs = heard.samples.iter().zip(&expected.samples).position(|(a, b)| a != b);
    assert_eq!((differs, heard.frames()), (None, expected.frames()), "{what}: the first sample that differs, frames");
}

fn connect(kind: Kind, server: SocketAddr, rate: u32) -> Board {
    let mut board = Board::start(kind, server, rate);
    board.wait_for("connected to ");
    board
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Bytes of music in the decoder's input buffer.
#[track_caller]
fn buffered(board: &mut Board) -> u32 {
    let line = board.ask("status", "buffer  ");
    line.split_whitespace().nth(1).and_then(|bytes| bytes.parse().ok()).expect("a number of bytes")
}

/// Waits until so many frames more than `before` have been captured. Returns their total.
#[track_caller]
fn wait_for_sound(board: &Board, before: usize, frames: usize) -> usize {
    let heard = || Some(board.heard(RATE).frames()).filter(|heard| *heard >= before + frames);
    wait::wait_for_some(Duration::from_secs(60), "sound", heard)
}

#[test]
fn the_constrained_board_plays_every_kind_of_file_to_the_sample() {
    let directory = directory();
    let server = ServerProcess::start(directory.path());
    let mut board = connect(Kind::Mps2An386, server.address(), RATE);
    let mut heard = 0;
    for (number, song) in (1..).zip(&songs()) {
        board.type_line(&format!("play {number}"));
        board.wait_for(&format!("playing {number} "));
        board.wait_for_the_end();
        let expected = music(song);
        let all = board.heard(expected.rate);
        assert_equal(&all.slice(heard..all.frames()), &expected, song.kind());
        heard = all.frames();
    }
}

/// The boards' decoder reads only Layer III: more would not fit the smallest flash.
#[test]
fn a_song_of_layer_2_is_told_and_the_next_one_is_heard() {
    let (directory, song) = (directory(), songs()[0]);
    let source = directory.path().join("source.wav");
    reference::decode(&song.make()).music.write_wav(&source);
    let run = Command::new("twolame").arg("--quiet").arg(&source).arg(directory.path().join("0.mp3")).status();
    assert!(run.unwrap_or_else(|error| panic!("these tests need `twolame`: {error}")).success());
    let server = ServerProcess::start(directory.path());
    let mut board = connect(Kind::Mps2An386, server.address(), RATE);
    board.type_line("play 1-2");
    board.wait_for("song 1 contains no decodable MP3 audio");
    board.wait_for("playing 2 ");
    board.wait_for_the_end();
    let (expected, all) = (music(&song), board.heard(RATE));
    assert_equal(&all.slice(all.frames() - expected.frames()..all.frames()), &expected, "the next song");
}

#[test]
fn whatever_is_typed_is_answered_and_obeyed_at_once() {
    let directory = directory();
    let long = corpus::CBR_128.milliseconds(60_000);
    directory.add("6.mp3", &long);
    let server = ServerProcess::start(directory.path());
    let mut board = connect(Kind::Mps2An386, server.address(), RATE);

    let list = board.ask("list", "    1  ");
    board.wait_for("    6  ");
    assert!(!list.contains("    7  "), "{list}");
    board.ask("info 6", "length  1:00");
    board.ask("info 99", "info 99: there is no such song");
    board.ask("play 99", "play 99: there is no such song");
    board.ask("play everything", "\"everything\"");
    board.ask("nonsense", "no command \"nonsense\"");
    board.ask("seek 5", "nothing is playing");
    board.ask("help", "server HOST[:PORT] connects to another server");

    // A switch within a song: no sample of the old song follows the first of the new one.
    board.ask("play 6", "playing 6 ");
    wait_for_sound(&board, 0, 4_000);
    board.ask("play 99", "play 99: there is no such song");
    board.ask("play 1", "playing 1 ");
    board.wait_for_the_end();
    let heard = board.heard(RATE);
    let (old, new) = (music(&long), music(&songs()[0]));
    let switch = heard.frames() - new.frames();
    assert_equal(&heard.slice(switch..heard.frames()), &new, "after the switch");
    assert_equal(&heard.slice(0..switch), &old.slice(0..switch), "before it");

    // A seek within a song.
    let before = heard.frames();
    board.ask("play 6", "playing 6 ");
    wait_for_sound(&board, before, 2_000);
    board.type_line("seek 59");
    board.wait_for_the_end();
    let heard = board.heard(RATE);
    let last = old.slice(59 * RATE as usize..old.frames());
    assert_equal(&heard.slice(heard.frames() - last.frames()..heard.frames()), &last, "after the seek");

    // A pause keeps the position.
    let before = heard.frames();
    board.type_line("play 1");
    wait_for_sound(&board, before, 2_000);
    board.ask("pause", "song    1, paused at 0:0");
    let place = first_line(&board.ask("status", "song    1, paused at 0:0"));
    let paused = wait::wait_for_some(Duration::from_secs(60), "silence", || {
        let before = board.heard(RATE).frames();
        board.ask("volume", "volume 100");
        Some(before).filter(|frames| *frames == board.heard(RATE).frames())
    });
    assert_eq!(first_line(&board.ask("status", "song    1, paused at ")), place, "it stays there");
    assert_eq!(board.heard(RATE).frames(), paused, "silence is not music");
    board.type_line("resume");
    board.wait_for_the_end();
    let heard = board.heard(RATE);
    let song = heard.slice(before..heard.frames());
    assert_eq!(song.frames(), new.frames());
    let differing: Vec<_> = (0..song.frames()).filter(|frame| song.frame(*frame) != new.frame(*frame)).collect();
    let (first, last) = (differing.first().copied().unwrap_or(0), differing.last().copied().unwrap_or(0));
    assert!(last - first < 600, "it is faded out and in, once: frames {first} to {last} differ");

    // A stop ends the song.
    board.ask("play 6", "playing 6 ");
    wait_for_sound(&board, heard.frames(), 2_000);
    board.type_line("stop");
    board.wait_for_the_end();
    board.ask("stop", "nothing is playing");
}

/// The number of the song that starts to play.
#[track_caller]
fn song_played(answer: &str) -> u32 {
    answer.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("the number of a song")
}

#[test]
fn the_console_finds_queues_shuffles_and_repeats() {
    let directory = MusicDir::new();
    // Long, so that a slow host does not reach their ends.
    let long = corpus::CBR_128.milliseconds(60_000);
    for number in 1..=4 {
        directory.add(format!("{number}.mp3"), &long);
    }
    let tags = Tags { title: "Jóga", artist: "Björk", album: "Homogenic", track: 2 };
    directory.add_tagged("5.mp3", &tags.id3v2(Version::Id3v24), &long);
    let server = ServerProcess::start(directory.path());
    let mut board = connect(Kind::Mps2An386, server.address(), RATE);

    board.ask("find bjork", "    5  J");
    board.ask("albums homogenic", "    1  Homogenic");
    board.ask("play nowhere", "nothing matches \"nowhere\"");
    board.ask("play album homogenic", "playing 5 ");
    board.ask("add 1-3", "3 added at place 2");
    board.ask("next 4", "1 added at place 2");
    for row in ["> 1: the album of song 5", "  2: song 4", "  3-5: songs 1-3"] {
        board.ask("queue", row);
    }
    wait::wait_for(Duration::from_secs(60), "the following song", || {
        board.ask("status", "song    5").contains("next    4")
    });
    board.ask("remove 4", "1 removed, 4 in the queue");
    board.ask("remove 9", "the queue has the places 1 to 4");
    board.ask("next", "playing 4 ");
    board.ask("play 2-4", "playing 2 ");
    board.ask("next", "playing 3 ");
    board.ask("clear", "nothing follows");
    board.ask("queue", "place 2 of 2");

    board.ask("repeat one", "repeat one");
    board.ask("seek 59", "playing 3 ");
    board.ask("repeat off", "repeat off");

    board.ask("shuffle on", "shuffle on");
    let mut played = vec![song_played(&board.ask("play all", "playing "))];
    played.extend((0..4).map(|_| song_played(&board.ask("next", "playing "))));
    let back: Vec<_> = (0..4).map(|_| song_played(&board.ask("previous", "playing "))).collect();
    assert!(back.iter().eq(played[..4].iter().rev()), "forth {played:?}, back {back:?}");
    played.sort_unstable();
    assert_eq!(played, [1, 2, 3, 4, 5]);
}

#[test]
fn gain_multiplies_the_samples() {
    let (directory, song) = (MusicDir::new(), songs()[0]);
    let tag = raw_id3v24(&[("TXXX", b"\x03REPLAYGAIN_TRACK_GAIN\0-6.02 dB")]);
    directory.add_tagged("1.mp3", &tag, &song);
    let server = ServerProcess::start(directory.path());
    let mut board = connect(Kind::Mps2An386, server.address(), RATE);
    board.ask("info 1", "gain    -6.02 dB");
    board.ask("gain track", "gain track");
    board.ask("play 1", "playing 1 ");
    board.wait_for_the_end();
    let mut half = music(&song);
    half.samples.iter_mut().for_each(|sample| *sample = (*sample + 1) >> 1);
    assert_equal(&board.heard(RATE), &half, "half as loud");
}

#[test]
fn a_server_that_is_restarted_is_found_again_and_no_sample_is_missing() {
    let directory = MusicDir::new();
    let song = corpus::CBR_128.milliseconds(8_000);
    directory.add("1.mp3", &song);
    let mut server = Some(ServerProcess::start(directory.path()));
    let address = server.as_ref().expect("a server").address();
    let mut board = connect(Kind::Mps2An386, address, RATE);
    board.ask("play 1", "playing 1 ");
    wait_for_sound(&board, 0, 10_000);
    server.take().expect("a server").process().kill();
    board.wait_for("trying again");
    let _server = ServerProcess::start_at(directory.path(), address);
    board.wait_for("connected again");
    board.wait_for_the_end();
    assert_equal(&board.heard(RATE), &music(&song), "with the server restarted in mid-song");
}

#[test]
fn a_server_that_is_not_there_is_told_and_tried_for() {
    let directory = directory();
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number");
    let mut board = Board::start(Kind::Mps2An386, address, RATE);
    board.wait_for("trying again");
    board.ask("list", "not connected to 10.0.2.2:");
    let _server = ServerProcess::start_at(directory.path(), address);
    board.wait_for(", 5 songs; help");
    board.ask("list", "    5  ");
}

#[test]
fn a_board_without_a_network_says_so() {
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number");
    let mut board = Board::start_without_network(Kind::Mps2An386, address);
    board.wait_for("the board has no network; trying again");
    board.ask("status", "(not connected)");
}

/// Finds where a song with this sound begins in the capture, by its first non-silent sample.
#[track_caller]
fn place_of(song: &Pcm, captured: &Pcm) -> usize {
    let (song, captured) = (song.sounding().start, captured.sounding().start);
    captured.checked_sub(song).expect("a song is not cut off at its beginning")
}

#[test]
fn the_board_with_a_codec_plays_every_kind_of_file_to_the_sample() {
    let directory = directory();
    let server = ServerProcess::start(directory.path());
    for (rate, numbers) in [(RATE, &[1, 2, 3, 5][..]), (22_050, &[4])] {
        let mut board = connect(Kind::VexpressA9, server.address(), rate);
        let mut heard = 0;
        for number in numbers {
            let expected = music(&songs()[number - 1]);
            board.ask(&format!("play {number}"), &format!("playing {number} "));
            board.wait_for_the_end();
            let captured = wait::wait_for_some(Duration::from_secs(60), "the end of the sound", || {
                let all = board.heard(rate);
                let new = all.slice(heard..all.frames());
                let end = (!new.sounding().is_empty()).then(|| place_of(&expected, &new) + expected.frames())?;
                // The following silence flushes QEMU's buffer.
                (new.frames() >= end).then(|| new.slice(0..end))
            });
            let music = captured.slice(captured.frames() - expected.frames()..captured.frames());
            assert_equal(&music, &expected, songs()[number - 1].kind());
            heard += captured.frames();
        }
        board.ask("status", "sound   0 underruns");
    }
}

/// The captured sound of a song that has just ended and is followed by silence.
#[track_caller]
fn last_heard(board: &Board, song: &Pcm) -> Pcm {
    let end_of = |sound: &Pcm| sound.sounding().end;
    let captured = wait::wait_for_some(Duration::from_secs(60), "the end of the sound", || {
        let all = board.heard(song.rate);
        Some(all.clone()).filter(|all| all.frames() >= end_of(all) + song.rate as usize)
    });
    let end = end_of(&captured) + song.frames() - end_of(song);
    captured.slice(end - song.frames()..end)
}

#[test]
fn the_board_with_a_codec_obeys_at_once_too() {
    let directory = directory();
    let long = corpus::CBR_320.milliseconds(60_000);
    directory.add("6.mp3", &long);
    let server = ServerProcess::start(directory.path());
    let mut board = connect(Kind::VexpressA9, server.address(), RATE);
    board.ask("list", "    6  ");
    board.ask("info 6", "length  1:00");
    board.ask("play 99", "play 99: there is no such song");
    board.ask("play everything", "\"everything\"");
    board.ask("resume", "nothing is playing");

    board.ask("play 6", "playing 6 ");
    board.ask("play 1", "playing 1 ");
    board.wait_for_the_end();
    let short = music(&songs()[0]);
    assert_equal(&last_heard(&board, &short), &short, "after a switch");

    board.ask("play 6", "playing 6 ");
    board.type_line("seek 58");
    board.wait_for_the_end();
    let rest = music(&long).slice(58 * RATE as usize..60 * RATE as usize);
    assert_equal(&last_heard(&board, &rest), &rest, "after a seek");

    board.ask("play 6", "playing 6 ");
    board.ask("pause", "song    6, paused at ");
    let place = first_line(&board.ask("status", "song    6, paused at "));
    assert_eq!(first_line(&board.ask("status", "song    6, paused at ")), place, "it stays there");
    board.type_line("resume");
    board.ask("status", "song    6, playing at ");
    board.type_line("stop");
    board.wait_for_the_end();
    board.ask("status", "sound   0 underruns");
}

#[test]
fn a_restarted_server_is_not_heard_where_the_buffer_bridges_it() {
    let directory = MusicDir::new();
    let song = corpus::CBR_128.milliseconds(12_000);
    directory.add("1.mp3", &song);
    let mut server = Some(ServerProcess::start(directory.path()));
    let address = server.as_ref().expect("a server").address();
    let mut board = connect(Kind::VexpressA9, address, RATE);
    board.ask("play 1", "playing 1 ");
    // Seconds, so that the server can restart meanwhile.
    wait::wait_for(Duration::from_secs(60), "a full buffer", || buffered(&mut board) > 100_000);
    server.take().expect("a server").process().kill();
    board.wait_for("trying again");
    let _server = board.while_stopped(|| ServerProcess::start_at(directory.path(), address));
    board.wait_for("connected again");
    board.wait_for_the_end();
    board.ask("status", "sound   0 underruns");
    let expected = music(&song);
    assert_equal(&last_heard(&board, &expected), &expected, "with the server restarted in mid-song");
}

#[test]
fn a_whole_song_is_played_without_a_gap_while_lists_are_asked_for() {
    let directory = directory();
    // Long enough to be still in transfer at the last check of the buffer, however late.
    let song = corpus::CBR_320.milliseconds(18_000);
    directory.add("6.mp3", &song);
    let server = ServerProcess::start(directory.path());
    let mut board = connect(Kind::VexpressA9, server.address(), RATE);
    let before = board.heard(RATE).frames();
    board.ask("play 6", "playing 6 ");
    for second in 1..=14 {
        wait_for_sound(&board, before, second * RATE as usize);
        board.ask("list", "    6  ");
        // A second of music, except at the start, while the buffer fills, and at the end.
        assert!(!(3..=13).contains(&second) || buffered(&mut board) >= 40_000, "after {second} s");
    }
    board.wait_for_the_end();
    board.ask("status", "sound   0 underruns");
    let expected = music(&song);
    let captured = wait::wait_for_some(Duration::from_secs(60), "the end of the sound", || {
        Some(board.heard(RATE)).filter(|all| all.frames() >= before + expected.frames() + 2 * RATE as usize)
    });
    let begin = place_of(&expected, &captured);
    assert_equal(&captured.slice(begin..begin + expected.frames()), &expected, "a whole song");
}

#[test]
fn the_target_reads_every_vector_and_decodes_to_the_bit() {
    let vectors = vectors();
    let song = corpus::CBR_128.milliseconds(5_000);
    let audio = reference::layout::audio_of(&song.make());
    let (frames, samples, sum) = decode(&audio);
    let found = board::check(&vectors, &audio);
    assert_eq!((found.vectors, found.frames, found.samples, found.sum), (vectors.len(), frames, samples, sum));
}

/// The byte vectors of `wire-format.md`.
fn vectors() -> Vec<Vec<u8>> {
    let document = include_str!("../../wire-format.md");
    let fences = document.split("```vector ").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0));
    let digits = |line: &str| -> String {
        line.split(';').next().unwrap_or_default().chars().filter(char::is_ascii_hexdigit).collect()
    };
    let bytes = |fence: &str| -> Vec<u8> {
        let digits: String = fence.lines().skip(1).map(digits).collect();
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("a byte")).collect()
    };
    fences.map(bytes).collect()
}

/// Frames, samples per channel and Adler-32 of the boards' decoder on this machine.
fn decode(mut audio: &[u8]) -> (usize, usize, u32) {
    let (mut decoder, mut pcm) = (Decoder::new(), [0; PCM_SAMPLES]);
    let (mut frames, mut samples, mut sum) = (0, 0, (1_u32, 0_u32));
    loop {
        match decoder.decode(audio, true, &mut pcm) {
            Decoded::Frame(frame) => {
                frames += 1;
                samples += frame.samples;
                for byte in pcm[..frame.samples * usize::from(frame.channels)].iter().flat_map(|s| s.to_le_bytes()) {
                    sum.0 = (sum.0 + u32::from(byte)) % 65_521;
                    sum.1 = (sum.1 + sum.0) % 65_521;
                }
                audio = &audio[frame.consumed..];
            }
            Decoded::Junk { consumed } => audio = &audio[consumed..],
            Decoded::NeedMore => return (frames, samples, sum.1 << 16 | sum.0),
        }
    }
}
