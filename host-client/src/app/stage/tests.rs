use super::*;

fn started(song: SongId) -> Started {
    Started { song, content_tag: 7, size_bytes: 1_000, ..Started::default() }
}

fn song(number: u32) -> Song {
    Song {
        id: SongId(number),
        duration: None,
        size_bytes: 0,
        bitrate: 0,
        rate: 0,
        channels: 0,
        track: 0,
        title: String::new(),
        artist: String::new(),
        album: String::new(),
    }
}

fn range(first: u32, last: u32) -> Playlist {
    Playlist { first: SongId(first), last: SongId(last), advances: true }
}

impl Stage {
    /// Asks for a song and lets it start.
    fn play(&mut self, number: u32, playlist: Playlist) -> Ticket {
        let ask = self.switch_to(SongId(number), Duration::ZERO, playlist, false);
        self.on_asked(ask.ticket);
        self.on_started(ask.ticket, started(ask.song));
        ask.ticket
    }

    /// Lets the song that is upcoming be found, and start.
    fn follow(&mut self, number: u32) -> Ticket {
        let upcoming = self.upcoming().expect("a song is upcoming");
        let ask = self.follow_with(song(number), upcoming.playlist());
        assert_eq!(ask.join, Join::Follow);
        self.on_asked(ask.ticket);
        self.on_started(ask.ticket, started(ask.song));
        ask.ticket
    }

    fn heard_number(&self) -> Option<u32> {
        self.heard().map(|song| song.song.0)
    }
}

#[test]
fn a_wrong_number_leaves_the_music_alone() {
    let mut stage = Stage::default();
    stage.play(1, Playlist::SINGLE);
    let wrong = stage.switch_to(SongId(99), Duration::ZERO, Playlist::SINGLE, false);
    assert!(stage.is_switching());
    assert_eq!(stage.on_refused(wrong.ticket).map(|wish| wish.song), Some(SongId(99)));
    assert_eq!((stage.heard_number(), stage.is_switching()), (Some(1), false));
}

#[test]
fn a_wrong_number_leaves_alone_what_is_about_to_start() {
    let mut stage = Stage::default();
    let right = stage.switch_to(SongId(1), Duration::ZERO, Playlist::SINGLE, false);
    let wrong = stage.switch_to(SongId(99), Duration::ZERO, Playlist::SINGLE, false);
    stage.on_started(right.ticket, started(right.song));
    assert_eq!((stage.heard_number(), stage.is_switching()), (Some(1), true));
    assert_eq!(stage.on_refused(wrong.ticket).map(|wish| wish.song), Some(SongId(99)));
    assert_eq!((stage.heard_number(), stage.is_switching()), (Some(1), false));
}

#[test]
fn a_switch_takes_the_place_of_all_before_it() {
    let mut stage = Stage::default();
    let first = stage.play(3, range(3, 7));
    assert_eq!(stage.on_ended(first, EndReason::Finished), Ending::Fine);
    stage.follow(4);
    stage.play(9, Playlist::SINGLE);
    assert_eq!((stage.heard_number(), stage.upcoming()), (Some(9), None));
}

#[test]
fn songs_of_a_range_follow_each_other_once_all_of_one_is_here() {
    let mut stage = Stage::default();
    let third = stage.play(3, range(3, 5));
    assert_eq!(stage.upcoming(), None, "3 is still arriving");
    let _ = stage.on_ended(third, EndReason::Finished);
    assert_eq!(stage.upcoming(), Search::step(range(3, 5), SongId(3), Direction::Next));
    // There is no song 4.
    let fifth = stage.follow(5);
    let _ = stage.on_ended(fifth, EndReason::Finished);
    assert_eq!((stage.heard_number(), stage.upcoming()), (Some(3), None), "5 is the last");
    stage.on_finished(third);
    assert_eq!(stage.heard_number(), Some(5));
    stage.on_finished(fifth);
    assert!(stage.is_empty());
}

#[test]
fn a_song_that_was_heard_before_the_next_was_found_does_not_end_the_range() {
    let mut stage = Stage::default();
    let first = stage.play(1, Playlist::ALL);
    let _ = stage.on_ended(first, EndReason::Finished);
    stage.on_finished(first);
    assert!(!stage.is_empty());
    stage.follow(2);
    assert_eq!(stage.heard_number(), Some(2));
}

#[test]
fn a_song_that_cannot_follow_is_skipped() {
    let mut stage = Stage::default();
    let first = stage.play(1, Playlist::ALL);
    let _ = stage.on_ended(first, EndReason::Finished);
    let ask = stage.follow_with(song(2), Playlist::ALL);
    assert_eq!(stage.on_refused(ask.ticket).map(|wish| wish.song), Some(SongId(2)));
    assert_eq!(stage.upcoming(), Search::step(Playlist::ALL, SongId(2), Direction::Next));
}

#[test]
fn a_song_that_cannot_begin_a_range_is_skipped() {
    let next = Search::step(Playlist::ALL, SongId(1), Direction::Next);
    for is_silent in [true, false] {
        let mut stage = Stage::default();
        if !is_silent {
            stage.play(9, Playlist::SINGLE);
        }
        let ask = stage.switch_to(SongId(1), Duration::ZERO, Playlist::ALL, false);
        let refused = stage.on_refused(ask.ticket).expect("it was asked for");
        assert_eq!((stage.detour(&refused), stage.upcoming()), (next, None));
    }
}

#[test]
fn nothing_is_played_in_place_of_a_song_or_a_place_in_it_or_what_was_overtaken() {
    let mut stage = Stage::default();
    let single = stage.switch_to(SongId(1), Duration::ZERO, Playlist::SINGLE, false);
    let refused = stage.on_refused(single.ticket).expect("it was asked for");
    assert_eq!(stage.detour(&refused), None, "a single song");

    stage.play(3, range(3, 7));
    let place = stage.seek(Duration::ZERO).expect("a song is meant");
    let refused = stage.on_refused(place.ticket).expect("it was asked for");
    assert_eq!(stage.detour(&refused), None, "the beginning of the song that is heard");

    let first = stage.switch_to(SongId(1), Duration::ZERO, Playlist::ALL, false);
    stage.switch_to(SongId(8), Duration::ZERO, Playlist::SINGLE, false);
    let refused = stage.on_refused(first.ticket).expect("it was asked for");
    assert_eq!(stage.detour(&refused), None, "overtaken");
}

#[test]
fn a_single_song_is_followed_by_none() {
    let mut stage = Stage::default();
    let ticket = stage.play(u32::MAX, Playlist::SINGLE);
    let _ = stage.on_ended(ticket, EndReason::Finished);
    assert_eq!(stage.upcoming(), None);
    stage.on_finished(ticket);
    assert!(stage.is_empty());
}

#[test]
fn only_a_stream_that_was_cut_short_is_a_fault() {
    for (reason, switches, expected) in [
        (EndReason::Finished, false, Ending::Fine),
        (EndReason::Replaced, true, Ending::Fine),
        (EndReason::Replaced, false, Ending::Early(SongId(1))),
        (EndReason::Failed, false, Ending::Early(SongId(1))),
        (EndReason::Failed, true, Ending::Early(SongId(1))),
        (EndReason::Stopped, false, Ending::Early(SongId(1))),
    ] {
        let mut stage = Stage::default();
        let ticket = stage.play(1, Playlist::SINGLE);
        if switches {
            stage.switch_to(SongId(2), Duration::ZERO, Playlist::SINGLE, false);
        }
        assert_eq!(stage.on_ended(ticket, reason), expected, "{reason:?}");
    }
}

#[test]
fn a_song_that_was_cut_off_is_resumed_where_it_was() {
    let mut stage = Stage::default();
    let ticket = stage.play(1, Playlist::SINGLE);
    stage.on_disconnected();
    assert!(stage.needs_server());
    let ask = stage.unasked(|asked| (asked == ticket).then_some(123))[0];
    assert_eq!((ask.ticket, ask.start, ask.content_tag), (ticket, Start::Resume(123), 7));
    stage.on_asked(ticket);
    stage.on_started(ticket, started(SongId(11)));
    assert_eq!(stage.heard_number(), Some(11), "its number may be another now");
    assert_eq!(stage.unasked(|_| Some(200)).len(), 0);
}

#[test]
fn a_song_that_is_all_here_is_not_resumed() {
    let mut stage = Stage::default();
    let ticket = stage.play(1, Playlist::SINGLE);
    let _ = stage.on_ended(ticket, EndReason::Finished);
    stage.on_disconnected();
    assert!(!stage.needs_server());
    assert_eq!(stage.unasked(|_| Some(0)).len(), 0);
}

#[test]
fn a_cut_before_the_start_repeats_the_question() {
    let mut stage = Stage::default();
    let first = stage.play(1, Playlist::SINGLE);
    let second = stage.switch_to(SongId(2), Duration::from_secs(9), Playlist::SINGLE, false);
    stage.on_disconnected();
    // The song before it too, which goes on if this one is refused.
    let asks = stage.unasked(|_| Some(123));
    let asks: Vec<_> = asks.iter().map(|ask| (ask.ticket, ask.start)).collect();
    assert_eq!(asks, [(first, Start::Resume(123)), (second.ticket, Start::Time(9_000))]);
}

#[test]
fn a_song_that_was_replaced_goes_on_once_no_other_may_start() {
    let mut stage = Stage::default();
    let first = stage.play(1, Playlist::SINGLE);
    let second = stage.switch_to(SongId(2), Duration::ZERO, Playlist::SINGLE, false);
    stage.on_asked(second.ticket);
    assert_eq!(stage.on_ended(first, EndReason::Replaced), Ending::Fine);
    assert_eq!(stage.unasked(|_| Some(123)).len(), 0);
    let _ = stage.on_refused(second.ticket);
    let asks: Vec<_> = stage.unasked(|_| Some(123)).iter().map(|ask| (ask.ticket, ask.start)).collect();
    assert_eq!(asks, [(first, Start::Resume(123))]);
    stage.on_asked(first);
    assert_eq!(stage.unasked(|_| Some(123)).len(), 0, "once is enough");
}

#[test]
fn a_song_that_was_to_follow_and_ends_before_it_starts_is_skipped_or_asked_for_again() {
    let mut stage = Stage::default();
    let first = stage.play(1, Playlist::ALL);
    let _ = stage.on_ended(first, EndReason::Finished);
    let second = stage.follow_with(song(2), Playlist::ALL);
    stage.on_asked(second.ticket);
    let wrong = stage.switch_to(SongId(99), Duration::ZERO, Playlist::SINGLE, false);
    stage.on_asked(wrong.ticket);
    assert_eq!(stage.on_ended(second.ticket, EndReason::Replaced), Ending::Fine);
    let _ = stage.on_refused(wrong.ticket);
    let asks: Vec<_> = stage.unasked(|_| None).iter().map(|ask| (ask.ticket, ask.start)).collect();
    assert_eq!(asks, [(second.ticket, Start::Time(0))]);
    assert_eq!(stage.on_ended(second.ticket, EndReason::Failed), Ending::Early(SongId(2)));
    assert_eq!(stage.upcoming(), Search::step(Playlist::ALL, SongId(2), Direction::Next));
}

#[test]
fn a_song_that_starts_takes_the_place_of_those_asked_for_before_it() {
    let mut stage = Stage::default();
    let first = stage.switch_to(SongId(1), Duration::ZERO, Playlist::SINGLE, false);
    let second = stage.switch_to(SongId(2), Duration::ZERO, Playlist::SINGLE, false);
    stage.on_started(second.ticket, started(SongId(2)));
    assert_eq!((stage.heard_number(), stage.is_switching()), (Some(2), false));
    assert_eq!(stage.on_ended(first.ticket, EndReason::Replaced), Ending::Fine);
}

#[test]
fn a_song_that_ends_before_it_starts_is_a_fault_unless_another_was_asked_for() {
    let mut stage = Stage::default();
    let first = stage.switch_to(SongId(1), Duration::ZERO, Playlist::SINGLE, false);
    let second = stage.switch_to(SongId(2), Duration::ZERO, Playlist::SINGLE, false);
    assert_eq!(stage.on_ended(first.ticket, EndReason::Replaced), Ending::Fine);
    assert_eq!(stage.on_ended(second.ticket, EndReason::Replaced), Ending::Early(SongId(2)));
    assert!(stage.is_empty());
}

#[test]
fn what_cannot_be_resumed_is_as_long_as_it_is() {
    let mut stage = Stage::default();
    let ticket = stage.play(1, Playlist::SINGLE);
    stage.on_disconnected();
    assert_eq!(stage.on_refused(ticket).map(|wish| wish.song), Some(SongId(1)));
    assert_eq!((stage.heard_number(), stage.needs_server()), (Some(1), false));
}

#[test]
fn tickets_are_never_used_twice() {
    let mut stage = Stage::default();
    let first = stage.play(1, Playlist::SINGLE);
    stage.clear();
    assert_ne!(stage.play(1, Playlist::SINGLE), first);
}

#[test]
fn a_pause_holds_for_whichever_song_starts() {
    let mut stage = Stage::default();
    stage.play(1, Playlist::SINGLE);
    let next = stage.switch_to(SongId(3), Duration::ZERO, Playlist::SINGLE, false);
    let wrong = stage.switch_to(SongId(9_999), Duration::ZERO, Playlist::SINGLE, false);
    stage.keep_pause();
    stage.on_refused(wrong.ticket);
    stage.on_started(next.ticket, started(SongId(3)));
    assert_eq!(stage.heard().map(|song| (song.song, song.keeps_pause)), Some((SongId(3), true)));
}

#[test]
fn a_seek_asks_for_the_same_music() {
    let mut stage = Stage::default();
    assert!(stage.seek(Duration::ZERO).is_none());
    let first = stage.switch_to(SongId(1), Duration::ZERO, Playlist::SINGLE, false);
    let early = stage.seek(Duration::from_secs(5)).expect("a song is meant");
    assert_eq!((early.song, early.content_tag), (SongId(1), 0), "nothing is known of it");
    stage.on_started(first.ticket, started(SongId(1)));
    stage.on_refused(early.ticket);
    for seconds in [20, 40] {
        let ask = stage.seek(Duration::from_secs(seconds)).expect("a song is meant");
        assert_eq!((ask.song, ask.content_tag, ask.start), (SongId(1), 7, Start::Time(seconds * 1_000)));
    }
}
