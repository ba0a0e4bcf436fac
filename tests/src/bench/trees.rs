//! Large libraries for lists and scans, made once and kept in the target directory.
//!
//! Artists have ten albums of ten songs, and every album is a folder. Like most real files, each has its own tag with
//! title, artist, album and track, followed by LAME's output with an information frame.

use crate::binaries;
use crate::corpus::tags::Tags;
use crate::corpus::{CBR_320, MONO_22050, Song};
use id3::Version;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Part of the trees' names. Increment it when the generation changes.
const GENERATION: u32 = 1;

/// Minimum age of a library. File time stamps have a resolution of up to two seconds. So for a list the server checks
/// every file in a directory that has just changed.
const AGE: Duration = Duration::from_secs(5);

const SONGS_OF_ALBUM: usize = 10;
const ALBUMS_OF_ARTIST: usize = 10;

/// 0.3 s of music: the smallest normal file, 4 KiB on most disks.
const SMALL: Song = MONO_22050.milliseconds(300);

/// 5 MB of music.
const LARGE: Song = CBR_320.milliseconds(131_000);

/// Number of distinct 5 MB files; the rest are hard links. Ten thousand files would need 50 GB.
pub const LARGE_FILES: usize = 100;

/// A directory with `count` separate songs of 0.3 s.
///
/// # Panics
/// It cannot be made.
pub fn small(count: usize) -> PathBuf {
    get_or_make(&format!("small-{count}"), |directory| {
        let audio = audio_of(&SMALL)?;
        place(directory, count, |index, path| fs::write(path, [&tag(index), audio.as_slice()].concat()))
    })
}

/// A directory with `count` songs of 5 MB: hard links to [`LARGE_FILES`] files, in turn.
///
/// # Panics
/// It cannot be made.
pub fn large(count: usize) -> PathBuf {
    get_or_make(&format!("large-{count}"), |directory| {
        let audio = audio_of(&LARGE)?;
        let path_of = |index| directory.join(place_of(index));
        place(directory, count, |index, path| match index.checked_sub(LARGE_FILES) {
            None => fs::write(path, [&tag(index), audio.as_slice()].concat()),
            Some(_) => fs::hard_link(path_of(index % LARGE_FILES), path),
        })
    })
}

/// The tree of this name. It is renamed into place when complete, so an interrupted one is made again.
fn get_or_make(name: &str, make: impl FnOnce(&Path) -> io::Result<()>) -> PathBuf {
    let parent = binaries::target_dir().join("trill-bench");
    let path = parent.join(format!("{name}-{GENERATION}"));
    if path.exists() {
        return path;
    }
    eprintln!("making {} …", path.display());
    let partial = parent.join(format!("{name}.partial"));
    let made = match fs::remove_dir_all(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(&partial).and_then(|()| make(&partial)).and_then(|()| fs::rename(&partial, &path)),
    };
    match made {
        Ok(()) => {
            thread::sleep(AGE);
            path
        }
        Err(error) => panic!("making {}: {error}", path.display()),
    }
}

/// Calls `put` with the index and path of each song.
fn place(directory: &Path, count: usize, put: impl Fn(usize, &Path) -> io::Result<()>) -> io::Result<()> {
    for index in 0..count {
        let path = directory.join(place_of(index));
        if index % SONGS_OF_ALBUM == 0 {
            fs::create_dir_all(path.parent().expect("a song is in a folder"))?;
        }
        put(index, &path)?;
    }
    Ok(())
}

fn audio_of(song: &Song) -> io::Result<Vec<u8>> {
    fs::read(song.make())
}

/// The path of a song in its tree. Paths sort by number.
fn place_of(index: usize) -> String {
    let (album, track) = (index / SONGS_OF_ALBUM, index % SONGS_OF_ALBUM + 1);
    let (artist, album) = (album / ALBUMS_OF_ARTIST, album % ALBUMS_OF_ARTIST);
    format!("Artist {artist:04}/Album {album}/{track:02} Song {index:06}.mp3")
}

/// The title of a song.
pub fn title(index: usize) -> String {
    format!("Song {index:06}")
}

fn tag(index: usize) -> Vec<u8> {
    let album = index / SONGS_OF_ALBUM;
    let (title, artist) = (title(index), format!("Artist {:04}", album / ALBUMS_OF_ARTIST));
    let album = format!("Album {} of {artist}", album % ALBUMS_OF_ARTIST);
    let track = (index % SONGS_OF_ALBUM + 1) as u32;
    Tags { title: &title, artist: &artist, album: &album, track }.id3v2(Version::Id3v23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_paths_is_that_of_the_numbers() {
        assert_eq!(place_of(12_345), "Artist 0123/Album 4/06 Song 012345.mp3");
        let paths: Vec<String> = (0..100_000).map(place_of).collect();
        assert!(paths.is_sorted());
    }

    #[test]
    fn a_small_song_fits_into_a_block_and_a_large_one_has_five_megabytes() {
        let bytes = |song: &Song| tag(0).len() + audio_of(song).expect("a song that was just made").len();
        assert!((2_000..=4_096).contains(&bytes(&SMALL)), "{}", bytes(&SMALL));
        assert!((5_000_000..5_500_000).contains(&bytes(&LARGE)), "{}", bytes(&LARGE));
    }
}
