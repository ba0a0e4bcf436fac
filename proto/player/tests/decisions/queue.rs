//! The queue: what is added, what follows, and what a change does to songs that were requested.

use std::time::Duration;

use trill_player::command::{Repeat, Selection, Shuffle};
use trill_player::{Direction, NotPossible};
use trill_proto::ids::SongId;

use crate::world::World;

const fn song(number: u32) -> Selection<'static> {
    Selection::Song { song: SongId(number), at: Duration::ZERO }
}

/// Adds a song, which the server has.
fn add(world: &mut World, number: u32) {
    world.player.add(song(number)).expect("room");
    world.answer(&format!("LIST at 0, 1 of {number}-{number}"), &[number], None);
}

/// The song that follows was found.
fn follow(world: &mut World, number: u32) {
    world.answer(&format!("LIST at 0, 1 of {number}-{number}"), &[number], None);
}

#[test]
fn what_is_added_follows() {
    let mut world = World::connected();
    world.hear(1);
    add(&mut world, 7);
    follow(&mut world, 7);
    world.start(7);
    world.check_told(&["connected to attic", "found 7", "1 added at 2, 0 others", "7 follows"]);
    world.finish();
    assert_eq!((world.heard(), world.player.queue().present()), (Some(7), Some(2)));
}

#[test]
fn what_is_added_in_silence_begins_to_play() {
    let mut world = World::connected();
    add(&mut world, 7);
    assert!(!world.player.is_silent());
    world.start(7);
    assert_eq!(world.heard(), Some(7));
}

#[test]
fn what_is_not_there_is_not_added() {
    let mut world = World::connected();
    world.library.clear();
    world.player.add(song(99)).expect("room");
    world.answer("LIST at 0, 1 of 99-99", &[], None);
    world.check_told(&["connected to attic", "no 99"]);
    assert!(world.player.is_silent() && world.player.is_settled());
}

#[test]
fn an_addition_waits_for_a_switch_which_may_begin_another_queue() {
    let mut world = World::connected();
    world.hear(1);
    world.play(2);
    world.player.add(song(7)).expect("room");
    world.check_asked(&["PLAY 2 at 0 ms"]);
    world.start(2);
    follow(&mut world, 7);
    assert_eq!(world.player.queue().songs(), 2);
}

#[test]
fn words_play_the_best_match_and_tell_of_others() {
    let mut world = World::connected();
    world.player.play(world.now, Selection::Best("so  what"));
    world.answer("LIST \"so what\" best, 1", &[5], None);
    world.check_asked(&["PLAY 5 at 0 ms"]);
    world.check_told(&["connected to attic", "8 others match \"so what\""]);
}

#[test]
fn words_that_match_nothing_leave_the_music_alone() {
    let mut world = World::connected();
    world.hear(1);
    world.library.clear();
    world.player.play(world.now, Selection::Album("kind of blue"));
    world.answer("LIST \"kind of blue\" by Album best, 1", &[], None);
    world.check_told(&["connected to attic", "no album \"kind of blue\""]);
    assert_eq!((world.heard(), world.player.is_switching()), (Some(1), false));
}

#[test]
fn an_album_plays_in_order() {
    let mut world = World::connected();
    world.player.play(world.now, Selection::Album("blue"));
    world.answer("LIST \"blue\" by Album best, 1", &[4], None);
    world.library = vec![4, 6];
    world.answer("LIST at 0, 1 of Album 4", &[4], Some(6));
    world.start(4);
    world.answer("LIST from 4, 2 of Album 4", &[4, 6], None);
    world.start(6);
    world.finish();
    assert_eq!((world.heard(), world.player.queue().songs()), (Some(6), 2));
}

#[test]
fn only_one_addition_looks_for_words() {
    let mut world = World::connected();
    world.hear(1);
    world.player.add(Selection::Best("one")).expect("room");
    assert_eq!(world.player.add(Selection::Best("two")), Err(NotPossible::TooManyQuestions));
    world.player.add(song(3)).expect("room");
}

#[test]
fn a_full_queue_says_so_and_loses_nothing() {
    let mut world = World::connected();
    world.hear(1);
    (2..=8).for_each(|number| add(&mut world, number));
    assert_eq!(world.player.add(song(9)), Err(NotPossible::QueueFull));
    assert_eq!(world.player.queue().songs(), 8);
}

#[test]
fn a_change_replaces_a_song_that_was_received_already() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.answer("LIST from 1, 2", &[1, 2], Some(3));
    world.start(2);
    assert!(world.player.is_followed());
    world.player.play_next(song(7)).expect("room");
    follow(&mut world, 7);
    assert!(!world.player.is_followed(), "song 2 does not follow now");
    follow(&mut world, 7);
    world.start(7);
    world.finish();
    assert_eq!(world.heard(), Some(7));
    // Then the queue goes on where it was.
    world.answer("LIST at 1, 1", &[2], Some(3));
    world.start(2);
    world.finish();
    assert_eq!(world.heard(), Some(2));
}

#[test]
fn a_song_that_still_follows_is_not_requested_again() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.answer("LIST from 1, 2", &[1, 2], Some(3));
    world.start(2);
    add(&mut world, 7);
    assert!(world.player.is_followed());
    world.check_asked(&[]);
}

#[test]
fn to_remove_the_present_song_goes_to_the_following() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.answer("LIST from 1, 2", &[1, 2], Some(3));
    world.start(2);
    world.player.remove(world.now, 1, 2).expect("they are there");
    world.answer("LIST at 2, 1", &[3], Some(4));
    world.start(3);
    assert_eq!((world.heard(), world.player.queue().present()), (Some(3), Some(1)));
    world.player.remove(world.now, 1, 7).expect("they are there");
    assert!(world.player.is_silent());
    assert_eq!(world.player.remove(world.now, 1, 1), Err(NotPossible::NoSuchPlace { songs: 0 }));
}

#[test]
fn clear_keeps_the_present_song_only() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.answer("LIST from 1, 2", &[1, 2], Some(3));
    world.start(2);
    world.player.clear();
    assert_eq!((world.heard(), world.player.is_followed()), (Some(1), false));
    world.finish();
    world.check_asked(&[]);
    assert!(world.player.is_silent());
}

#[test]
fn a_song_that_is_repeated_follows_itself_and_next_goes_on() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.answer("LIST from 1, 2", &[1, 2], Some(3));
    world.player.set_repeat(Repeat::One);
    world.check_asked(&["PLAY 2 at 0 ms", "PLAY 1 at 0 ms"]);
    world.start(1);
    world.finish();
    assert_eq!((world.heard(), world.player.queue().present()), (Some(1), Some(1)));
    world.player.step(world.now, Direction::Next).expect("there is another");
    let _ = world.take_asked("LIST from 1, 2");
}

#[test]
fn stop_after_ends_the_music_and_keeps_the_queue() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.answer("LIST from 1, 2", &[1, 2], Some(3));
    world.start(2);
    world.player.set_stop_after(true).expect("it plays");
    assert!(!world.player.is_followed());
    world.finish();
    assert!(world.player.is_silent() && !world.player.stops_after());
    world.player.resume(world.now).expect("there is another");
    world.answer("LIST at 1, 1", &[2], Some(3));
    world.start(2);
    assert_eq!(world.player.queue().present(), Some(2));
    world.player.stop().expect("it plays");
    world.player.resume(world.now).expect("the queue stays");
    world.answer("LIST at 1, 1", &[2], Some(3));
    world.start(2);
}

#[test]
fn a_shuffled_selection_begins_anywhere_and_plays_each_song_once() {
    let mut world = World::connected();
    world.player.set_shuffle(Shuffle::Songs);
    world.player.play(world.now, Selection::All);
    world.answer("LIST at 0, 1", &[1], Some(2));
    let mut heard = Vec::new();
    while !world.player.is_silent() {
        world.exchange();
        if let Some((_, asked)) = world.asked.iter().find(|(_, asked)| asked.starts_with("LIST")).cloned() {
            let rank = asked.split(['t', ',']).nth(1).and_then(|rank| rank.trim().parse::<u32>().ok());
            let song = rank.expect("a rank") + 1;
            world.answer(&asked, &[song], None);
        } else if let Some((_, asked)) = world.asked.first().cloned() {
            let song = asked.split(' ').nth(1).and_then(|song| song.parse().ok()).expect("a song");
            heard.push(song);
            world.start(song);
        } else {
            world.finish();
        }
    }
    assert_ne!(heard, (1..=9).collect::<Vec<u32>>());
    heard.sort_unstable();
    assert_eq!(heard, (1..=9).collect::<Vec<u32>>());
}

#[test]
fn a_jump_goes_to_a_place_of_the_queue() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.answer("LIST from 1, 2", &[1, 2], Some(3));
    world.player.jump(world.now, 5).expect("it is there");
    world.answer("LIST at 4, 1", &[5], Some(6));
    world.check_asked(&["PLAY 2 at 0 ms", "PLAY 5 at 0 ms"]);
    world.start(5);
    assert_eq!((world.heard(), world.player.queue().present(), world.player.queue().songs()), (Some(5), Some(5), 9));
    assert_eq!(world.player.jump(world.now, 10), Err(NotPossible::NoSuchPlace { songs: 9 }));
    world.player.jump(world.now, 5).expect("it is there");
    let _ = world.take_asked("PLAY 5 at 0 ms tag 1005");
    world.player.stop().expect("it plays");
    world.player.jump(world.now, 1).expect("the queue stays");
    world.answer("LIST at 0, 1", &[1], Some(2));
    world.start(1);
}

#[test]
fn additions_wait_for_room_and_words() {
    let mut world = World::connected();
    world.hear(1);
    assert!(world.player.can_add(&Selection::Best("one")));
    world.player.add(Selection::Best("one")).expect("room");
    assert!(!world.player.can_add(&Selection::Album("two")) && world.player.can_add(&song(3)));
    (3..=5).for_each(|number| world.player.add(song(number)).expect("room"));
    assert!(!world.player.can_add(&song(6)));
    world.answer("LIST \"one\" best, 1", &[2], None);
    assert!(world.player.can_add(&Selection::Album("two")));
}

#[test]
fn to_remove_the_present_song_leaves_a_pause_and_a_switch_alone() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.answer("LIST from 1, 2", &[1, 2], Some(3));
    world.player.set_paused(true).expect("it plays");
    let _ = world.take_asked("PLAY 2 at 0 ms");
    world.player.remove(world.now, 1, 1).expect("it is there");
    world.answer("LIST from 1, 2", &[1, 2], Some(3));
    world.start(2);
    assert_eq!((world.heard(), world.player.is_paused()), (Some(2), true));
    world.play(7);
    world.player.remove(world.now, 1, 1).expect("it is there");
    world.start(7);
    assert_eq!((world.heard(), world.player.queue().songs()), (Some(7), 1));
}

#[test]
fn the_queue_goes_on_after_a_stop_although_its_song_was_removed() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.player.set_stop_after(true).expect("it plays");
    world.player.stop().expect("it plays");
    assert!(!world.player.stops_after(), "the next song is played to its end, and another follows");
    assert_eq!(world.player.set_stop_after(true), Err(NotPossible::NothingPlays));
    world.player.remove(world.now, 1, 1).expect("it is there");
    world.player.resume(world.now).expect("another follows");
    world.answer("LIST at 1, 1", &[2], Some(3));
    world.start(2);
    assert_eq!(world.player.queue().present(), Some(1));
}

#[test]
fn a_step_in_silence_tells_that_no_song_follows() {
    let mut world = World::connected();
    world.hear_range(1, 2);
    world.answer("LIST from 1, 2", &[1, 2], None);
    world.start(2);
    world.finish();
    world.finish();
    assert_eq!(world.player.step(world.now, Direction::Next), Err(NotPossible::Edge(None, Direction::Next)));
    world.told.clear();
    // All songs of the queue have vanished.
    world.library = vec![9];
    world.player.step(world.now, Direction::Previous).expect("there was another");
    world.answer("LIST at 0, 1", &[], None);
    world.answer("LIST at 1, 1", &[], None);
    world.check_told(&["the queue's edge, Previous"]);
    assert!(world.player.is_silent());
}

#[test]
fn a_change_of_the_queue_during_a_search_gives_up_the_song_that_was_received() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.answer("LIST from 1, 2", &[1, 2], Some(3));
    world.start(2);
    assert!(world.player.is_followed());
    let bytes = world.player.buffered_bytes();
    world.player.play(world.now, Selection::Best("xyz"));
    world.player.play_next(song(7)).expect("room");
    world.player.clear();
    assert!(!world.player.is_followed() && world.player.buffered_bytes() <= bytes);
    world.library.clear();
    world.answer("LIST \"xyz\" best, 1", &[], None);
    world.finish();
    world.exchange();
    assert_eq!((world.heard(), world.player.is_silent()), (None, true));
}

#[test]
fn what_is_added_to_an_empty_shuffled_queue_is_shuffled() {
    let mut world = World::connected();
    world.player.set_shuffle(Shuffle::Songs);
    world.player.add(Selection::All).expect("room");
    world.answer("LIST at 0, 1", &[1], Some(2));
    world.exchange();
    let (_, asked) = world.asked.first().cloned().expect("the song that is first in the order");
    assert!(asked.starts_with("LIST at ") && !asked.starts_with("LIST at 0"), "{asked}");
}
