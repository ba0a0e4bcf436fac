//! The status line above the prompt, and the answer to `status`.

use std::fmt;
use std::time::Duration;

use anstyle::Style;
use trill_player::command::{GainMode, Repeat, Shuffle};

use super::look::{FAINT, Look, PRESENT, STRONG, WARNING};
use super::text::{self, Charset, clean, width};

/// The player's status. Texts need not be clean.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The state of playback.
    pub state: PlaybackState,
    /// The current song, if any.
    pub song: Option<Song>,
    /// What comes after the current song; empty if it is unknown.
    pub next: String,
    /// The duration of the buffered part of the song.
    pub buffered: Duration,
    /// How full the buffer is, 0.0 to 1.0.
    pub buffer_fill: f32,
    /// The number of underruns.
    pub underruns: u64,
    /// There was an underrun a short time ago.
    pub has_trouble: bool,
    /// The volume, 0 to 100.
    pub volume_percent: u8,
    /// The volume changed a short time ago.
    pub has_new_volume: bool,
    /// Which gain evens out the loudness.
    pub gain: GainMode,
    /// The queue.
    pub queue: Queue,
    /// How long until the music ends; `None` if it does not.
    pub sleep: Option<Duration>,
}

/// Where the music is in the queue, and what comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// The place of the current song, from 1; `None` if it has left the queue.
    pub place: Option<u32>,
    /// How many songs the queue has.
    pub songs: u32,
    /// The order.
    pub shuffle: Shuffle,
    /// What is repeated.
    pub repeat: Repeat,
    /// The music stops after the current song.
    pub stops_after: bool,
    /// Something is after the current song.
    pub has_next: bool,
    /// Something is before the current song.
    pub has_previous: bool,
}

/// The state of playback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlaybackState {
    /// No song is requested.
    #[default]
    Stopped,
    /// Connecting to the server for the first time.
    Connecting,
    /// Waiting until the buffer holds enough of the song.
    Buffering,
    /// Sound is heard.
    Playing,
    /// The user has paused the music.
    Paused,
    /// Connecting again after a lost connection.
    Reconnecting,
}

/// The song that is playing or about to play.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Song {
    /// The song's number, as typed after `play`.
    pub number: u32,
    /// Empty when unknown.
    pub title: String,
    /// Empty when unknown.
    pub artist: String,
    /// Empty when unknown.
    pub album: String,
    /// The position of the sound that is heard.
    pub position: Duration,
    /// `None` when unknown.
    pub duration: Option<Duration>,
}

impl Song {
    /// The title, or else the number.
    fn title(&self) -> String {
        if self.title.is_empty() { format!("song {}", self.number) } else { clean(&self.title) }
    }
}

impl PlaybackState {
    /// The state in one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Connecting => "connecting",
            Self::Buffering => "buffering",
            Self::Playing => "playing",
            Self::Paused => "paused",
            Self::Reconnecting => "reconnecting",
        }
    }

    /// A common symbol if there is one, else the word.
    pub(crate) fn mark(self, charset: Charset) -> &'static str {
        match (self, charset) {
            (Self::Playing, Charset::Unicode) => "▶",
            (Self::Playing, Charset::Ascii) => ">",
            _ => self.word(),
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Playing => PRESENT,
            Self::Buffering | Self::Reconnecting => WARNING,
            Self::Stopped | Self::Connecting | Self::Paused => STRONG,
        }
    }
}

/// The parts that a line shows. Each level leaves out one more.
#[derive(Clone, Copy)]
struct Detail {
    next: bool,
    bar: bool,
    tail: bool,
    artist: bool,
    time: bool,
}

const EVERYTHING: Detail = Detail { next: true, bar: true, tail: true, artist: true, time: true };
const WITHOUT_NEXT: Detail = Detail { next: false, ..EVERYTHING };
const WITHOUT_BAR: Detail = Detail { bar: false, ..WITHOUT_NEXT };
const WITHOUT_TAIL: Detail = Detail { tail: false, ..WITHOUT_BAR };
const WITHOUT_ARTIST: Detail = Detail { artist: false, ..WITHOUT_TAIL };
const WITHOUT_TIME: Detail = Detail { time: false, ..WITHOUT_ARTIST };

/// A text gets at least this width, or what it needs, before other parts are shown.
const MIN_TEXT: usize = 16;

/// Width of the position bar.
const MIN_BAR: usize = 10;
const MAX_BAR: usize = 30;

/// Separates the parts of a line.
const GAP: &str = "  ";

/// The status line, at most `columns` wide, such as `▶ Aria — Bach  ━━━━──────  1:02/3:07  next: Variatio 1`. A narrower line
/// shows fewer parts. The buffer and underruns are shown while something is wrong, the volume if it is not full or has changed.
pub fn line(status: &Status, columns: usize, look: Look) -> String {
    let Some(song) = &status.song else {
        let state = status.state.mark(look.charset);
        let line = joined(GAP, &[state, &volume(status)]);
        return look.paint(status.state.style(), &text::cut(&line, columns, look.charset));
    };
    [EVERYTHING, WITHOUT_NEXT, WITHOUT_BAR, WITHOUT_TAIL, WITHOUT_ARTIST]
        .into_iter()
        .find_map(|detail| Line::new(status, song, detail, look).fitted(columns))
        .unwrap_or_else(|| Line::new(status, song, WITHOUT_TIME, look).cut(columns))
}

/// The parts of a line about a song. Empty parts are not shown.
struct Line {
    state: PlaybackState,
    title: String,
    artist: String,
    /// The elapsed fraction of the song, 0.0 to 1.0. It is shown as a bar in the room that the texts leave.
    progress: Option<f64>,
    time: String,
    next: String,
    trouble: String,
    volume: String,
    look: Look,
}

impl Line {
    fn new(status: &Status, song: &Song, detail: Detail, look: Look) -> Self {
        let shown_if = |shown: bool, text: String| if shown { text } else { String::new() };
        let times = match song.duration {
            Some(duration) => format!("{}/{}", text::time(Some(song.position)), text::time(Some(duration))),
            None => text::time(Some(song.position)),
        };
        Self {
            state: status.state,
            title: song.title(),
            artist: shown_if(detail.artist, clean(&song.artist)),
            progress: song.duration.filter(|_| detail.bar).map(|duration| progress(song.position, duration)),
            time: shown_if(detail.time, times),
            next: shown_if(detail.next, clean(&status.next)),
            trouble: shown_if(detail.tail, trouble(status)),
            volume: shown_if(detail.tail, volume(status)),
            look,
        }
    }

    /// The name of the song: its title and its artist.
    fn name(&self) -> String {
        joined(self.look.charset.dash(), &[&self.title, &self.artist])
    }

    /// The whole line, with texts and bar filling `columns`; `None` if there is too little room.
    fn fitted(&self, columns: usize) -> Option<String> {
        let (name, next) = (width(&self.name()), width(&self.next));
        let least = self.render(Look::plain(self.look.charset), name.min(1), next.min(1), MIN_BAR);
        let fixed = width(&least) - name.min(1) - next.min(1);
        let room = columns.checked_sub(fixed)?;
        let name_columns = name.min(room.saturating_sub(next.min(MIN_TEXT)));
        if name_columns < name.min(MIN_TEXT) {
            return None;
        }
        let next_columns = next.min(room - name_columns);
        let spare = room - name_columns - next_columns;
        Some(self.render(self.look, name_columns, next_columns, (MIN_BAR + spare).min(MAX_BAR)))
    }

    /// The part of the line that fits.
    fn cut(&self, columns: usize) -> String {
        let line = joined(" ", &[self.state.mark(self.look.charset), &self.title]);
        self.look.paint(self.state.style(), &text::cut(&line, columns, self.look.charset))
    }

    fn render(&self, look: Look, name_columns: usize, next_columns: usize, bar_columns: usize) -> String {
        let mark = look.paint(self.state.style(), self.state.mark(look.charset));
        // The title is strong, as far as the name shows it.
        let name = text::cut(&self.name(), name_columns, look.charset);
        let name = match name.strip_prefix(self.title.as_str()) {
            Some(artist) => format!("{}{artist}", look.paint(STRONG, &self.title)),
            None => look.paint(STRONG, &name),
        };
        let bar = self.progress.map_or_else(String::new, |progress| bar(progress, bar_columns, look));
        let next = text::cut(&self.next, next_columns, look.charset);
        let next = if next.is_empty() { next } else { look.paint(FAINT, &format!("next: {next}")) };
        let trouble = look.paint(WARNING, &self.trouble);
        joined(GAP, &[&joined(" ", &[&mark, &name]), &bar, &self.time, &next, &trouble, &self.volume])
    }
}

/// The elapsed fraction of `duration` at `position`, 0.0 to 1.0.
fn progress(position: Duration, duration: Duration) -> f64 {
    if duration.is_zero() { 1.0 } else { (position.as_secs_f64() / duration.as_secs_f64()).min(1.0) }
}

/// A bar such as `━━━━──────`, `columns` wide.
fn bar(progress: f64, columns: usize, look: Look) -> String {
    let elapsed = (progress * columns as f64) as usize;
    let (over, ahead) = match look.charset {
        Charset::Unicode => ("━", "─"),
        Charset::Ascii => ("=", "-"),
    };
    look.paint(PRESENT, &over.repeat(elapsed)) + &look.paint(FAINT, &ahead.repeat(columns - elapsed))
}

/// What is wrong, if anything.
fn trouble(status: &Status) -> String {
    let is_waiting = matches!(status.state, PlaybackState::Buffering | PlaybackState::Reconnecting);
    if !is_waiting && !status.has_trouble {
        return String::new();
    }
    let buffer = format!("buf {}s", status.buffered.as_secs());
    let underruns = match status.underruns {
        0 => String::new(),
        1 => "1 underrun".to_owned(),
        count => format!("{count} underruns"),
    };
    joined(GAP, &[&buffer, &underruns])
}

fn volume(status: &Status) -> String {
    let is_usual = status.volume_percent == 100 && !status.has_new_volume;
    if is_usual { String::new() } else { format!("vol {}", status.volume_percent) }
}

/// The parts that are not empty, with `separator` between them.
fn joined(separator: &str, parts: &[&str]) -> String {
    let shown: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    shown.join(separator)
}

/// The answer to `status`: one line per value.
pub fn report(status: &Status) -> String {
    let mut report = String::new();
    let mut add = |label: &str, value: &str| {
        if !value.is_empty() {
            report.push_str(&format!("{label:<11}{value}\n"));
        }
    };
    add("state", status.state.word());
    if let Some(song) = &status.song {
        let length = song.duration.map_or("unknown".to_owned(), |duration| text::time(Some(duration)));
        add("song", &song.number.to_string());
        add("title", &clean(&song.title));
        add("artist", &clean(&song.artist));
        add("album", &clean(&song.album));
        add("position", &format!("{} of {length}", text::time(Some(song.position))));
        let fill_percent = (status.buffer_fill * 100.0).round().clamp(0.0, 100.0) as u8;
        add("buffer", &format!("{:.1} s, {fill_percent} % full", status.buffered.as_secs_f64()));
        add("next", &clean(&status.next));
    }
    add("queue", &status.queue.to_string());
    add("sleep", &status.sleep.map_or_else(String::new, |left| format!("in {}", text::time(Some(left)))));
    add("underruns", &status.underruns.to_string());
    add("volume", &format!("{} %", status.volume_percent));
    add("gain", &status.gain.to_string());
    report
}

impl Queue {
    /// The settings that are not the usual ones, each after a comma.
    pub fn settings(&self) -> String {
        let shuffle = match self.shuffle {
            Shuffle::Off => "",
            Shuffle::Songs => ", shuffled",
            Shuffle::Albums => ", albums shuffled",
        };
        let repeat = match self.repeat {
            Repeat::Off => "",
            Repeat::All => ", repeat all",
            Repeat::One => ", repeat one",
        };
        let stops = if self.stops_after { ", stops after this song" } else { "" };
        [shuffle, repeat, stops].concat()
    }
}

/// Such as `place 3 of 12, shuffled, repeat all`.
impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.place, self.songs) {
            (_, 0) => f.write_str("empty")?,
            (Some(place), songs) => write!(f, "place {place} of {songs}")?,
            (None, songs) => f.write_str(&text::count_songs(songs))?,
        }
        f.write_str(&self.settings())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn aria() -> Song {
        Song {
            number: 3,
            title: "Aria".to_owned(),
            artist: "Bach".to_owned(),
            album: "Goldberg".to_owned(),
            position: Duration::from_secs(62),
            duration: Some(Duration::from_secs(187)),
        }
    }

    fn playing(song: Song) -> Status {
        Status {
            state: PlaybackState::Playing,
            song: Some(song),
            next: "Variatio 1".to_owned(),
            buffered: Duration::from_millis(12_300),
            buffer_fill: 0.47,
            underruns: 0,
            has_trouble: false,
            volume_percent: 100,
            has_new_volume: false,
            gain: GainMode::Auto,
            queue: Queue { place: Some(3), songs: 12, ..Queue::default() },
            sleep: None,
        }
    }

    #[track_caller]
    fn check(status: &Status, columns: usize, expected: &str) {
        assert_eq!(line(status, columns, Look::plain(Charset::Unicode)), expected, "in {columns} columns");
    }

    #[test]
    fn a_line_shows_less_the_narrower_it_is() {
        let status = Status { volume_percent: 80, ..playing(aria()) };
        check(&status, 200, "▶ Aria — Bach  ━━━━━━━━━─────────────────────  1:02/3:07  next: Variatio 1  vol 80");
        check(&status, 70, "▶ Aria — Bach  ━━━━━─────────────  1:02/3:07  next: Variatio 1  vol 80");
        check(&status, 60, "▶ Aria — Bach  ━━━━━━━━──────────────────  1:02/3:07  vol 80");
        check(&status, 50, "▶ Aria — Bach  ━━━━━───────────  1:02/3:07  vol 80");
        check(&status, 40, "▶ Aria — Bach  1:02/3:07  vol 80");
        check(&status, 30, "▶ Aria — Bach  1:02/3:07");
        check(&status, 20, "▶ Aria  1:02/3:07");
        check(&status, 7, "▶ Aria");
        check(&status, 5, "▶ Ar…");
        check(&status, 0, "");
    }

    #[test]
    fn long_texts_are_cut_before_anything_is_left_out() {
        let song = Song { title: "Gymnopédie No. 1".to_owned(), artist: "サティ".to_owned(), ..aria() };
        let status = Status { next: "Gymnopédie No. 2".to_owned(), ..playing(song) };
        check(&status, 80, "▶ Gymnopédie No. 1 — サティ  ━━━━━───────────  1:02/3:07  next: Gymnopédie No. 2");
        check(&status, 66, "▶ Gymnopédie No. 1…  ━━━───────  1:02/3:07  next: Gymnopédie No. 2");
        check(&status, 40, "▶ Gymnopédie No. 1 — サティ  1:02/3:07");
    }

    #[test]
    fn without_a_duration_there_is_no_bar_and_without_a_title_a_number() {
        let unknown = Song { title: String::new(), artist: String::new(), duration: None, ..aria() };
        check(&Status { next: String::new(), ..playing(unknown) }, 80, "▶ song 3  1:02");
    }

    #[test]
    fn buffer_underruns_and_volume_are_shown_if_they_matter() {
        let song = Song { duration: None, ..aria() };
        let status = Status { underruns: 1, next: String::new(), ..playing(song) };
        check(&status, 80, "▶ Aria — Bach  1:02");
        check(&Status { has_trouble: true, ..status.clone() }, 80, "▶ Aria — Bach  1:02  buf 12s  1 underrun");
        let buffering = Status { state: PlaybackState::Buffering, underruns: 2, ..status.clone() };
        check(&buffering, 80, "buffering Aria — Bach  1:02  buf 12s  2 underruns");
        check(&Status { has_new_volume: true, ..status.clone() }, 80, "▶ Aria — Bach  1:02  vol 100");
        check(&Status { volume_percent: 99, ..status }, 80, "▶ Aria — Bach  1:02  vol 99");
    }

    #[test]
    fn other_states_are_words() {
        let song = Song { duration: None, ..aria() };
        let status = Status { next: String::new(), ..playing(song) };
        check(&Status { state: PlaybackState::Paused, ..status.clone() }, 80, "paused Aria — Bach  1:02");
        check(
            &Status { state: PlaybackState::Reconnecting, ..status.clone() },
            80,
            "reconnecting Aria — Bach  1:02  buf 12s",
        );
        check(&Status { state: PlaybackState::Stopped, song: None, ..status.clone() }, 80, "stopped");
        check(&Status { state: PlaybackState::Connecting, song: None, ..status }, 8, "connect…");
    }

    #[test]
    fn ascii_is_ascii() {
        let line = line(&playing(aria()), 60, Look::plain(Charset::Ascii));
        assert_eq!(line, "> Aria - Bach  =====-----------  1:02/3:07  next: Variatio 1");
    }

    #[test]
    fn styles_take_no_room() {
        let status = playing(aria());
        let styled = line(&status, 60, Look::styled(Charset::Unicode));
        assert!(styled.contains("\u{1b}[1mAria\u{1b}[0m — Bach"), "{styled:?}");
        assert_eq!(clean(&styled), line(&status, 60, Look::plain(Charset::Unicode)));
    }

    #[test]
    fn the_bar_runs_from_end_to_end() {
        let bar = |progress| bar(progress, 4, Look::plain(Charset::Ascii));
        assert_eq!([0.0, 0.5, 1.0].map(bar), ["----", "==--", "===="]);
        assert_eq!(progress(Duration::from_secs(9), Duration::from_secs(3)), 1.0);
        assert_eq!(progress(Duration::ZERO, Duration::ZERO), 1.0);
    }

    #[test]
    fn a_report_says_everything() {
        let status = Status { underruns: 2, volume_percent: 80, ..playing(aria()) };
        assert_eq!(
            report(&status),
            "state      playing\n\
             song       3\n\
             title      Aria\n\
             artist     Bach\n\
             album      Goldberg\n\
             position   1:02 of 3:07\n\
             buffer     12.3 s, 47 % full\n\
             next       Variatio 1\n\
             queue      place 3 of 12\n\
             underruns  2\n\
             volume     80 %\n\
             gain       auto\n"
        );
        let stopped = Status { volume_percent: 80, sleep: Some(Duration::from_secs(720)), ..Status::default() };
        assert_eq!(
            report(&stopped),
            "state      stopped\nqueue      empty\nsleep      in 12:00\nunderruns  0\nvolume     80 %\ngain       off\n"
        );
        let [artist, album] = [const { String::new() }; 2];
        let unknown = playing(Song { duration: None, title: "a\u{1b}[2J\nb".to_owned(), artist, album, ..aria() });
        assert!(report(&unknown).contains("title      a b\nposition   1:02 of unknown\n"), "{}", report(&unknown));
    }

    #[test]
    fn a_queue_is_a_place_and_settings() {
        let queue = Queue { place: Some(3), songs: 12, ..Queue::default() };
        let all = Queue { shuffle: Shuffle::Songs, repeat: Repeat::All, stops_after: true, ..queue };
        assert_eq!(all.to_string(), "place 3 of 12, shuffled, repeat all, stops after this song");
        assert_eq!(Queue { place: None, songs: 1, repeat: Repeat::One, ..queue }.to_string(), "1 song, repeat one");
        assert_eq!(Queue { shuffle: Shuffle::Songs, ..Queue::default() }.to_string(), "empty, shuffled");
        assert_eq!(Queue { shuffle: Shuffle::Albums, ..Queue::default() }.to_string(), "empty, albums shuffled");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_asked(
            title in "\\PC{0,40}|.{0,40}|[東京e\u{301}👍🏽 ]{0,30}",
            artist in "\\PC{0,40}|.{0,40}|[a-z]{0,30}",
            state in prop::sample::select(vec![
                PlaybackState::Stopped, PlaybackState::Connecting, PlaybackState::Buffering, PlaybackState::Playing, PlaybackState::Paused, PlaybackState::Reconnecting,
            ]),
            charset in prop::sample::select(vec![Charset::Unicode, Charset::Ascii]),
            number in any::<Option<u32>>(),
            (position, duration) in (0..u64::MAX / 1000, any::<Option<u32>>()),
            (underruns, buffer_fill, volume_percent) in (any::<u64>(), any::<f32>(), any::<u8>()),
            (has_trouble, has_new_volume, next) in (any::<bool>(), any::<bool>(), "\\PC{0,40}|[a-z ]{0,30}"),
            columns in 0..200usize,
        ) {
            let position = Duration::from_millis(position);
            let duration = duration.map(|ms| Duration::from_millis(ms.into()));
            let album = String::new();
            let song = number.map(|number| Song { number, title, artist, album, position, duration });
            let status = Status {
                state, song, next, buffered: position, buffer_fill, underruns, has_trouble, volume_percent, has_new_volume,
                ..Status::default()
            };
            let line = line(&status, columns, Look::plain(charset));
            prop_assert!(width(&line) <= columns, "{} in {columns}: {line:?}", width(&line));
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            prop_assert!(report(&status).lines().count() <= 12);
        }
    }
}
