//! Library order, and songs found by words.

use trill_proto::message::{Group, Search};

use super::*;

/// Where a page begins: at a song, or at a rank.
type Start = (u32, u32);

const BEGIN: Start = (0, 0);

/// A song with these tags and no audio.
fn song(artist: &str, album: &str, title: &str) -> Vec<u8> {
    let mut tag = id3::Tag::new();
    id3::TagLike::set_artist(&mut tag, artist);
    id3::TagLike::set_album(&mut tag, album);
    id3::TagLike::set_title(&mut tag, title);
    let mut bytes = Vec::new();
    id3::Encoder::new().version(id3::Version::Id3v24).encode(&tag, &mut bytes).unwrap();
    bytes
}

fn read(directory: &TempDir) -> Arc<Library> {
    let library = open(directory.path());
    assert!(library.wait_until_read_for(DEADLINE));
    library
}

/// Ids on the page that a search gives, the id of the next one, and how many there are in all.
fn search(library: &Library, query: &str, (first, rank): Start, at_most: usize) -> (Vec<u32>, Option<u32>, u32) {
    let page = library.search(&Search { query, rank, ..Search::default() }, SongId(first), at_most);
    (page.songs().map(|song| song.id.0).collect(), page.next.map(|id| id.0), page.total)
}

fn some_music() -> TempDir {
    directory(&[
        ("Björk/1997 Homogenic/1 Hunter.mp3", &song("Björk", "Homogenic", "Hunter")),
        ("Björk/1997 Homogenic/2 Jóga.mp3", &song("Björk", "Homogenic", "Jóga")),
        ("Davis/Kind of Blue/1.mp3", &song("Miles Davis", "Kind of Blue", "So What")),
        ("Davis/Kind of Blue/10.mp3", &song("Miles Davis", "Kind of Blue", "Ten")),
        ("Davis/Kind of Blue/2.mp3", &song("Miles Davis", "Kind of Blue", "Freddie Freeloader")),
        ("untitled hunt.mp3", b""),
    ])
}

#[test]
fn songs_are_numbered_and_listed_in_library_order() {
    let names = ["10.mp3", "2.mp3", "a/10.mp3", "a/9.mp3", "B/x.mp3", "c.mp3", "Á/1.mp3", "À.mp3"];
    let music = directory(&names.map(|name| (name, b"".as_slice())));
    let library = read(&music);
    let paths = |library: &Library| {
        let songs = library.listed().in_library_order().to_vec();
        songs.iter().map(|song| (song.id.0, song.path.to_path_buf().display().to_string())).collect::<Vec<_>>()
    };
    let order = ["2.mp3", "10.mp3", "a/9.mp3", "a/10.mp3", "Á/1.mp3", "À.mp3", "B/x.mp3", "c.mp3"];
    assert_eq!(paths(&library), (1..).zip(order.map(str::to_owned)).collect::<Vec<_>>());
    write(&music, "5.mp3", b"");
    write(&music, "3.mp3", b"");
    library.refresh();
    assert_eq!(
        paths(&library)[..4],
        [(1, "2.mp3"), (9, "3.mp3"), (10, "5.mp3"), (2, "10.mp3")].map(|(id, path)| (id, path.into()))
    );
    assert_eq!(search(&library, "", BEGIN, 3), (vec![1, 9, 10], Some(2), 10));
    let by_id: Vec<_> = library.page(SongId(1), 20).songs().map(|song| song.id.0).collect();
    assert_eq!(by_id, (1..=10).collect::<Vec<_>>());
}

#[test]
fn every_word_must_occur_in_a_text_or_the_path() {
    let library = read(&some_music());
    for (query, expected) in [
        ("bjork", vec![1, 2]),
        ("BJÖRK joga", vec![2]),
        ("joga homo bjo", vec![2]),
        ("blue", vec![3, 4, 5]),
        ("davis what", vec![3]),
        ("1997", vec![1, 2]),
        ("hunt", vec![1, 6]),
        ("miles bjork", vec![]),
        ("hunter homogenic bjork davis", vec![]),
        (&"\u{fdfa}".repeat(42), vec![]), // each becomes four words
        ("mp3", vec![]),
        ("  ", vec![1, 2, 3, 4, 5, 6]),
    ] {
        let total = expected.len() as u32;
        assert_eq!(search(&library, query, BEGIN, 100), (expected, None, total), "{query}");
    }
}

#[test]
fn albums_and_artists_are_listed_by_their_first_songs() {
    let library = read(&directory(&[
        ("a/1.mp3", &song("Can", "Ege Bamyasi", "")),
        ("a/2.mp3", &song("Can", "ege bamyasi", "")),
        ("b/1.mp3", &song("Can", "Tago Mago", "")),
        ("c/1.mp3", &song("Cán", "", "")),
        ("c/2.mp3", &song("", "Tago Mago", "")),
        ("d/e/3.mp3", b""),
    ]));
    let groups = |query, group, (first, rank): Start, at_most| {
        let search = Search { query, rank, group: Some(group), ..Search::default() };
        let page = library.search(&search, SongId(first), at_most);
        let groups: Vec<_> =
            page.songs().map(|song| (song.id.0, song.group.map(|of| (of.songs, of.rank)).unwrap())).collect();
        (groups, page.next.map(|id| id.0), page.total)
    };
    let albums = vec![(1, (2, 0)), (3, (1, 2)), (5, (1, 4)), (6, (1, 5))];
    assert_eq!(groups("", Group::Album, BEGIN, 9), (albums.clone(), None, 4));
    assert_eq!(groups("", Group::Album, BEGIN, 2), (albums[..2].to_vec(), Some(5), 4));
    assert_eq!(groups("", Group::Album, (5, 0), 1), (albums[2..3].to_vec(), Some(6), 4));
    assert_eq!(groups("", Group::Album, (0, 3), 9), (albums[3..].to_vec(), None, 4));
    assert_eq!(groups("", Group::Artist, BEGIN, 9), (vec![(1, (4, 0)), (6, (1, 5))], None, 2));
    assert_eq!(groups("tago", Group::Artist, BEGIN, 9), (vec![(3, (1, 0))], None, 1));
}

#[test]
fn a_page_of_groups_begins_with_the_group_of_its_first_song() {
    let of = |album| song("Can", album, "");
    let music = directory(&[("b/1.mp3", &of("One")), ("c/1.mp3", &of("Two")), ("d/1.mp3", &of("One"))]);
    let library = read(&music);
    let albums = Search { group: Some(Group::Album), ..Search::default() };
    let ids = |first, at_most| {
        let page = library.search(&albums, SongId(first), at_most);
        (page.songs().map(|song| song.id.0).collect::<Vec<_>>(), page.next.map(|id| id.0))
    };
    assert_eq!(ids(0, 1), (vec![1], Some(2)));
    assert_eq!(ids(3, 9), (vec![1, 2], None), "song 3 is in the first album");
    // Another song becomes the first of the album that comes next.
    write(&music, "a/1.mp3", &of("Two"));
    library.refresh();
    assert!(library.wait_until_read_for(DEADLINE));
    assert_eq!(ids(2, 9), (vec![4, 1], None), "none is skipped");
}

#[test]
fn what_is_told_besides_the_listing_is_found_too() {
    let mut tag = id3::Tag::new();
    id3::TagLike::set_album_artist(&mut tag, "Various");
    id3::TagLike::set_genre(&mut tag, "Jazz");
    id3::TagLike::set_disc(&mut tag, 2);
    id3::TagLike::set_text(&mut tag, "TDRC", "1959");
    let mut bytes = Vec::new();
    id3::Encoder::new().version(id3::Version::Id3v24).encode(&tag, &mut bytes).unwrap();
    let library = read(&directory(&[("Ärzte/x/1.mp3", &bytes), ("Ärzte/2.mp3", b"")]));
    let details = library.song_details(SongId(2)).unwrap();
    assert_eq!((details.album_artist.as_str(), details.genre.as_str()), ("Various", "Jazz"));
    assert_eq!((details.path.as_str(), details.year, details.disc), ("Ärzte/x/1.mp3", 1959, 2));
    for (query, expected) in [("various", vec![2]), ("jazz 1959", vec![2]), ("arzte", vec![1, 2])] {
        assert_eq!(search(&library, query, BEGIN, 9).0, expected, "{query}");
    }
    let shown: Vec<_> = library.page(SongId(1), 9).songs().map(|song| [song.artist, song.album]).collect();
    assert_eq!(shown, [["Ärzte", ""], ["Ärzte", "x"]], "the folders stand in for artist and album");
}

#[test]
fn a_page_begins_at_a_song_or_a_rank() {
    let music = some_music();
    let library = read(&music);
    assert_eq!(search(&library, "davis", BEGIN, 2), (vec![3, 4], Some(5), 3));
    assert_eq!(search(&library, "davis", (5, 2), 2), (vec![5], None, 3));
    assert_eq!(search(&library, "davis", (0, 1), 1), (vec![4], Some(5), 3));
    assert_eq!(search(&library, "davis", (0, 3), 1), (vec![], None, 3));
    assert_eq!(search(&library, "davis", (4, 9), 0), (vec![], Some(4), 3));
    fs::remove_file(music.path().join("Davis/Kind of Blue/2.mp3")).unwrap();
    library.refresh();
    assert_eq!(search(&library, "davis", (5, 1), 2), (vec![5], None, 2), "4 was 2.mp3 and is gone");
    assert_eq!(search(&library, "davis", (4, 1), 2), (vec![5], None, 2), "so the rank counts");
}

/// Like [`search`], with the rank of the first song.
fn found(library: &Library, search: Search<'_>, at_most: usize) -> (Option<u32>, Vec<u32>, Option<u32>, u32) {
    let page = library.search(&search, SongId(0), at_most);
    let songs: Vec<_> = page.songs().collect();
    let first = songs.first().and_then(|song| song.rank);
    assert!(songs.iter().zip(first.unwrap_or(0)..).all(|(song, rank)| song.rank == Some(rank)), "{songs:?}");
    (first, songs.iter().map(|song| song.id.0).collect(), page.next.map(|id| id.0), page.total)
}

#[test]
fn songs_have_their_ranks_among_what_is_found() {
    let library = read(&some_music());
    for (query, rank, expected) in [
        ("", 0, (Some(0), vec![1, 2], Some(3), 6)),
        ("", 4, (Some(4), vec![5, 6], None, 6)),
        ("", 9, (None, vec![], None, 6)),
        ("davis", 1, (Some(1), vec![4, 5], None, 3)),
    ] {
        let search = Search { query, rank, ..Search::default() };
        assert_eq!(found(&library, search, 2), expected, "{search:?}");
    }
    let from_song = |query, first| {
        let page = library.search(&Search { query, rank: 9, ..Search::default() }, SongId(first), 1);
        page.songs().map(|song| (song.id.0, song.rank)).collect::<Vec<_>>()
    };
    assert_eq!(from_song("", 3), [(3, Some(2))]);
    assert_eq!(from_song("davis", 2), [(3, Some(0))], "2 is not found, and 3 follows");
    let artists = Search { group: Some(Group::Artist), rank: 1, ..Search::default() };
    assert_eq!(found(&library, artists, 9), (Some(1), vec![3], None, 2));
}

#[test]
fn a_search_within_a_group_finds_only_its_songs() {
    let library = read(&directory(&[
        ("a/1.mp3", &song("Can", "Ege Bamyasi", "Pinch")),
        ("a/2.mp3", &song("CÁN", "ege bamyasi", "Vitamin C")),
        ("a/3.mp3", &song("Neu!", "Ege Bamyasi", "Hallogallo")),
        ("b/1.mp3", &song("Can", "Tago Mago", "Paperhouse")),
        ("b/2.mp3", &song("Can", "", "Spoon")),
        ("c/3.mp3", &song("Can", "Ege Bamyasi", "Spoon")),
        ("untitled.mp3", b""),
    ]));
    let (album, artist) = (|song| Some((Group::Album, SongId(song))), |song| Some((Group::Artist, SongId(song))));
    for (query, within, expected) in [
        ("", album(2), vec![1, 2, 6]),
        ("", album(3), vec![3]),
        ("spoon", album(1), vec![6]),
        ("", artist(6), vec![1, 2, 4, 5, 6]),
        ("mago", artist(1), vec![4]),
        ("", album(5), vec![]),
        ("", artist(7), vec![]),
        ("", album(8), vec![]),
        ("", album(0), vec![]),
    ] {
        let (first, total) = ((!expected.is_empty()).then_some(0), expected.len() as u32);
        let search = Search { query, within, ..Search::default() };
        assert_eq!(found(&library, search, 9), (first, expected, None, total), "{search:?}");
    }
    let albums = Search { within: artist(1), group: Some(Group::Album), ..Search::default() };
    assert_eq!(found(&library, albums, 9), (Some(0), vec![1, 4], None, 2));
    let third = Search { within: album(6), rank: 2, ..Search::default() };
    assert_eq!(found(&library, third, 1), (Some(2), vec![6], None, 3));
}

#[test]
fn a_search_for_numbers_finds_only_these_in_library_order() {
    let music = some_music();
    let library = read(&music);
    write(&music, "Davis/Kind of Blue/3.mp3", b"");
    library.refresh();
    let numbers = |first, last| Some((SongId(first), SongId(last)));
    for (query, numbers, expected) in [
        ("", numbers(2, 4), vec![2, 3, 4]),
        ("", numbers(5, 99), vec![7, 5, 6]),
        ("", numbers(4, 2), vec![]),
        ("davis", numbers(1, 4), vec![3, 4]),
    ] {
        let (first, total) = ((!expected.is_empty()).then_some(0), expected.len() as u32);
        let mut expected = expected;
        expected.sort_by_key(|id| [1, 2, 3, 4, 7, 5, 6].iter().position(|other| other == id));
        let search = Search { query, numbers, ..Search::default() };
        assert_eq!(found(&library, search, 9), (first, expected, None, total), "{search:?}");
    }
}

#[test]
fn the_best_match_has_the_title_that_was_asked_for() {
    let library = read(&directory(&[
        ("1.mp3", &song("Blue", "All Rise", "All")),
        ("2.mp3", &song("Abba", "x", "Blue Nature over all")),
        ("3.mp3", &song("Abba", "x", "Nature all blue")),
        ("4.mp3", &song("Abba", "x", "Sky so all Blue today")),
        ("5.mp3", &song("Abba", "x", "All blüe")),
        ("6.mp3", &song("Abba", "all blue", "ALL BLUE")),
        ("x/all.mp3", b""),
    ]));
    let best = |query, group| {
        let search = Search { query, group, is_best: true, rank: 3, ..Search::default() };
        found(&library, search, 9)
    };
    assert_eq!(best("all  BLUE", None), (Some(4), vec![5], None, 6), "the first of those with this title");
    assert_eq!(best("nature all", None), (Some(1), vec![3], None, 2), "then one whose title contains it");
    assert_eq!(best("all nature", None), (Some(0), vec![2], None, 2), "then one whose title has the words");
    assert_eq!(best("abba", None), (Some(0), vec![2], None, 5), "then the first");
    assert_eq!(best("all", None), (Some(0), vec![1], None, 7), "a file's name is a title");
    assert_eq!(best("x all", None), (Some(0), vec![2], None, 5));
    assert_eq!(best("", None), (Some(0), vec![1], None, 7));
    assert_eq!(best("nobody", None), (None, vec![], None, 0));
    assert_eq!(best("blue", Some(Group::Artist)), (Some(0), vec![1], None, 2));
    assert_eq!(best("all blue", Some(Group::Album)), (Some(2), vec![6], None, 3));
    let none = Search { query: "all", is_best: true, ..Search::default() };
    assert_eq!(found(&library, none, 0), (None, vec![], None, 7));
}
