//! How loud the samples are: gain, and the fade before sleep.

use std::time::Duration;

use trill_player::Step;
use trill_player::command::GainMode;
use trill_proto::decoder::{Decoded, Frame, FrameDecoder, PCM_SAMPLES};
use trill_proto::ids::StreamId;
use trill_proto::message::{Gain, Started};

use crate::world::{World, large_song};

/// A decoder of one loud level.
struct Level(i16);

impl FrameDecoder for Level {
    fn decode(&mut self, _: &[u8], _: bool, pcm: &mut [i16; PCM_SAMPLES]) -> Decoded {
        pcm.fill(self.0);
        let samples = 1_152;
        Decoded::Frame(Frame { consumed: 400, samples, nominal_samples: samples, rate: 44_100, channels: 2 })
    }

    fn reset(&mut self) {}
}

/// A long song of this gain that is heard.
fn hear(gain: Gain) -> World {
    let mut world = World::connected();
    world.play(1);
    let stream = StreamId(world.take_asked("PLAY 1 at 0 ms"));
    world.server.start(&Started { gain, ..large_song(stream) }).expect("room");
    world.exchange();
    let _ = world.begin();
    world
}

/// The level of the next frame, whose samples are all alike.
#[track_caller]
fn level(world: &mut World, decoded: i16) -> i16 {
    let mut pcm = [0; PCM_SAMPLES];
    let step = world.player.decode(world.now, &mut Level(decoded), &mut pcm);
    let Step::Sound(sound) = step else { panic!("{step:?}") };
    let heard = &pcm[sound.heard.start * 2..sound.heard.end * 2];
    assert!(heard.iter().all(|sample| *sample == heard[0]));
    heard[0]
}

#[test]
fn gain_changes_the_samples_only_when_it_is_on() {
    let mut world = hear(Gain { track: Some(-602), track_peak: Some(0), album: Some(-1_204), album_peak: Some(0) });
    assert_eq!(level(&mut world, 10_001), 10_001);
    for (mode, expected) in
        [(GainMode::Track, 5_000), (GainMode::Album, 2_500), (GainMode::Auto, 5_000), (GainMode::Off, 10_000)]
    {
        world.player.set_gain(mode);
        let level = level(&mut world, 10_000);
        assert!((level - expected).abs() <= 2, "{mode:?}: {level}");
    }
}

#[test]
fn gain_does_not_clip() {
    // The song's highest sample is half of full scale.
    let mut world = hear(Gain { track: Some(1_200), track_peak: Some(-602), ..Gain::UNKNOWN });
    world.player.set_gain(GainMode::Track);
    let level = level(&mut world, 16_384);
    assert!((32_700..=i16::MAX).contains(&level), "{level}");
}

#[test]
fn a_song_without_gain_is_unchanged() {
    let mut world = hear(Gain::UNKNOWN);
    world.player.set_gain(GainMode::Auto);
    assert_eq!(level(&mut world, -12_345), -12_345);
}

#[test]
fn sleep_fades_the_music_and_stops_it() {
    let mut world = hear(Gain::UNKNOWN);
    world.player.sleep(world.now, Some(Duration::from_secs(20)));
    assert_eq!(level(&mut world, 10_000), 10_000);
    world.wait(Duration::from_secs(15));
    assert_eq!(level(&mut world, 10_000), 5_000);
    assert_eq!(world.player.sleep_left(world.now), Some(Duration::from_secs(5)));
    assert!(world.player.poll_timeout().is_some_and(|due| due <= world.now + Duration::from_secs(5)));
    world.wait(Duration::from_secs(5));
    assert_eq!(world.player.decode(world.now, &mut Level(1), &mut [0; PCM_SAMPLES]), Step::Idle);
    assert!(world.player.is_silent() && world.player.sleep_left(world.now).is_none());
    world.player.resume(world.now).expect("the queue stays");
    world.check_asked(&["PLAY 1 at 0 ms"]);
}

#[test]
fn sleep_ends_a_pause_too() {
    let mut world = hear(Gain::UNKNOWN);
    world.player.set_paused(true).expect("a song plays");
    world.player.sleep(world.now, Some(Duration::from_secs(1)));
    world.wait(Duration::from_secs(1));
    world.player.handle_timeout(world.now).expect("the server is there");
    assert!(world.player.is_silent());
}
