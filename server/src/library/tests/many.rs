//! A large library. The times are printed, not asserted: they are the machine's as much as ours.

use std::time::Instant;

use super::*;

const ARTISTS: usize = 100;
const SONGS: usize = 100;

#[test]
fn ten_thousand_songs_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    for artist in 0..ARTISTS {
        let folder = directory.path().join(format!("artist {artist:02}"));
        fs::create_dir(&folder).unwrap();
        for song in 0..SONGS {
            fs::write(folder.join(format!("song {song:02}.mp3")), title(&format!("{artist}/{song}"))).unwrap();
        }
    }
    let start = Instant::now();
    let library = open(directory.path());
    println!("first scan: {:?}", start.elapsed());
    library.wait_until_read_for(DEADLINE);
    println!("tags and durations: {:?}", start.elapsed());

    let (mut next, mut listed) = (Some(SongId(1)), 0);
    while let Some(first) = next {
        let page = library.page(first, 300);
        for song in page.songs() {
            assert_eq!(song.id.0, listed + 1);
            assert_eq!(song.title, format!("{}/{}", listed as usize / SONGS, listed as usize % SONGS));
            listed += 1;
        }
        next = page.next;
    }
    assert_eq!(listed as usize, ARTISTS * SONGS);

    let start = Instant::now();
    library.refresh();
    println!("another scan: {:?}", start.elapsed());
    write(&directory, "artist 50/another.mp3", b"");
    fs::remove_file(directory.path().join("artist 99/song 99.mp3")).unwrap();
    library.refresh();
    let last: Vec<_> = library.page(SongId(10_000), 10).songs().collect();
    assert_eq!(last.iter().map(|song| (song.id.0, song.title.as_str())).collect::<Vec<_>>(), [(10_001, "another")]);
}
