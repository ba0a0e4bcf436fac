//! Answers for other programs: one JSON object a line. `host-client/json.md` describes them.

use std::time::Duration;

use serde::Serialize;
use trill_player::command::Setting;

use super::status::Status;
use super::text::clean;
use crate::network::Song;

/// The status. Times are in seconds, with milliseconds as decimals.
#[derive(Serialize)]
struct StatusLine {
    /// A word, as `status` shows it.
    state: &'static str,
    /// The song's number.
    song: Option<u32>,
    title: Option<String>,
    artist: Option<String>,
    album: Option<String>,
    position: Option<f64>,
    duration: Option<f64>,
    /// The title of the song that follows.
    next: Option<String>,
    /// In percent.
    volume: u8,
    /// A keyword of the command of this name, as `shuffle` and `repeat` are.
    gain: &'static str,
    /// The song's place in the queue, from 1.
    place: Option<u32>,
    /// How many songs the queue has.
    songs: u32,
    shuffle: &'static str,
    repeat: &'static str,
    /// The music stops after this song.
    stops_after: bool,
    /// How long until the music ends.
    sleep: Option<f64>,
}

/// The status on one line.
pub fn status(status: &Status) -> String {
    let song = status.song.as_ref();
    line(&StatusLine {
        state: status.state.word(),
        song: song.map(|song| song.number),
        title: song.and_then(|song| known(&song.title)),
        artist: song.and_then(|song| known(&song.artist)),
        album: song.and_then(|song| known(&song.album)),
        position: song.map(|song| seconds(song.position)),
        duration: song.and_then(|song| song.duration).map(seconds),
        next: known(&status.next).filter(|_| !status.queue.stops_after),
        volume: status.volume_percent,
        gain: status.gain.keyword(),
        place: status.queue.place,
        songs: status.queue.songs,
        shuffle: status.queue.shuffle.keyword(),
        repeat: status.queue.repeat.keyword(),
        stops_after: status.queue.stops_after,
        sleep: status.sleep.map(seconds),
    })
}

/// A song. What is unknown is null.
#[derive(Serialize)]
struct SongLine {
    /// Its place in the queue, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<u32>,
    song: u32,
    title: Option<String>,
    artist: Option<String>,
    album: Option<String>,
    duration: Option<f64>,
    #[serde(flatten)]
    details: Option<Details>,
}

/// What only `info` tells.
#[derive(Serialize)]
struct Details {
    album_artist: Option<String>,
    genre: Option<String>,
    year: Option<u16>,
    disc: Option<u16>,
    track: Option<u16>,
    /// In decibels.
    track_gain: Option<f64>,
    album_gain: Option<f64>,
    bitrate: Option<u32>,
    rate: Option<u32>,
    channels: Option<u8>,
    bytes: u64,
    path: Option<String>,
}

/// An album or an artist.
#[derive(Serialize)]
struct GroupLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    album: Option<String>,
    artist: Option<String>,
    songs: u32,
}

/// A song of a list on one line.
pub fn listed(song: &Song) -> String {
    line(&song_line(song, None, None))
}

/// A song of the queue on one line, with its place.
pub fn queued(place: u32, song: &Song) -> String {
    line(&song_line(song, Some(place), None))
}

/// An album of a list on one line.
pub fn album(song: &Song) -> String {
    let album = Some(clean(&song.album));
    line(&GroupLine { album, artist: known(&song.artist), songs: songs(song) })
}

/// An artist of a list on one line.
pub fn artist(song: &Song) -> String {
    line(&GroupLine { album: None, artist: known(&song.artist), songs: songs(song) })
}

/// All that is known about a song, on one line.
pub fn info(song: &Song) -> String {
    let decibels = |hundredths: Option<i16>| hundredths.map(|hundredths| f64::from(hundredths) / 100.0);
    let details = Details {
        album_artist: known(&song.album_artist),
        genre: known(&song.genre),
        year: not_zero(song.year),
        disc: not_zero(song.disc),
        track: not_zero(song.track),
        track_gain: decibels(song.gain.track),
        album_gain: decibels(song.gain.album),
        bitrate: not_zero(song.bitrate),
        rate: not_zero(song.rate),
        channels: not_zero(song.channels),
        bytes: song.size_bytes,
        path: known(&song.path),
    };
    line(&song_line(song, None, Some(details)))
}

fn song_line(song: &Song, place: Option<u32>, details: Option<Details>) -> SongLine {
    SongLine {
        place,
        song: song.id.0,
        title: known(&song.title),
        artist: known(&song.artist),
        album: known(&song.album),
        duration: song.duration.map(seconds),
        details,
    }
}

fn songs(song: &Song) -> u32 {
    song.group.map_or(0, |group| group.songs)
}

fn known(text: &str) -> Option<String> {
    Some(clean(text)).filter(|text| !text.is_empty())
}

fn not_zero<N: Default + PartialEq>(number: N) -> Option<N> {
    Some(number).filter(|number| *number != N::default())
}

fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("names, numbers and texts are JSON")
}

fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use trill_player::command::{GainMode, Repeat, Shuffle};
    use trill_proto::ids::SongId;
    use trill_proto::message::{Gain, SongGroup};

    use super::*;
    use crate::ui::status::{self, PlaybackState, Queue};

    #[test]
    fn songs_albums_and_artists_are_one_line_each() {
        let group = Some(SongGroup { songs: 12, ..SongGroup::default() });
        let duration = Some(Duration::from_millis(62_250));
        let texts =
            Song { title: "Jóga".into(), artist: "Björk".into(), album: "Homogenic".into(), ..Song::default() };
        let song = Song { id: SongId(3), duration, group, ..texts };
        let listed = r#"{"song":3,"title":"Jóga","artist":"Björk","album":"Homogenic","duration":62.25}"#;
        assert_eq!(super::listed(&song), listed);
        assert_eq!(queued(2, &song), listed.replace("{", r#"{"place":2,"#));
        assert_eq!(album(&song), r#"{"album":"Homogenic","artist":"Björk","songs":12}"#);
        assert_eq!(artist(&song), r#"{"artist":"Björk","songs":12}"#);
        let gain = Gain { track: Some(-725), ..Gain::default() };
        let song = Song { year: 1997, gain, bitrate: 128_000, rate: 44_100, channels: 2, size_bytes: 9, ..song };
        let rest = r#","album_artist":null,"genre":null,"year":1997,"disc":null,"track":null,"track_gain":-7.25,"album_gain":null,"bitrate":128000,"rate":44100,"channels":2,"bytes":9,"path":null}"#;
        assert_eq!(info(&song), format!("{}{rest}", listed.trim_end_matches('}')));
    }

    #[test]
    fn every_key_and_keyword_is_documented() {
        let document = include_str!("../../json.md");
        let group = Some(SongGroup::default());
        let song = Song { group, ..Song::default() };
        let status = super::status(&Status::default());
        for line in [queued(1, &song), info(&song), album(&song), artist(&song), status] {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).expect("an object");
            for key in object.keys() {
                assert!(document.contains(&format!("`{key}`")), "{key}");
            }
        }
        let keywords = [keywords::<GainMode>(), keywords::<Shuffle>(), keywords::<Repeat>()].concat();
        for keyword in keywords {
            assert!(document.contains(&format!("`{keyword}`")), "{keyword}");
        }
    }

    fn keywords<S: Setting>() -> Vec<&'static str> {
        S::KEYWORDS.iter().map(|(keyword, _)| *keyword).collect()
    }

    #[test]
    fn a_status_is_one_line_with_what_is_known() {
        let stopped = Status { volume_percent: 80, ..Status::default() };
        let expected = r#"{"state":"stopped","song":null,"title":null,"artist":null,"album":null,"position":null,"duration":null,"next":null,"volume":80,"gain":"off","place":null,"songs":0,"shuffle":"off","repeat":"off","stops_after":false,"sleep":null}"#;
        assert_eq!(super::status(&stopped), expected);
        let song = status::Song {
            number: 3,
            title: "A \"quoted\"\u{1b}[2J\ntitle".to_owned(),
            artist: String::new(),
            album: String::new(),
            position: Duration::from_micros(62_250_900),
            duration: Some(Duration::from_secs(187)),
        };
        let queue =
            Queue { place: Some(2), songs: 12, shuffle: Shuffle::Songs, repeat: Repeat::One, ..Queue::default() };
        let (next, sleep) = ("Bourrée".to_owned(), Some(Duration::from_millis(90_500)));
        let playing = Status {
            state: PlaybackState::Playing,
            song: Some(song),
            next,
            queue,
            gain: GainMode::Auto,
            sleep,
            ..stopped
        };
        let expected = r#"{"state":"playing","song":3,"title":"A \"quoted\" title","artist":null,"album":null,"position":62.25,"duration":187.0,"next":"Bourrée","volume":80,"gain":"auto","place":2,"songs":12,"shuffle":"on","repeat":"one","stops_after":false,"sleep":90.5}"#;
        assert_eq!(super::status(&playing), expected);
    }
}
