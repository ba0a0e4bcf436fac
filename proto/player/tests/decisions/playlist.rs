//! Songs that follow each other.

use std::time::Duration;

use trill_player::Direction;
use trill_player::command::{Seek, Selection};
use trill_proto::error::SessionError;
use trill_proto::ids::SongId;

use crate::world::{World, tag_of};

#[test]
fn songs_of_a_range_follow_each_other_once_all_of_one_is_here() {
    let mut world = World::connected();
    world.hear_range(3, 5);
    assert!(world.player.heard().is_some_and(|track| track.is_over));
    // There is no song 4.
    world.answer("LIST from 3, 2", &[5], None);
    world.start(5);
    assert_eq!((world.heard(), world.player.is_followed()), (Some(3), true));
    world.finish();
    assert_eq!(world.heard(), Some(5));
    world.finish();
    world.check_asked(&[]);
    assert!(world.player.is_silent());
}

#[test]
fn a_song_that_was_heard_before_the_next_was_found_does_not_end_the_range() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.finish();
    assert!(!world.player.is_silent());
    world.answer("LIST from 1, 2", &[2], Some(3));
    world.start(2);
    assert_eq!(world.heard(), Some(2));
}

#[test]
fn a_song_that_cannot_follow_is_skipped() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.answer("LIST from 1, 2", &[2], Some(3));
    world.refuse("PLAY 2 at 0 ms");
    world.check_asked(&["LIST from 2, 2"]);
}

#[test]
fn a_song_that_cannot_follow_does_not_end_the_search_of_a_command() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.answer("LIST from 1, 2", &[2], Some(3));
    world.player.step(world.now, Direction::Next).expect("a song is meant");
    world.refuse("PLAY 2 at 0 ms");
    assert!(world.player.is_switching());
    world.answer("LIST from 1, 2", &[2], Some(3));
    world.start(2);
    assert_eq!((world.heard(), world.player.is_followed()), (Some(2), false));
}

#[test]
fn a_song_that_cannot_follow_is_not_skipped_during_a_switch() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.answer("LIST from 1, 2", &[2], Some(3));
    world.want(9);
    world.refuse("PLAY 2 at 0 ms");
    world.start(9);
    world.check_asked(&[]);
    assert_eq!((world.heard(), world.player.is_followed()), (Some(9), false));
}

#[test]
fn a_song_that_cannot_begin_a_range_is_passed_whatever_plays() {
    for plays in [false, true] {
        let mut world = World::connected();
        if plays {
            world.hear(9);
        }
        world.player.play(world.now, Selection::Range { first: SongId(3), last: SongId(5) });
        world.answer("LIST at 0, 1", &[3], Some(4));
        world.refuse("PLAY 3 at 0 ms");
        assert_eq!(world.heard(), plays.then_some(9));
        world.answer("LIST from 3, 2", &[4], Some(5));
        world.start(4);
        assert_eq!((world.heard(), world.player.is_followed()), (Some(4), false));
    }
}

#[test]
fn where_no_song_of_a_range_can_be_had_the_music_goes_on() {
    let mut world = World::connected();
    world.hear(9);
    world.player.play(world.now, Selection::Range { first: SongId(3), last: SongId(5) });
    world.answer("LIST at 0, 1", &[3], Some(4));
    world.refuse("PLAY 3 at 0 ms");
    world.library = vec![3, 9];
    world.answer("LIST from 3, 2", &[], None);
    world.check_told(&["connected to attic", "no 3"]);
    world.check_asked(&[]);
    assert_eq!((world.heard(), world.player.is_switching()), (Some(9), false));
}

#[test]
fn nothing_is_played_in_place_of_a_song_or_a_place_in_it_or_what_was_overtaken() {
    let mut world = World::connected();
    world.play(99);
    world.refuse("PLAY 99 at 0 ms");
    world.check_asked(&[]);

    world.hear_range(3, 7);
    world.library = vec![3];
    world.answer("LIST from 3, 2", &[], None);
    world.player.seek(world.now, Seek::To(Duration::ZERO), 0).expect("a song is meant");
    world.refuse(&format!("PLAY 3 at 0 ms tag {}", tag_of(3)));
    world.check_asked(&[]);

    world.library = (1..=9).collect();
    world.player.play(world.now, Selection::Range { first: SongId(5), last: SongId(7) });
    world.answer("LIST at 0, 1", &[5], Some(6));
    world.play(8);
    world.check_asked(&["PLAY 5 at 0 ms", "PLAY 8 at 0 ms"]);
}

#[test]
fn a_single_song_is_followed_by_none() {
    let mut world = World::connected();
    world.hear(1);
    world.finish();
    world.check_asked(&[]);
    assert!(world.player.is_silent());
}

#[test]
fn a_refused_switch_leaves_the_playlist_even_if_the_song_ended_meanwhile() {
    let mut world = World::connected();
    world.hear_range(3, 9);
    let _ = world.take_asked("LIST from 3, 2");
    world.play(99);
    world.finish();
    assert_eq!(world.heard(), None);
    world.refuse("PLAY 99 at 0 ms");
    world.answer("LIST from 3, 2", &[4], Some(5));
    world.start(4);
    assert_eq!(world.heard(), Some(4));
}

#[test]
fn a_switch_that_is_given_up_leaves_the_playlist_too() {
    let mut world = World::connected();
    world.hear_range(3, 9);
    world.play(99);
    world.finish();
    world.lose(Some(SessionError::Unanswered));
    world.check_told(&["connected to attic", "given up: Play(SongId(99))"]);
    assert!(!world.player.is_silent());
    world.connect();
    world.answer("LIST from 3, 2", &[4], Some(5));
}

#[test]
fn the_last_song_of_a_range_is_refused_once() {
    let mut world = World::connected();
    world.hear_range(3, 4);
    world.answer("LIST from 3, 2", &[4], None);
    world.refuse("PLAY 4 at 0 ms");
    world.check_asked(&[]);
    world.finish();
    world.check_asked(&[]);
    assert!(world.player.is_silent());
}

#[test]
fn a_range_whose_first_songs_are_refused_begins_with_the_song_that_is_heard() {
    let mut world = World::connected();
    world.hear(7);
    world.player.play(world.now, Selection::Range { first: SongId(6), last: SongId(8) });
    world.answer("LIST at 0, 1", &[6], Some(7));
    world.refuse("PLAY 6 at 0 ms");
    world.answer("LIST from 6, 2", &[7], Some(8));
    world.start(7);
    world.answer("LIST from 7, 2", &[8], None);
}

#[test]
fn what_follows_is_looked_for_when_a_search_for_other_music_fails() {
    let step: fn(&mut World) = |world| world.player.step(world.now, Direction::Previous).expect("it is not known");
    let play: fn(&mut World) =
        |world| world.player.play(world.now, Selection::Range { first: SongId(20), last: SongId(29) });
    for (command, asked, is_refused) in [
        (step, "LIST at 0, 2", false),
        (step, "LIST at 0, 2", true),
        (play, "LIST at 0, 1", false),
        (play, "LIST at 0, 1", true),
    ] {
        let mut world = World::connected();
        world.hear_range(3, 9);
        world.answer("LIST from 3, 2", &[4], Some(5));
        world.start(4);
        world.finish();
        let _ = world.take_asked("LIST from 4, 2");
        command(&mut world);
        if is_refused {
            world.refuse_list(asked);
        } else {
            world.answer(asked, &[], None);
            if asked == "LIST at 0, 2" {
                world.answer("LIST from 4, 1", &[], None);
            }
        }
        world.check_asked(&["LIST from 4, 2"]);
    }
}
