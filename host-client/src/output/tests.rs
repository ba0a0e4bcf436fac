use std::time::Instant;

use super::stream_output::RING_MS;
use super::*;

const SONG: PcmFormat = PcmFormat { rate: 44_100, channels: 2 };

fn open_null() -> (Output, Controls) {
    Output::open(&OutputTarget::Null, |_| {}).unwrap()
}

#[test]
fn null_plays_at_the_pace_of_a_clock() {
    let (mut output, controls) = open_null();
    output.start(SONG).unwrap();
    let begin = Instant::now();
    assert_eq!(output.write(&[1; 44_100]).unwrap(), Written::All);
    assert_eq!(output.drain().unwrap(), Drained::Heard);
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(480), "half a second of music took {took:?}");
    assert_eq!(controls.position_frames(), 22_050);
    assert_eq!(controls.device().unwrap().name, "null");
}

#[test]
fn the_ring_holds_what_it_should_and_the_writer_waits() {
    let (mut output, controls) = open_null();
    controls.set_paused(true);
    output.start(SONG).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| output.write(&[1; 44_100]));
        let deadline = Instant::now() + Duration::from_secs(20);
        while controls.queued_frames() < 44_100 * u64::from(RING_MS) / 1000 {
            assert!(Instant::now() < deadline, "{} frames are queued", controls.queued_frames());
            std::thread::yield_now();
        }
        controls.interrupt();
        assert!(matches!(writer.join().unwrap().unwrap(), Written::Interrupted { .. }));
    });
    assert_eq!(controls.queued_frames(), 44_100 * u64::from(RING_MS) / 1000);
}

#[test]
fn released_it_starts_again() {
    let (mut output, controls) = open_null();
    for _ in 0..2 {
        output.start(SONG).unwrap();
        assert!(controls.device().is_some());
        assert_eq!(output.write(&[1; 2_000]).unwrap(), Written::All);
        assert_eq!(output.drain().unwrap(), Drained::Heard);
        output.release();
        assert_eq!(controls.device(), None);
    }
}

#[test]
fn formats_that_no_song_has_are_refused() {
    let (mut output, _) = open_null();
    for (rate, channels) in [(0, 2), (999, 2), (384_001, 2), (44_100, 0), (44_100, 3)] {
        let format = PcmFormat { rate, channels };
        assert!(matches!(output.start(format), Err(OutputError::UnsupportedFormat(refused)) if refused == format));
    }
}

#[test]
fn what_a_user_is_told_is_one_line() {
    let device = Device { name: "Speakers".into(), format: SONG, asked_frames: 882, granted_frames: 588 };
    for (text, expected) in [
        (
            Notice::Opened(device.clone()).to_string(),
            "sound device: Speakers, 44100 Hz stereo, buffer 20.0 ms asked, 13.3 ms granted",
        ),
        (Notice::Lost { name: device.name }.to_string(), "sound device lost: Speakers; trying to open it again"),
        (
            OutputError::NoDevice { reason: "Connection refused".into() }.to_string(),
            "no sound device: connect one or start a sound server, or use --output=wav:PATH",
        ),
        (
            OutputError::UnknownDevice { name: "x".into(), known: vec!["a".into(), "b".into()] }.to_string(),
            "no sound device \"x\"; known devices: a, b",
        ),
        (OutputError::FileFull { path: "out.wav".into() }.to_string(), "out.wav is full: a WAV file ends at 4 GiB"),
    ] {
        assert_eq!(text, expected);
    }
}

#[test]
fn an_output_can_move_to_its_thread_and_its_controls_anywhere() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync + Clone>() {}
    is_send::<Output>();
    is_send::<Controls>();
    is_sync::<Controls>();
}
