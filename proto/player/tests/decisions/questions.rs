//! Lists, particulars and titles.

use std::time::Duration;

use trill_player::command::Seek;
use trill_player::{ListRequest, MAX_QUESTIONS, NotPossible, Question};
use trill_proto::ids::SongId;

use crate::world::{World, ask, half_heard_in, resume, tag_of};

#[test]
fn a_list_is_asked_for_page_by_page_as_the_screen_has_room() {
    let mut world = World::connected();
    world.player.set_page_songs(2);
    ask(&mut world, Question::List(ListRequest::ALL));
    assert!(!world.player.is_settled());
    world.player.set_page_songs(0);
    world.answer("LIST at 0, 2", &[1, 2], Some(3));
    world.check_asked(&[]);
    assert!(world.player.waits_to_ask());
    world.player.set_page_songs(5);
    world.answer("LIST from 3, 5", &[3], None);
    world.check_told(&["connected to attic", "listed 1", "listed 2", "More", "listed 3", "Complete"]);
    assert!(world.player.is_settled());
}

#[test]
fn a_song_for_which_there_is_no_room_is_asked_for_again() {
    let mut world = World::connected();
    ask(&mut world, Question::List(ListRequest::ALL));
    ask(&mut world, Question::Info(SongId(7)));
    world.list_song("LIST at 0, 100", 1);
    world.list_song("LIST at 0, 100", 2);
    world.player.ask_again();
    world.answer("LIST from 2, 100", &[2], None);
    world.inform(7);
    world.player.ask_again();
    world.check_asked(&["LIST at 0, 100", "INFO 7"]);
}

#[test]
fn a_list_without_end_ends_after_as_many_songs_as_the_server_has() {
    let mut world = World::connected();
    ask(&mut world, Question::List(ListRequest::ALL));
    for song in 1..=9 {
        world.answer(
            &if song == 1 { "LIST at 0, 100".to_owned() } else { format!("LIST from {song}, {}", 10 - song) },
            &[song],
            Some(song + 1),
        );
    }
    world.check_asked(&[]);
    assert_eq!(world.told.last().map(String::as_str), Some("Complete"));
}

#[test]
fn questions_are_asked_one_after_the_other() {
    let mut world = World::connected();
    for song in 1..=MAX_QUESTIONS {
        ask(&mut world, Question::Info(SongId(song as u32)));
    }
    assert_eq!(world.player.ask(Question::List(ListRequest::ALL)), Err(NotPossible::TooManyQuestions));
    world.check_asked(&["INFO 1"]);
    world.inform(1);
    world.check_asked(&["INFO 2"]);
    assert_eq!(world.player.give_up_question(), Some(Question::Info(SongId(2))));
    world.check_asked(&["INFO 2", "INFO 3"]);
}

#[test]
fn a_title_is_told_once_for_a_song() {
    let mut world = World::with_titles();
    world.hear(1);
    for _ in 0..2 {
        let _ = world.begin();
    }
    world.inform(1);
    world.check_asked(&[]);
    world.player.seek(world.now, Seek::To(Duration::from_secs(2)), 0).expect("a song is meant");
    world.start_as(&format!("PLAY 1 at 2000 ms tag {}", tag_of(1)), 1, tag_of(1), 0);
    let _ = world.begin();
    world.check_asked(&[]);
    world.check_told(&["connected to attic", "title of 1"]);
}

#[test]
fn the_title_of_a_song_that_is_over_is_asked_for_once() {
    let mut world = World::with_titles();
    world.hear(1);
    let _ = world.begin();
    world.check_asked(&["INFO 1"]);
    world.finish();
    assert!(!world.player.is_settled(), "it is on its way");
    world.cut();
    assert!(world.player.is_settled());
}

#[test]
fn the_title_of_a_song_that_is_over_is_not_asked_for() {
    let mut world = World::with_titles();
    world.hear_range(3, 5);
    world.inform(3);
    world.answer("LIST from 3, 2", &[4], Some(5));
    world.start(4);
    world.cut();
    world.finish();
    let _ = world.begin();
    world.finish();
    world.connect();
    world.check_asked(&["LIST from 4, 2"]);
}

#[test]
fn a_title_that_a_cut_kept_back_is_asked_for_when_the_song_goes_on() {
    let (mut world, received) = half_heard_in(World::with_titles());
    world.cut();
    world.connect();
    resume(&mut world, received);
    world.check_asked(&["INFO 1"]);
}

#[test]
fn the_network_is_woken_for_a_title() {
    let mut world = World::with_titles();
    world.hear_range(1, 2);
    world.inform(1);
    world.answer("LIST from 1, 2", &[2], None);
    world.start(2);
    world.player.handle_finished();
    let _ = world.player.take_wakeups();
    let _ = world.begin();
    assert!(world.player.take_wakeups().network);
}

#[test]
fn nothing_is_settled_between_the_start_of_a_song_and_its_title() {
    let mut world = World::with_titles();
    world.play(1);
    assert!(!world.player.is_settled());
    world.start(1);
    assert!(!world.player.is_settled());
    world.inform(1);
    assert!(world.player.is_settled());
    assert!(world.begin(), "it is another song than before");
    world.check_asked(&[]);
}
