//! Albums in random order.

use std::collections::BTreeSet;

use trill_player::command::{Repeat, Selection, Shuffle};
use trill_player::{Direction, NotPossible};
use trill_proto::ids::SongId;

use crate::world::World;

/// Albums of one to five songs, two songs without album, and one more album of 40 songs, more than a page has.
const ALBUMS: &[(u32, u32)] = &[(1, 1), (2, 3), (4, 6), (7, 10), (11, 15), (16, 16), (17, 17), (18, 57)];

const NAMES: &[&str] = &["one", "two", "three", "four", "five", "", "", "forty"];

fn album_index(song: u32) -> usize {
    ALBUMS.iter().position(|(first, last)| (first..=last).contains(&&song)).expect("it is in the library")
}

fn songs(album: usize) -> Vec<u32> {
    let (first, last) = ALBUMS[album];
    (first..=last).collect()
}

/// A player whose queue is this selection, with albums shuffled.
fn playing(selection: Selection<'static>) -> World {
    let mut world = with_albums();
    world.player.set_shuffle(Shuffle::Albums);
    world.player.play(world.now, selection);
    world.serve();
    world
}

fn with_albums() -> World {
    let mut world = World::connected();
    world.library = (1..=57).collect();
    world.album_of = |song| NAMES[album_index(song)];
    world
}

/// The songs heard from the present one on, at most so many.
fn hear(world: &mut World, at_most: usize) -> Vec<u32> {
    let mut heard = Vec::new();
    while heard.len() < at_most
        && let Some(song) = world.heard()
    {
        heard.push(song);
        world.finish();
        world.serve();
    }
    heard
}

/// Steps back to the edge. Returns the songs after each step.
fn go_back(world: &mut World) -> Vec<u32> {
    let mut heard = Vec::new();
    loop {
        world.told.clear();
        let is_edge = matches!(world.player.step(world.now, Direction::Previous), Err(NotPossible::Edge(..)));
        world.serve();
        if is_edge || world.told.iter().any(|told| told.contains("edge")) {
            return heard;
        }
        heard.push(world.heard().expect("a song"));
    }
}

/// The albums of these songs. Each must be played whole and in order.
#[track_caller]
fn albums_of(heard: &[u32]) -> Vec<usize> {
    let mut albums = Vec::new();
    let mut rest = heard;
    while let Some(song) = rest.first() {
        let album = album_index(*song);
        let expected = songs(album);
        assert_eq!(rest.get(..expected.len()), Some(&expected[..]), "{heard:?}");
        albums.push(album);
        rest = &rest[expected.len()..];
    }
    albums
}

#[track_caller]
fn check_each_once(albums: &[usize]) {
    assert_eq!(albums.len(), ALBUMS.len(), "{albums:?}");
    assert_eq!(albums.iter().collect::<BTreeSet<_>>().len(), ALBUMS.len(), "{albums:?}");
}

#[test]
fn each_album_plays_once_in_order_and_previous_goes_back_the_same_way() {
    let mut world = playing(Selection::All);
    let heard = hear(&mut world, 99);
    let albums = albums_of(&heard);
    check_each_once(&albums);
    assert!(!albums.is_sorted(), "{albums:?}");
    assert!(world.player.is_silent());

    let place = world.player.queue().present().expect("the last song");
    world.player.jump(world.now, place).expect("it is there");
    world.serve();
    // Back through the last album, then from the first song of each to the first song of the one before.
    let last = *albums.last().expect("an album");
    let within = songs(last).into_iter().rev().skip(1);
    let before = albums.iter().rev().skip(1).map(|album| ALBUMS[*album].0);
    assert_eq!(go_back(&mut world), within.chain(before).collect::<Vec<_>>());
}

#[test]
fn each_round_has_another_order_of_albums() {
    let mut world = playing(Selection::All);
    world.player.set_repeat(Repeat::All);
    world.serve();
    let rounds = [(); 3].map(|()| {
        let albums = albums_of(&hear(&mut world, 57));
        check_each_once(&albums);
        albums
    });
    assert!(rounds[0] != rounds[1] || rounds[1] != rounds[2], "{rounds:?}");
}

#[test]
fn a_round_that_begins_inside_an_album_begins_with_that_album() {
    let mut world = with_albums();
    world.hear_range(1, 57);
    world.serve();
    world.player.jump(world.now, 8).expect("it is there");
    world.serve();
    world.player.set_shuffle(Shuffle::Albums);
    world.serve();
    let heard = hear(&mut world, 99);
    assert_eq!(heard[..3], [8, 9, 10]);
    let albums = albums_of(&[&[7], &heard[..]].concat());
    check_each_once(&albums);
}

#[test]
fn songs_up_next_and_songs_added_do_not_divide_an_album() {
    let mut world = playing(Selection::Range { first: SongId(1), last: SongId(15) });
    let begin = world.heard().expect("a song");
    while album_index(world.heard().expect("a song")) != 3 {
        hear(&mut world, 1);
    }
    world.player.play_next(Selection::Range { first: SongId(16), last: SongId(17) }).expect("room");
    world.player.add(Selection::Range { first: SongId(18), last: SongId(57) }).expect("room");
    world.serve();
    let heard = hear(&mut world, 99);
    assert_eq!(heard[..6], [7, 16, 17, 8, 9, 10], "from {begin}");
    assert_eq!(heard[heard.len() - 40..], songs(7));
    albums_of(&heard[6..]);
}

#[test]
fn a_queue_of_albums_asks_only_for_their_songs() {
    let mut world = with_albums();
    let album = |album: usize| Selection::AlbumOf { album: SongId(ALBUMS[album].0), from: None };
    world.player.set_shuffle(Shuffle::Albums);
    world.player.play(world.now, album(1));
    world.serve();
    for index in [2, 4] {
        world.player.add(album(index)).expect("room");
        world.serve();
    }
    world.player.set_shuffle(Shuffle::Albums);
    world.serve();
    let heard = hear(&mut world, 99);
    let albums = albums_of(&heard);
    assert_eq!((albums[0], albums.len(), albums.iter().collect::<BTreeSet<_>>().len()), (1, 3, 3));
}

#[test]
fn a_follower_that_was_found_stays_unless_the_queue_no_longer_allows_it() {
    let mut world = playing(Selection::AlbumOf { album: SongId(7), from: None });
    assert_eq!((world.heard(), world.player.is_followed()), (Some(7), true));
    world.player.add(Selection::AlbumOf { album: SongId(2), from: None }).expect("room");
    world.exchange();
    world.answer("LIST at 0, 1", &[2], Some(3));
    world.check_asked(&[]);
    assert!(world.player.is_followed());
    world.player.set_repeat(Repeat::One);
    world.check_asked(&["PLAY 7 at 0 ms"]);
    world.player.set_repeat(Repeat::Off);
    world.serve();
    world.player.set_stop_after(true).expect("it plays");
    assert!(!world.player.is_followed());
}

#[test]
fn to_remove_the_present_song_goes_on_in_its_album() {
    let mut world = playing(Selection::All);
    while album_index(world.heard().expect("a song")) != 4 {
        hear(&mut world, 1);
    }
    let place = world.player.queue().present().expect("a song");
    world.player.remove(world.now, place, place).expect("it is there");
    world.serve();
    assert_eq!(world.heard(), Some(12));
}

#[test]
fn steps_go_on_from_the_song_that_is_looked_for() {
    let mut world = playing(Selection::Range { first: SongId(7), last: SongId(15) });
    let first = world.heard().expect("a song");
    for _ in 0..3 {
        world.player.step(world.now, Direction::Next).expect("there are more");
    }
    world.serve();
    assert_eq!(world.heard(), Some(first + 3));
}

#[test]
fn what_is_added_to_an_empty_queue_begins_with_an_album() {
    let mut world = with_albums();
    world.player.set_shuffle(Shuffle::Albums);
    world.player.add(Selection::Range { first: SongId(1), last: SongId(57) }).expect("room");
    world.serve();
    check_each_once(&albums_of(&hear(&mut world, 99)));
}

#[test]
fn an_album_of_many_songs_is_not_searched_for_ever() {
    let mut world = with_albums();
    world.library = (1..=500).collect();
    world.album_of = |_| "all";
    world.player.set_shuffle(Shuffle::Albums);
    world.player.play(world.now, Selection::All);
    world.serve();
    assert_eq!(world.heard(), Some(1));
    assert_eq!(hear(&mut world, 600), (1..=500).collect::<Vec<_>>());
}
