//! Sound devices: their formats, their appearance and removal, and stalls.

use super::*;
use rustix::process::Signal;
use trill_tests::process::Process;
use trill_tests::reference::likeness;

#[test]
fn songs_follow_each_other_without_a_gap() {
    let mut room = Room::with([corpus::CBR_128, corpus::VBR, corpus::CBR_320].map(|song| song.milliseconds(1_500)));
    room.pulse.add_ordinary_sink("ordinary");
    let joined = room.music.iter().flat_map(|music| music.samples.clone()).collect();
    let joined = Pcm { samples: joined, ..room.music[0] };
    for sink in [DEFAULT_SINK, "ordinary"] {
        let capture = room.pulse.capture(sink);
        room.client(sink).args(["play", "all"]).run(DEADLINE).expect_code(0);
        assert_same(&capture.stop(), &joined);
    }
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
    // The only sink: otherwise the sound server would move the stream without the client's notice.
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

/// Plays a song of 7 s to an ordinary sink, calls `disturb` when it is audible, and checks that nearly all of it is
/// heard.
#[track_caller]
fn check_disturbed(at_most_lost: Duration, disturb: impl FnOnce(&PulseServer, &mut Process)) {
    const SINK: &str = "ordinary";
    let mut room = Room::with([corpus::CBR_128.milliseconds(7_000)]);
    room.pulse.add_ordinary_sink(SINK);
    let song = [&room.music[0]];
    let capture = room.pulse.capture(SINK);
    let mut client = room.client(SINK).args(["play", "1"]).spawn();
    let sound = capture.wait_for_sound(DEADLINE, 0);
    wait_for_more(&capture, sound, MS(500));
    disturb(&room.pulse, &mut client);
    let output = client.wait(DEADLINE).expect_code(0);
    assert!(!output.stderr.contains("lost"), "{output}");
    let heard = Heard::of(&capture.stop(), &song);
    // Negative if the sound server, which may rewind unplayed samples, has rendered some twice.
    let missing = song[0].frames() as i64 - heard.pieces.iter().map(|piece| piece.captured.len() as i64).sum::<i64>();
    println!("figure: devices: {} ms of the music lost", missing * 1_000 / 44_100);
    assert!(
        missing.unsigned_abs() as f64 <= at_most_lost.as_secs_f64() * 44_100.0,
        "{missing} frames are missing: {heard}{output}"
    );
    let begins: Vec<_> = heard.pieces.iter().map(|piece| piece.from).collect();
    assert!(begins.is_sorted(), "nothing is heard out of order: {heard}");
}

#[test]
fn a_suspended_device_goes_on_with_the_music() {
    // Longer than the stall that the client reports.
    check_disturbed(MS(100), |pulse, client| {
        pulse.control(&["suspend-sink", "ordinary", "1"]);
        client.wait_for_line(DEADLINE, "is stalled");
        pulse.control(&["suspend-sink", "ordinary", "0"]);
        client.wait_for_line(DEADLINE, "is running again");
    });
}

#[test]
fn a_device_that_ran_out_of_samples_goes_on_with_the_music() {
    // Meanwhile the sound server plays up to 2 s of silence and reads nothing from the client.
    check_disturbed(MS(100), |pulse, client| {
        let other = pulse.capture("ordinary");
        client.signal(Signal::STOP);
        wait_for_more(&other, 0, MS(1_000));
        client.signal(Signal::CONT);
    });
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
    let gone = format!("unix:{}", nobody.display());
    let without_server = room.client(DEFAULT_SINK).env("PULSE_SERVER", &gone);
    expect_line(without_server.env("ALSA_CONFIG_PATH", &empty), "sound device");
    expect_line(room.client(DEFAULT_SINK).env("PULSE_SERVER", &gone), "sound device");
    expect_line(room.client(DEFAULT_SINK).arg("--output=device:tuba"), "no sound device \"tuba\"; known devices: ");

    // Commands without playback still work.
    let terminal = room.client(DEFAULT_SINK).env("PULSE_SERVER", &gone).in_terminal(WIDE);
    terminal.wait_for_text(DEADLINE, "no sound device");
    terminal.type_line("list");
    terminal.wait_for_text(DEADLINE, "1  1");
    terminal.type_line("play 1");
    terminal.wait_for_text(DEADLINE, "there is still no sound output");
}

#[test]
fn the_devices_are_listed() {
    let mut room = Room::with([]);
    room.pulse.add_sink("headphones", 44_100);
    let client = Client::new().plays_to(&room.pulse, DEFAULT_SINK).arg("--list-devices");
    let output = client.run(DEADLINE).expect_code(0);
    let named = |name: &str| output.stdout.lines().any(|line| line.split_whitespace().next() == Some(name));
    assert!(named(DEFAULT_SINK) && named("headphones") && output.stderr.is_empty(), "{output}");
}
