//! Songs that match words, in library order.

use super::{DEADLINE, ids};
use std::fs;
use trill_proto::ids::SongId;
use trill_proto::message::{Group, Search, SongGroup};
use trill_tests::corpus::{self, MusicDir, Song};
use trill_tests::server::ServerProcess;
use trill_tests::session::{Page, Session};
use trill_tests::wait;

const SHORT: Song = corpus::CBR_128.milliseconds(500);

/// A search for all songs.
const ALL: Search<'_> = Search { query: "", rank: 0, group: None, within: None, numbers: None, is_best: false };

fn page(session: &mut Session, search: Search<'static>, first: u32, at_most: u32) -> Page {
    let request = session.request_search(search, first, at_most);
    session.page(request)
}

fn music(names: &[&str]) -> MusicDir {
    let music = MusicDir::new();
    for name in names {
        music.add(name, &SHORT);
    }
    music
}

#[test]
fn a_search_goes_on_where_it_was_while_the_library_changes() {
    let music = music(&["Björk/2.mp3", "Björk/10.mp3", "Björk/1.mp3", "Can/1.mp3"]);
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    let bjork = |rank| Search { query: "BJORK", rank, ..ALL };
    let first = page(&mut session, bjork(0), 0, 1);
    assert_eq!((ids(&first.songs), first.next, first.total), (vec![1], Some(2), 3));
    assert_eq!(first.songs[0].title, "1");
    let all = page(&mut session, ALL, 0, 100);
    assert_eq!((ids(&all.songs), all.next, all.total), (vec![1, 2, 3, 4], None, 4));

    // A new song appears in its place; a removed one is skipped.
    music.add("Björk/1b.mp3", &SHORT.seed(5));
    wait::wait_for(DEADLINE, "the new song", || page(&mut session, bjork(0), 0, 0).total == 4);
    let rest = page(&mut session, bjork(1), 2, 100);
    assert_eq!((ids(&rest.songs), rest.next, rest.total), (vec![2, 3], None, 4));
    assert_eq!(rest.songs[0].rank, Some(2), "its rank has changed");
    assert_eq!(ids(&page(&mut session, bjork(1), 0, 1).songs), [5]);
    fs::remove_file(music.path().join("Björk/2.mp3")).expect("it is there");
    wait::wait_for(DEADLINE, "the song to go", || page(&mut session, bjork(0), 0, 0).total == 3);
    let rest = page(&mut session, bjork(2), 2, 100);
    assert_eq!((ids(&rest.songs), rest.next, rest.total), (vec![3], None, 3));
}

#[test]
fn every_song_is_reached_by_its_rank_while_songs_come_and_go() {
    const SONGS: u32 = 40;
    let names: Vec<_> = (0..SONGS).map(|song| format!("{:02}/{}.mp3", song / 4, song % 4)).collect();
    let music = music(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    assert_eq!(session.list_measured().len(), SONGS as usize);
    let (mut next, mut rank, mut seen) = (0, 0, Vec::new());
    loop {
        let page = page(&mut session, Search { rank, ..ALL }, next, 1);
        seen.extend(ids(&page.songs));
        let Some(after) = page.next else { break };
        (next, rank) = (after, page.songs[0].rank.expect("a search") + 1);
        // A song before this place comes, and the song that should come next goes.
        if seen.len() == 10 {
            music.add("00/new.mp3", &SHORT);
            fs::remove_file(music.path().join(&names[after as usize - 1])).expect("it is there");
            let is_new = |ids: &[u32]| ids.contains(&(SONGS + 1)) && !ids.contains(&after);
            wait::wait_for(DEADLINE, "the changes", || is_new(&ids(&session.list())));
        }
    }
    // The rank counts for a song that is gone: the place is one off, so a song is seen twice and none is missed.
    let expected: Vec<_> = (1..=10).chain([10]).chain(12..=SONGS).collect();
    assert_eq!(seen, expected);
}

#[test]
fn folders_stand_for_the_albums_and_artists_of_songs_without_tags() {
    let music = music(&[
        "Can/Ege Bamyasi/1 Pinch.mp3",
        "Can/Ege Bamyasi/2 Vitamin C.mp3",
        "Can/Tago Mago/1 Paperhouse.mp3",
        "CÁN/Tago Mago/2 Mushroom.mp3",
        "Neu!/1 Hallogallo.mp3",
        "loose.mp3",
    ]);
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    session.list_measured();
    let groups = |page: &Page| {
        let group = |group: SongGroup| (group.songs, group.rank);
        page.songs.iter().map(|song| (song.id, song.group.map(group).expect("a group"))).collect::<Vec<_>>()
    };
    let albums = Search { group: Some(Group::Album), ..ALL };
    let first = page(&mut session, albums, 0, 1);
    assert_eq!((groups(&first), first.next, first.total), (vec![(1, (2, 0))], Some(3), 2));
    let second = page(&mut session, Search { rank: 1, ..albums }, 3, 1);
    assert_eq!((groups(&second), second.next, second.total), (vec![(3, (2, 2))], None, 2));
    assert_eq!((second.songs[0].album.as_str(), second.songs[0].rank), ("Tago Mago", Some(1)));
    let artists = page(&mut session, Search { group: Some(Group::Artist), ..ALL }, 0, 9);
    assert_eq!(groups(&artists), [(1, (4, 0)), (6, (1, 5))]);
    let found = page(&mut session, Search { query: "vitamin", group: Some(Group::Artist), ..ALL }, 0, 9);
    assert_eq!(groups(&found), [(2, (1, 0))], "only the songs that are found count");
}

#[test]
fn a_player_steps_through_an_album_an_artist_or_a_range_by_rank() {
    let music = music(&["A/x/1.mp3", "A/x/2.mp3", "A/y/1.mp3", "B/x/1.mp3", "loose.mp3"]);
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    session.list_measured();
    let song = SongId;
    for (source, expected) in [
        (ALL, vec![1, 2, 3, 4, 5]),
        (Search { within: Some((Group::Album, song(2))), ..ALL }, vec![1, 2]),
        (Search { within: Some((Group::Artist, song(3))), ..ALL }, vec![1, 2, 3]),
        (Search { within: Some((Group::Artist, song(5))), ..ALL }, vec![]),
        (Search { within: Some((Group::Album, song(9))), ..ALL }, vec![]),
        (Search { numbers: Some((song(2), song(4))), ..ALL }, vec![2, 3, 4]),
        (Search { numbers: Some((song(2), song(4))), within: Some((Group::Artist, song(1))), ..ALL }, vec![2, 3]),
        (Search { numbers: Some((song(4), song(2))), ..ALL }, vec![]),
    ] {
        let total = expected.len() as u32;
        for rank in 0..=total {
            let page = page(&mut session, Search { rank, ..source }, 0, 1);
            let rest = &expected[rank as usize..];
            assert_eq!((ids(&page.songs), page.total), (rest.iter().take(1).copied().collect(), total), "{source:?}");
            assert_eq!(page.next, rest.get(1).copied(), "{source:?}");
        }
        for (rank, id) in (0..).zip(expected) {
            assert_eq!(page(&mut session, source, id, 1).songs[0].rank, Some(rank), "song {id} of {source:?}");
        }
    }
}

#[test]
fn the_best_match_is_one_song_or_group_and_all_matches_are_counted() {
    let music =
        music(&["A/Sun/1.mp3", "A/A Sun/1.mp3", "Sun/z/end.mp3", "Sun/z/Here Comes the Sun.mp3", "Sun/z/Sun.mp3"]);
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    session.list_measured();
    for (query, group, at_most, expected) in [
        ("sun", None, 9, (vec![5], Some(4), 5)),
        ("  SUN comes ", None, 9, (vec![4], Some(0), 1)),
        ("sun end", None, 1, (vec![3], Some(0), 1)),
        ("a", None, 1, (vec![1], Some(0), 2)),
        ("sun", None, 0, (vec![], None, 5)),
        ("moon", None, 1, (vec![], None, 0)),
        ("sun", Some(Group::Album), 1, (vec![2], Some(1), 3)),
        ("sun", Some(Group::Artist), 1, (vec![3], Some(1), 2)),
    ] {
        let page = page(&mut session, Search { query, group, is_best: true, ..ALL }, 0, at_most);
        let rank = page.songs.first().and_then(|song| song.rank);
        assert_eq!((ids(&page.songs), rank, page.total), expected, "{query:?} {group:?}");
        assert_eq!(page.next, None, "{query:?} {group:?}");
    }
}
