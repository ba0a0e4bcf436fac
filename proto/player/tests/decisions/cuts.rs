//! Connections that end.

use std::time::Duration;

use trill_player::command::Selection;
use trill_player::{ListRequest, LossNotice, NotPossible, Options, Player, Question};
use trill_proto::error::{ErrorCode, Refusal, SessionError};
use trill_proto::ids::SongId;
use trill_proto::message::GoodbyeReason;

use crate::world::{SONG_BYTES, World, ask, half_heard, tag_of};

#[test]
fn a_title_is_asked_for_only_by_a_number_of_the_present_server() {
    let mut world = World::with_titles();
    world.connect();
    world.hear_range(1, 2);
    let _ = world.begin();
    world.inform(1);
    world.answer("LIST from 1, 2", &[2], None);
    world.start(2);
    world.cut();
    world.finish();
    let _ = world.begin();
    assert!(world.player.is_settled(), "nobody waits for what cannot be asked for");
    world.connect();
    world.check_asked(&[]);
}

#[test]
fn a_song_that_was_cut_off_is_resumed_where_it_was() {
    let (mut world, received) = half_heard();
    assert_eq!(world.cut(), LossNotice::Always);
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
    world.player.play(world.now, Selection::All);
    world.exchange();
    world.cut();
    world.connect();
    world.check_asked(&["LIST at 0, 1"]);
}

#[test]
fn an_unanswered_request_is_not_repeated_and_the_rest_of_a_song_is() {
    let (mut world, received) = half_heard();
    world.play(2);
    ask(&mut world, Question::List(ListRequest::ALL));
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
    assert_eq!(world.cut(), LossNotice::Always);
    for _ in 0..3 {
        world.connect();
        assert_eq!(world.cut(), LossNotice::IfNewReason);
    }
    world.check_told(&["connected to attic"]);
}

#[test]
fn a_return_is_told_after_connections_without_a_welcome() {
    let (mut world, _) = half_heard();
    assert_eq!(world.cut(), LossNotice::Always);
    for _ in 0..2 {
        world.player.begin_attempt();
        let identity = trill_proto::session::client::Identity { name: "test", nonce: [7; 16], roles: 0 };
        world.player.handle_connected(world.now, &identity);
        assert_eq!(world.cut(), LossNotice::IfNewReason);
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
    assert_eq!(world.cut(), LossNotice::Silent);
    assert!(world.player.is_silent());
    world.player.set_page_songs(9);
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
    world.player.ask(Question::List(ListRequest::ALL)).expect("room");
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
    world.check_asked(&["LIST from 1, 2"]);
    world.finish();
    let _ = world.lose(Some(SessionError::Unanswered));
    assert!(world.player.poll_connect().is_some());
    world.connect();
    world.answer("LIST from 1, 2", &[2], Some(3));
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
    world.refuse_list("LIST from 1, 2");
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
    assert_eq!(world.cut(), LossNotice::Silent);
    world.connect();
    world.check_asked(&[]);
    world.check_told(&["connected to attic", "connected to attic"]);
}

/// An attempt to connect fails.
fn fail_to_connect(world: &mut World) {
    world.player.begin_attempt();
    world.cut();
}

#[test]
fn a_question_is_asked_again_while_a_connection_follows_without_it() {
    let (mut world, received) = half_heard();
    ask(&mut world, Question::List(ListRequest::ALL));
    world.list_song("LIST at 0, 100", 1);
    world.cut();
    fail_to_connect(&mut world);
    world.connect();
    world.check_told(&["connected to attic", "listed 1", "connected again"]);
    world.check_asked(&[&format!("PLAY 1 from {received} tag {}", tag_of(1)), "LIST at 1, 100"]);
}

#[test]
fn a_question_is_given_up_where_no_connection_follows_without_it() {
    let mut world = World::connected();
    world.hear(1);
    ask(&mut world, Question::List(ListRequest::ALL));
    world.cut();
    world.check_told(&["connected to attic", "given up: List"]);
    assert_eq!(world.player.poll_connect(), None);
}

#[test]
fn a_song_that_was_asked_for_is_given_up_when_the_next_attempt_fails() {
    let mut world = World::connected();
    world.play(1);
    ask(&mut world, Question::List(ListRequest::ALL));
    world.cut();
    world.check_told(&["connected to attic"]);
    fail_to_connect(&mut world);
    world.check_told(&["given up: Play(SongId(1))", "given up: List"]);
}

#[test]
fn music_whose_rest_is_given_up_is_played_to_its_end() {
    let (mut world, received) = half_heard();
    world.play(2);
    world.cut();
    world.player.give_up_rest();
    assert!(!world.player.needs_server() && !world.player.is_silent());
    assert_eq!(world.player.heard().map(|track| (track.received, track.is_over)), Some((received, true)));
    world.finish();
    assert!(world.player.is_silent());
}

#[test]
#[should_panic(expected = "never go on")]
fn a_player_with_too_little_memory_is_not_made() {
    let options = Options { seed: 1, is_persistent: false, wants_titles: false };
    Player::<512>::new(&mut [0; 9_361], &mut trill_player::QueueMemory::<1>::new(), options);
}
