//! What the decoder does next.

use trill_player::{Sound, Step};
use trill_proto::decoder::{Decoded, Frame};
use trill_proto::ids::SongId;

use crate::world::{World, half_heard};

/// A thousand bytes without sound.
const JUNK: Decoded = Decoded::Junk { consumed: 1_000 };

/// A frame of a thousand bytes.
const fn frame(samples: usize, rate: u32, channels: u8) -> Decoded {
    Decoded::Frame(Frame { consumed: 1_000, samples, nominal_samples: 1_152, rate, channels })
}

#[track_caller]
fn check_sound(step: Step) -> Sound {
    let Step::Sound(sound) = step else { panic!("{step:?}") };
    sound
}

#[test]
fn a_song_is_decoded_from_its_beginning_to_its_end() {
    let mut world = World::connected();
    assert_eq!(world.step(JUNK), Step::Idle);
    world.hear_range(1, 2);
    assert!(matches!(world.step(JUNK), Step::Begin { started, .. } if started.song == SongId(1)));
    assert!(!world.player.has_begun());
    assert!(world.begin());
    let first = check_sound(world.step(frame(1_152, 44_100, 2)));
    assert_eq!((first.heard.clone(), first.silence, first.is_new_format), (0..1_152, 0, true));
    assert!(first.asked.is_some());
    let next = check_sound(world.step(frame(1_152, 44_100, 2)));
    assert_eq!((next.is_new_format, next.asked), (false, None));
    for _ in 2..8 {
        check_sound(world.step(frame(1_152, 44_100, 2)));
    }
    assert_eq!(world.step(JUNK), Step::Ended);
    world.answer("LIST from 1, 2", &[2], None);
    world.start(2);
    assert_eq!((world.player.handle_finished(), world.player.has_begun()), (None, false));
    assert!(matches!(world.step(JUNK), Step::Begin { started, .. } if started.song == SongId(2)));
}

#[test]
fn a_song_that_was_replaced_while_the_output_was_prepared_does_not_begin() {
    let mut world = World::connected();
    world.hear(1);
    let Step::Begin { id, .. } = world.step(JUNK) else { panic!("a song begins") };
    world.hear(2);
    assert!(!world.player.handle_began(id));
    assert!(!world.player.has_begun());
    assert!(matches!(world.step(JUNK), Step::Begin { started, .. } if started.song == SongId(2)));
    assert!(world.begin(), "its title is still to come");
}

#[test]
fn the_silence_before_the_first_sound_is_put_out_with_it() {
    let mut world = World::connected();
    world.hear(1);
    let _ = world.begin();
    for _ in 0..3 {
        assert_eq!(world.step(frame(0, 44_100, 2)), Step::Again);
    }
    let sound = check_sound(world.step(frame(1_152, 44_100, 2)));
    assert_eq!((sound.silence, sound.heard), (3 * 1_152, 0..1_152));
}

#[test]
fn a_song_of_another_format_than_was_said_is_counted_in_its_own() {
    let mut world = World::connected();
    world.hear(1);
    let _ = world.begin();
    let _ = world.step(frame(1_152, 44_100, 2));
    let sound = check_sound(world.step(frame(1_152, 22_050, 2)));
    assert!(sound.is_new_format);
    world.player.count_from(&sound);
    assert_eq!(world.player.position_ms(22_050), 1_026);
    assert!(check_sound(world.step(frame(1_152, 22_050, 1))).is_new_format);
}

#[test]
fn a_song_without_sound_is_told_if_all_of_it_came() {
    for is_whole in [true, false] {
        let mut world = if is_whole { World::connected() } else { half_heard().0 };
        if is_whole {
            world.hear(1);
        } else {
            let stream = world.server.current_stream().expect("a song arrives");
            world.server.fail(stream).expect("room");
            world.exchange();
        }
        let _ = world.begin();
        while world.step(JUNK) == Step::Again {}
        assert_eq!(world.step(JUNK), Step::Ended);
        assert_eq!(world.player.handle_finished(), is_whole.then_some(SongId(1)));
    }
}

#[test]
fn a_song_that_runs_dry_waits_for_more_unless_it_is_paused() {
    let mut world = World::connected();
    world.hear(1);
    let _ = world.begin();
    let _ = world.step(frame(1_152, 44_100, 2));
    world.player.set_paused(true).expect("a song is meant");
    world.player.handle_dry();
    assert!(!world.player.is_buffering());
    world.player.set_paused(false).expect("a song is meant");
    world.player.handle_dry();
    assert!(world.player.is_buffering());
}

#[test]
fn what_is_decoded_makes_room_for_more() {
    let (mut world, received) = half_heard();
    assert!(matches!(world.step(JUNK), Step::Begin { .. }));
    assert!(world.begin());
    for _ in 0..received / 1_000 {
        assert_eq!(world.step(JUNK), Step::Again);
    }
    let track = world.player.heard().expect("a song");
    assert!(track.received > received);
    let capacity = world.player.capacity_bytes();
    assert!(world.player.buffered_bytes() <= capacity);
}
