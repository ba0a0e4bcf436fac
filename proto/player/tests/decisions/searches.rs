//! Steps, and searches for songs.

use std::time::Duration;
use trill_player::NotPossible;

use trill_player::Direction;
use trill_player::command::{Seek, Selection};
use trill_proto::ids::SongId;

use crate::world::{World, tag_of};

#[test]
fn a_step_goes_from_the_song_that_is_meant() {
    let mut world = World::connected();
    assert_eq!(world.player.step(world.now, Direction::Next), Err(NotPossible::NothingPlays));
    world.hear(3);
    world.player.step(world.now, Direction::Next).expect("there are songs");
    world.player.step(world.now, Direction::Next).expect("there are songs");
    world.answer("LIST from 3, 2", &[4], Some(5));
    world.answer("LIST from 4, 2", &[5], None);
    world.check_asked(&["PLAY 5 at 0 ms"]);
}

#[test]
fn steps_beyond_the_edge_lead_to_the_song_at_the_edge() {
    let mut world = World::connected();
    world.hear(3);
    (0..4).for_each(|_| world.player.step(world.now, Direction::Previous).expect("it is not known"));
    world.answer("LIST from 3, 1", &[3], None);
    world.answer("LIST at 1, 1", &[2], None);
    for _ in 0..2 {
        world.answer("LIST at 0, 2", &[1, 2], None);
    }
    world.check_asked(&["PLAY 1 at 0 ms"]);
    world.check_told(&["connected to attic", "1 is the edge, Previous"]);
}

#[test]
fn at_the_edge_the_song_plays_on() {
    let mut world = World::connected();
    world.hear(3);
    world.player.step(world.now, Direction::Next).expect("it is not known");
    world.answer("LIST from 3, 2", &[], None);
    world.check_told(&["connected to attic", "3 is the edge, Next"]);
    world.check_asked(&[]);
    assert_eq!(world.heard(), Some(3));
}

#[test]
fn a_command_for_other_music_ends_a_search() {
    let mut world = World::connected();
    world.player.play(world.now, Selection::All);
    world.exchange();
    world.play(5);
    world.answer("LIST at 0, 1", &[1], Some(2));
    world.check_asked(&["PLAY 5 at 0 ms"]);
    world.player.play(world.now, Selection::All);
    world.exchange();
    world.player.stop().expect("something was wanted");
    world.answer("LIST at 0, 1", &[1], Some(2));
    world.check_asked(&["PLAY 5 at 0 ms"]);
}

fn seek(world: &mut World, seconds: u64) {
    world.player.seek(world.now, Seek::Forward(Duration::from_secs(seconds)), 0).expect("a song is meant");
}

#[test]
fn a_song_that_is_found_begins_where_the_listener_sought_meanwhile() {
    let mut world = World::connected();
    world.player.play(world.now, Selection::Range { first: SongId(3), last: SongId(7) });
    seek(&mut world, 60);
    seek(&mut world, 5);
    world.library.retain(|song| *song != 3);
    world.answer("LIST at 0, 1", &[4], Some(5));
    world.check_asked(&["PLAY 4 at 65000 ms"]);
}

#[test]
fn a_seek_during_a_search_that_finds_no_song_is_one_in_the_song_that_is_heard() {
    let mut world = World::connected();
    world.hear(3);
    let _ = world.begin();
    world.player.step(world.now, Direction::Next).expect("it is not known");
    let forward = Seek::Forward(Duration::from_secs(2));
    assert_eq!(world.player.seek(world.now, forward, 44_100), Ok((None, 2_000)));
    world.answer("LIST from 3, 2", &[], None);
    world.check_asked(&[&format!("PLAY 3 at 3000 ms tag {}", tag_of(3))]);
}
