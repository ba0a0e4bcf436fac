//! What the player decides, on a virtual clock, against the server's session machine.

mod world;

use std::time::Duration;

use trill_player::command::{Play, Seek};
use trill_player::playlist::Direction;
use trill_player::{MAX_QUESTIONS, News, NotPossible, Question, Sound, Step};
use trill_proto::decoder::{Decoded, Frame};
use trill_proto::error::{ErrorCode, Refusal, SessionError};
use trill_proto::ids::{SongId, StreamId};
use trill_proto::message::GoodbyeReason;
use world::{SONG_BYTES, World, ask, tag_of};

// ── switches ──

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
    world.answer("LIST 4 1", &[4], Some(5));
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

// ── what follows ──

#[test]
fn songs_of_a_range_follow_each_other_once_all_of_one_is_here() {
    let mut world = World::connected();
    world.hear_range(3, 5);
    assert!(world.player.heard().is_some_and(|track| track.is_over));
    // There is no song 4.
    world.answer("LIST 4 1", &[5], None);
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
    world.answer("LIST 2 1", &[2], Some(3));
    world.start(2);
    assert_eq!(world.heard(), Some(2));
}

#[test]
fn a_song_that_cannot_follow_is_skipped() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.answer("LIST 2 1", &[2], Some(3));
    world.refuse("PLAY 2 at 0 ms");
    world.check_asked(&["LIST 3 1"]);
}

#[test]
fn a_song_that_cannot_begin_a_range_is_passed_whatever_plays() {
    for plays in [false, true] {
        let mut world = World::connected();
        if plays {
            world.hear(9);
        }
        world.player.play(world.now, Play::Range { first: SongId(3), last: SongId(5) });
        world.answer("LIST 3 1", &[3], Some(4));
        world.refuse("PLAY 3 at 0 ms");
        assert_eq!(world.heard(), plays.then_some(9));
        world.answer("LIST 4 1", &[4], Some(5));
        world.start(4);
        assert_eq!((world.heard(), world.player.is_followed()), (Some(4), false));
    }
}

#[test]
fn where_no_song_of_a_range_can_be_had_the_music_goes_on() {
    let mut world = World::connected();
    world.hear(9);
    world.player.play(world.now, Play::Range { first: SongId(3), last: SongId(5) });
    world.answer("LIST 3 1", &[3], Some(4));
    world.refuse("PLAY 3 at 0 ms");
    world.answer("LIST 4 1", &[], None);
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
    world.answer("LIST 4 1", &[], None);
    world.player.seek(world.now, Seek::To(Duration::ZERO), 0).expect("a song is meant");
    world.refuse(&format!("PLAY 3 at 0 ms tag {}", tag_of(3)));
    world.check_asked(&[]);

    world.player.play(world.now, Play::Range { first: SongId(5), last: SongId(7) });
    world.answer("LIST 5 1", &[5], Some(6));
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

// ── steps and searches ──

#[test]
fn a_step_goes_from_the_song_that_is_meant() {
    let mut world = World::connected();
    assert_eq!(world.player.step(world.now, Direction::Next), Err(NotPossible::NothingPlays));
    world.hear(3);
    world.player.step(world.now, Direction::Next).expect("there are songs");
    world.player.step(world.now, Direction::Next).expect("there are songs");
    world.answer("LIST 4 1", &[4], Some(5));
    world.answer("LIST 5 1", &[5], None);
    world.check_asked(&["PLAY 5 at 0 ms"]);
}

#[test]
fn at_the_edge_the_song_plays_on() {
    let mut world = World::connected();
    world.hear(3);
    world.player.step(world.now, Direction::Next).expect("it is not known");
    world.answer("LIST 4 1", &[], None);
    world.check_told(&["connected to attic", "3 is the edge, Next"]);
    world.check_asked(&[]);
    assert_eq!(world.heard(), Some(3));
}

#[test]
fn a_command_for_other_music_ends_a_search() {
    let mut world = World::connected();
    world.player.play(world.now, Play::All);
    world.exchange();
    world.play(5);
    world.answer("LIST 1 1", &[1], Some(2));
    world.check_asked(&["PLAY 5 at 0 ms"]);
    world.player.play(world.now, Play::All);
    world.exchange();
    world.player.stop().expect("something was wanted");
    world.answer("LIST 1 1", &[1], Some(2));
    world.check_asked(&["PLAY 5 at 0 ms"]);
}

// ── pause ──

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

// ── seek ──

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
        assert_eq!(seek(&mut world, seconds), Ok((SongId(1), seconds * 1_000)));
    }
    let tag = tag_of(1);
    world.check_asked(&[&format!("PLAY 1 at 2000 ms tag {tag}"), &format!("PLAY 1 at 4000 ms tag {tag}")]);
    assert_eq!(seek(&mut world, 10), Ok((SongId(1), 10_000)), "it has not started, so its length is unknown");
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
}

// ── what follows, whatever else was tried ──

#[test]
fn a_refused_switch_leaves_the_playlist_even_if_the_song_ended_meanwhile() {
    let mut world = World::connected();
    world.hear_range(3, 9);
    let _ = world.take_asked("LIST 4 1");
    world.play(99);
    world.finish();
    assert_eq!(world.heard(), None);
    world.refuse("PLAY 99 at 0 ms");
    world.answer("LIST 4 1", &[4], Some(5));
    world.start(4);
    assert_eq!(world.heard(), Some(4));
}

#[test]
fn a_switch_that_is_given_up_leaves_the_playlist_too() {
    let mut world = World::connected();
    world.hear_range(3, 9);
    world.play(99);
    world.finish();
    world.cut();
    assert!(world.player.give_up_switch().is_some());
    assert!(!world.player.is_silent());
    world.connect();
    world.answer("LIST 4 1", &[4], Some(5));
}

#[test]
fn the_last_song_of_a_range_is_refused_once() {
    let mut world = World::connected();
    world.hear_range(3, 4);
    world.answer("LIST 4 1", &[4], None);
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
    world.player.play(world.now, Play::Range { first: SongId(6), last: SongId(8) });
    world.answer("LIST 6 1", &[6], Some(7));
    world.refuse("PLAY 6 at 0 ms");
    world.answer("LIST 7 1", &[7], Some(8));
    world.start(7);
    world.answer("LIST 8 1", &[8], None);
}

// ── cuts ──

#[test]
fn a_title_is_asked_for_only_by_a_number_of_the_present_server() {
    let mut world = World::with_titles();
    world.connect();
    world.hear_range(1, 2);
    let _ = world.player.handle_began();
    world.inform(1);
    world.answer("LIST 2 1", &[2], None);
    world.start(2);
    world.cut();
    world.finish();
    let _ = world.player.handle_began();
    assert!(world.player.is_settled(), "nobody waits for what cannot be asked for");
    world.connect();
    world.check_asked(&[]);
}

/// A song that is larger than the buffer, and the number of its bytes that have come.
fn half_heard() -> (World, u64) {
    let mut world = World::connected();
    world.play(1);
    let stream = StreamId(world.take_asked("PLAY 1 at 0 ms"));
    let started = trill_proto::message::Started {
        stream,
        song: SongId(1),
        content_tag: tag_of(1),
        size_bytes: 1_000_000,
        end_sample: 44_100_000,
        bitrate: 128_000,
        rate: 44_100,
        channels: 2,
        ..trill_proto::message::Started::default()
    };
    world.server.start(&started).expect("room");
    world.exchange();
    let received = world.player.heard().expect("it started").received;
    assert!(received > 0 && received < started.size_bytes);
    (world, received)
}

#[test]
fn a_song_that_was_cut_off_is_resumed_where_it_was() {
    let (mut world, received) = half_heard();
    assert_eq!(world.cut(), News::Yes);
    assert!(world.player.needs_server());
    assert!(world.player.poll_connect().is_some_and(|at| at > world.now));
    world.connect();
    world.check_told(&["connected to attic", "connected again"]);
    world.check_asked(&[&format!("PLAY 1 from {received} tag {}", tag_of(1))]);
}

#[test]
fn a_song_that_is_all_here_is_not_resumed() {
    let mut world = World::connected();
    world.hear(1);
    assert_eq!(world.player.heard().map(|track| track.received), Some(SONG_BYTES));
    world.cut();
    assert!(!world.player.needs_server());
    assert_eq!(world.player.poll_connect(), None, "nothing is wanted of a server");
    world.connect();
    world.check_asked(&[]);
}

#[test]
fn a_cut_before_the_start_repeats_the_question() {
    let (mut world, received) = half_heard();
    world.play(2);
    world.cut();
    world.connect();
    // The song before it too, which goes on if this one is refused.
    world.check_asked(&[&format!("PLAY 1 from {received} tag {}", tag_of(1)), "PLAY 2 at 0 ms"]);
}

#[test]
fn of_several_songs_asked_for_before_a_cut_only_the_last_is_meant() {
    let mut world = World::connected();
    world.play(1);
    world.play(2);
    world.cut();
    world.connect();
    world.check_asked(&["PLAY 2 at 0 ms"]);
}

#[test]
fn what_cannot_be_resumed_is_as_long_as_it_is() {
    let (mut world, received) = half_heard();
    world.cut();
    world.connect();
    world.refuse(&format!("PLAY 1 from {received} tag {}", tag_of(1)));
    assert_eq!((world.heard(), world.player.needs_server()), (Some(1), false));
    world.check_told(&["connected to attic", "connected again", "Rest(SongId(1))"]);
}

#[test]
fn a_search_goes_on_after_a_cut() {
    let mut world = World::connected();
    world.player.play(world.now, Play::All);
    world.exchange();
    world.cut();
    world.connect();
    world.check_asked(&["LIST 1 1"]);
}

#[test]
fn an_unanswered_request_is_not_repeated_and_the_rest_of_a_song_is() {
    let (mut world, received) = half_heard();
    world.play(2);
    ask(&mut world, Question::List);
    let _ = world.lose(Some(SessionError::Unanswered));
    world.check_told(&["connected to attic", "given up: Play(SongId(2))", "given up: List"]);
    world.connect();
    world.check_asked(&[&format!("PLAY 1 from {received} tag {}", tag_of(1))]);
}

#[test]
fn a_server_that_brings_nothing_is_told_of_once() {
    let mut world = World::new();
    world.play(1);
    world.connect();
    world.exchange();
    assert_eq!(world.cut(), News::Yes);
    for _ in 0..3 {
        world.connect();
        assert_eq!(world.cut(), News::IfOther);
    }
    world.check_told(&["connected to attic"]);
}

#[test]
fn a_return_is_told_after_connections_without_a_welcome() {
    let (mut world, _) = half_heard();
    assert_eq!(world.cut(), News::Yes);
    for _ in 0..2 {
        world.player.begin_attempt();
        let identity = trill_proto::session::client::Identity { name: "test", nonce: [7; 16], roles: 0 };
        world.player.handle_connected(world.now, &identity);
        assert_eq!(world.cut(), News::IfOther);
    }
    world.connect();
    world.check_told(&["connected to attic", "connected again"]);
}

#[test]
fn a_command_does_not_wait_for_the_next_attempt() {
    let mut world = World::connected();
    world.cut();
    assert_eq!(world.player.poll_connect(), None);
    world.play(1);
    assert!(world.player.poll_connect().is_some_and(|at| at <= world.now));
}

#[test]
fn a_server_that_says_no_welcome_is_given_up() {
    let mut world = World::new();
    world.player.begin_attempt();
    let identity = trill_proto::session::client::Identity { name: "test", nonce: [7; 16], roles: 0 };
    world.player.handle_connected(world.now, &identity);
    let _ = world.player.poll_transmit(world.now);
    let due = world.player.poll_timeout().expect("it waits");
    world.wait(due.saturating_since(world.now));
    let mut timed_out = world.player.handle_timeout(world.now);
    while timed_out.is_ok() {
        world.wait(Duration::from_millis(100));
        timed_out = world.player.handle_timeout(world.now);
    }
    assert!(world.now.as_micros() <= 6_100_000, "{:?}", world.now);
}

#[test]
fn a_connection_whose_place_was_taken_is_not_made_again_by_itself() {
    let (mut world, _) = half_heard();
    world.server.goodbye(GoodbyeReason::Superseded);
    world.exchange();
    assert_eq!(world.cut(), News::No);
    assert!(world.player.is_silent());
    world.player.set_room(9);
    assert_eq!((world.player.set_paused(true), world.player.poll_connect()), (Err(NotPossible::NothingPlays), None));
    world.play(2);
    assert!(world.player.poll_connect().is_some());
}

#[test]
fn after_a_lasting_refusal_only_a_command_connects_again() {
    let refused = |refusal| SessionError::Refused(refusal);
    let lasting = [
        SessionError::NotTrill,
        refused(Refusal::Mode),
        refused(Refusal::Other(9)),
        SessionError::Version { lowest: 2, highest: 3 },
        SessionError::Credit,
    ];
    for (is_lasting, error) in lasting
        .map(|error| (true, error))
        .into_iter()
        .chain([refused(Refusal::Busy), SessionError::Silent, SessionError::Unanswered].map(|error| (false, error)))
    {
        let (mut world, _) = half_heard();
        let _ = world.lose(Some(error));
        check_bar(world, is_lasting);
    }
    for (is_lasting, code) in [(true, ErrorCode::VERSION), (true, ErrorCode(99)), (false, ErrorCode::TOO_MANY_CLIENTS)]
    {
        let (mut world, _) = half_heard();
        world.server.reject(code, "");
        world.exchange();
        world.cut();
        check_bar(world, is_lasting);
    }
    for (is_lasting, reason) in
        [(true, GoodbyeReason::Done), (false, GoodbyeReason::Restarting), (false, GoodbyeReason::Other(9))]
    {
        let (mut world, _) = half_heard();
        world.server.goodbye(reason);
        world.exchange();
        world.cut();
        check_bar(world, is_lasting);
    }
}

/// Whether the rest of a song is asked for again without a command, and with one.
#[track_caller]
fn check_bar(mut world: World, is_lasting: bool) {
    assert_eq!((world.player.retries(), world.player.poll_connect().is_none()), (!is_lasting, is_lasting));
    world.player.ask(Question::List).expect("room");
    assert!(world.player.retries() && world.player.poll_connect().is_some());
}

#[test]
fn what_a_listener_waits_for_is_given_up_where_no_connection_follows() {
    let mut world = World::connected();
    world.hear(1);
    world.play(2);
    ask(&mut world, Question::Info(SongId(7)));
    let _ = world.lose(Some(SessionError::Credit));
    world.check_told(&["connected to attic", "given up: Play(SongId(2))", "given up: Info(SongId(7))"]);
}

#[test]
fn a_playlist_goes_on_after_a_server_that_did_not_answer() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.check_asked(&["LIST 2 1"]);
    world.finish();
    let _ = world.lose(Some(SessionError::Unanswered));
    assert!(world.player.poll_connect().is_some());
    world.connect();
    world.answer("LIST 2 1", &[2], Some(3));
    world.check_asked(&["PLAY 2 at 0 ms"]);
    let _ = world.lose(Some(SessionError::Unanswered));
    world.connect();
    world.start(2);
    assert_eq!(world.heard(), Some(2));
}

#[test]
fn a_refusal_of_what_follows_is_told_once() {
    let mut world = World::connected();
    world.hear_range(1, 9);
    world.refuse_list("LIST 2 1");
    world.check_told(&["connected to attic", "Following"]);
    world.finish();
    world.check_asked(&[]);
    assert!(world.player.is_silent());
}

#[test]
fn another_server_is_asked_for_nothing_that_was_wanted_of_the_last() {
    let (mut world, _) = half_heard();
    ask(&mut world, Question::Info(SongId(1)));
    world.player.change_server();
    assert!(world.player.is_leaving());
    assert_eq!(world.cut(), News::No);
    world.connect();
    world.check_asked(&[]);
    world.check_told(&["connected to attic", "connected to attic"]);
}

// ── questions and titles ──

#[test]
fn a_list_is_asked_for_page_by_page_as_the_screen_has_room() {
    let mut world = World::connected();
    world.player.set_room(2);
    ask(&mut world, Question::List);
    assert!(!world.player.is_settled());
    world.player.set_room(0);
    world.answer("LIST 1 2", &[1, 2], Some(3));
    world.check_asked(&[]);
    assert!(world.player.waits_for_room());
    world.player.set_room(5);
    world.answer("LIST 3 5", &[3], None);
    world.check_told(&["connected to attic", "listed 1", "listed 2", "More", "listed 3", "Complete"]);
    assert!(world.player.is_settled());
}

#[test]
fn a_song_for_which_there_is_no_room_is_asked_for_again() {
    let mut world = World::connected();
    ask(&mut world, Question::List);
    ask(&mut world, Question::Info(SongId(7)));
    world.list_song("LIST 1 100", 1);
    world.list_song("LIST 1 100", 3);
    world.player.ask_again();
    world.answer("LIST 3 100", &[3], None);
    world.inform(7);
    world.player.ask_again();
    world.check_asked(&["LIST 1 100", "INFO 7"]);
}

#[test]
fn a_list_without_end_ends_after_as_many_songs_as_the_server_has() {
    let mut world = World::connected();
    ask(&mut world, Question::List);
    for song in 1..=9 {
        world.answer(&format!("LIST {song} 100"), &[song], Some(song + 1));
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
    assert_eq!(world.player.ask(Question::List), Err(NotPossible::TooManyQuestions));
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
        let _ = world.player.handle_began();
    }
    world.inform(1);
    world.check_asked(&[]);
    world.player.seek(world.now, Seek::To(Duration::from_secs(2)), 0).expect("a song is meant");
    world.start_as(&format!("PLAY 1 at 2000 ms tag {}", tag_of(1)), 1, tag_of(1), 0);
    let _ = world.player.handle_began();
    world.check_asked(&[]);
    world.check_told(&["connected to attic", "title of 1"]);
}

#[test]
fn the_title_of_a_song_that_is_over_is_asked_for_once() {
    let mut world = World::with_titles();
    world.hear(1);
    let _ = world.player.handle_began();
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
    world.answer("LIST 4 1", &[4], Some(5));
    world.start(4);
    world.cut();
    world.finish();
    let _ = world.player.handle_began();
    world.finish();
    world.connect();
    world.check_asked(&["LIST 5 1"]);
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
    assert!(world.player.handle_began(), "it is another song than before");
    world.check_asked(&[]);
}

// ── the decoder ──

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
    assert!(matches!(world.step(JUNK), Step::Begin(started) if started.song == SongId(1)));
    assert!(!world.player.has_begun());
    assert!(world.player.handle_began());
    let first = check_sound(world.step(frame(1_152, 44_100, 2)));
    assert_eq!((first.heard.clone(), first.silence, first.is_new_format), (0..1_152, 0, true));
    assert!(first.asked.is_some());
    let next = check_sound(world.step(frame(1_152, 44_100, 2)));
    assert_eq!((next.is_new_format, next.asked), (false, None));
    for _ in 2..8 {
        check_sound(world.step(frame(1_152, 44_100, 2)));
    }
    assert_eq!(world.step(JUNK), Step::Ended);
    world.answer("LIST 2 1", &[2], None);
    world.start(2);
    assert_eq!((world.player.handle_finished(), world.player.has_begun()), (None, false));
    assert!(matches!(world.step(JUNK), Step::Begin(started) if started.song == SongId(2)));
}

#[test]
fn the_silence_before_the_first_sound_is_put_out_with_it() {
    let mut world = World::connected();
    world.hear(1);
    let _ = world.player.handle_began();
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
    let _ = world.player.handle_began();
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
        let _ = world.player.handle_began();
        while world.step(JUNK) == Step::Again {}
        assert_eq!(world.step(JUNK), Step::Ended);
        assert_eq!(world.player.handle_finished(), is_whole.then_some(SongId(1)));
    }
}

#[test]
fn a_song_that_runs_dry_waits_for_more_unless_it_is_paused() {
    let mut world = World::connected();
    world.hear(1);
    let _ = world.player.handle_began();
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
    assert!(matches!(world.step(JUNK), Step::Begin(_)));
    assert!(world.player.handle_began());
    for _ in 0..received / 1_000 {
        assert_eq!(world.step(JUNK), Step::Again);
    }
    let track = world.player.heard().expect("a song");
    assert!(track.received > received);
    let capacity = world.player.capacity_bytes();
    assert!(world.player.buffered_bytes() <= capacity);
}
