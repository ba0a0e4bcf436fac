//! A user at a terminal: commands take effect to the sample.

use super::*;
use trill_tests::terminal::key;

/// Duration of the fade out and of the fade in at a pause, in frames at 44.1 kHz: 5 ms each.
const RAMP: usize = 221;

/// The client's `-v` output at the start of a song, before the number of milliseconds.
const FIRST_SAMPLE: &str = "first sample after ";

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
    // At a switch only silence may occur.
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
