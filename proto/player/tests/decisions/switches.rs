//! A song in place of another.

use crate::world::World;

#[test]
fn a_wrong_number_leaves_the_music_alone() {
    let mut world = World::connected();
    world.hear(1);
    world.play(99);
    assert!(world.player.is_switching());
    world.refuse("PLAY 99 at 0 ms");
    world.check_told(&["connected to attic", "no 99"]);
    assert_eq!((world.heard(), world.player.is_switching()), (Some(1), false));
}

#[test]
fn a_wrong_number_leaves_alone_what_is_about_to_start() {
    let mut world = World::connected();
    world.play(1);
    world.want(99);
    world.start(1);
    assert_eq!((world.heard(), world.player.is_switching()), (Some(1), true));
    world.refuse("PLAY 99 at 0 ms");
    assert_eq!((world.heard(), world.player.is_switching()), (Some(1), false));
}

#[test]
fn a_switch_takes_the_place_of_everything_before_it() {
    let mut world = World::connected();
    world.hear_range(3, 7);
    world.answer("LIST from 3, 2", &[4], Some(5));
    world.start(4);
    world.hear(9);
    assert_eq!((world.heard(), world.player.is_followed()), (Some(9), false));
    world.check_asked(&[]);
}

#[test]
fn a_song_that_starts_takes_the_place_of_those_asked_for_before_it() {
    let mut world = World::connected();
    world.play(1);
    world.play(2);
    world.start(2);
    assert_eq!((world.heard(), world.player.is_switching()), (Some(2), false));
}

#[test]
fn of_many_songs_that_wait_the_oldest_is_given_up() {
    let mut world = World::connected();
    (1..=9).for_each(|song| world.play(song));
    world.start(9);
    assert_eq!((world.heard(), world.player.is_switching()), (Some(9), false));
}
