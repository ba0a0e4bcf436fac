//! Pause, and other places in a song.

use std::time::Duration;

use trill_player::Direction;
use trill_player::NotPossible;
use trill_player::command::Seek;
use trill_proto::ids::SongId;

use crate::world::{World, tag_of};

#[test]
fn a_pause_holds_for_whichever_song_starts() {
    let mut world = World::connected();
    world.hear(1);
    world.play(3);
    world.want(9_999);
    world.player.set_paused(true).expect("a song is meant");
    world.start(3);
    world.refuse("PLAY 9999 at 0 ms");
    assert_eq!((world.heard(), world.player.is_paused()), (Some(3), true));
    world.hear(4);
    assert!(!world.player.is_paused(), "a song that is played after a pause sounds");
}

#[test]
fn a_seek_in_a_pause_stays_paused() {
    let mut world = World::connected();
    world.hear(1);
    world.player.set_paused(true).expect("a song is meant");
    world.player.seek(world.now, Seek::To(Duration::from_secs(5)), 0).expect("a song is meant");
    world.start_as(&format!("PLAY 1 at 5000 ms tag {}", tag_of(1)), 1, tag_of(1), 0);
    assert!(world.player.is_paused());
}

#[test]
fn a_stop_drops_the_sound_and_lifts_the_pause() {
    let mut world = World::connected();
    world.hear(1);
    world.player.set_paused(true).expect("a song is meant");
    let _ = world.player.take_wakeups();
    world.player.stop().expect("a song is meant");
    let wakeups = world.player.take_wakeups();
    assert!(wakeups.discard && wakeups.sound && !world.player.is_paused());
    assert_eq!(world.player.stop(), Err(NotPossible::NothingPlays));
}

#[test]
fn a_seek_asks_for_the_same_music() {
    let mut world = World::connected();
    let seek = |world: &mut World, seconds| world.player.seek(world.now, Seek::To(Duration::from_secs(seconds)), 0);
    assert_eq!(seek(&mut world, 1), Err(NotPossible::NothingPlays));
    world.play(1);
    seek(&mut world, 5).expect("a song is meant");
    // Nothing is known of it.
    world.start(1);
    world.refuse("PLAY 1 at 5000 ms");
    for seconds in [2, 4] {
        assert_eq!(seek(&mut world, seconds), Ok((Some(SongId(1)), seconds * 1_000)));
    }
    let tag = tag_of(1);
    world.check_asked(&[&format!("PLAY 1 at 2000 ms tag {tag}"), &format!("PLAY 1 at 4000 ms tag {tag}")]);
    assert_eq!(seek(&mut world, 10), Ok((Some(SongId(1)), 10_000)), "it has not started, so its length is unknown");
}

#[test]
fn a_seek_beyond_the_end_is_refused() {
    let mut world = World::connected();
    world.hear(1);
    let too_far = world.player.seek(world.now, Seek::To(Duration::from_secs(10)), 0);
    assert_eq!(too_far, Err(NotPossible::TooShort { song: SongId(1), length_ms: 10_000 }));
}

#[test]
fn a_seek_while_reconnecting_finds_the_same_music_under_another_number() {
    let mut world = World::connected();
    world.hear(1);
    world.cut();
    world.player.seek(world.now, Seek::To(Duration::from_secs(5)), 0).expect("a song is meant");
    world.connect();
    world.start_as(&format!("PLAY 1 at 5000 ms tag {}", tag_of(1)), 7, tag_of(1), 0);
    assert_eq!(world.heard(), Some(7));
    world.player.step(world.now, Direction::Next).expect("it is not known");
    world.check_asked(&["LIST from 7, 2"]);
}
