//! The status line above the prompt, and the answer to `status`.

use std::time::Duration;

use super::text::{self, Charset, clean, width};

/// The player's status. Texts need not be clean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Status<'a> {
    /// The state of playback.
    pub state: PlaybackState,
    /// The current song, if any.
    pub song: Option<Song<'a>>,
    /// The duration of the buffered part of the song.
    pub buffered: Duration,
    /// How full the buffer is, 0.0 to 1.0.
    pub buffer_fill: f32,
    /// The number of underruns.
    pub underruns: u64,
    /// The volume, 0 to 100.
    pub volume_percent: u8,
}

/// The state of playback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaybackState {
    /// No song is requested.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Song<'a> {
    /// The song's number, as typed after `play`.
    pub number: u32,
    /// Empty when unknown.
    pub title: &'a str,
    /// Empty when unknown.
    pub artist: &'a str,
    /// The position of the sound that is heard.
    pub position: Duration,
    /// `None` when unknown.
    pub duration: Option<Duration>,
}

impl PlaybackState {
    fn word(self) -> &'static str {
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
}

/// The parts that a line shows. Each level leaves out one more.
#[derive(Clone, Copy)]
struct Detail {
    bar: bool,
    volume: bool,
    buffer: bool,
    artist: bool,
    time: bool,
}

const EVERYTHING: Detail = Detail { bar: true, volume: true, buffer: true, artist: true, time: true };
const WITHOUT_BAR: Detail = Detail { bar: false, ..EVERYTHING };
const WITHOUT_VOLUME: Detail = Detail { volume: false, ..WITHOUT_BAR };
const WITHOUT_BUFFER: Detail = Detail { buffer: false, ..WITHOUT_VOLUME };
const WITHOUT_ARTIST: Detail = Detail { artist: false, ..WITHOUT_BUFFER };
const WITHOUT_TIME: Detail = Detail { time: false, ..WITHOUT_ARTIST };

/// Title and artist get at least this width, or what they need, before other parts are shown.
const MIN_NAME: usize = 16;

/// Width of the position bar with its brackets.
const MIN_BAR: usize = 12;
const MAX_BAR: usize = 42;

/// Separates the parts of a line.
const GAP: &str = "  ";

/// The status line, at most `columns` wide, such as `▶ 3 Aria — Bach  1:02 [=====>------] 3:07  buf 12s  vol 80`.
/// A narrower line shows fewer parts.
pub fn line(status: &Status<'_>, columns: usize, charset: Charset) -> String {
    let Some(song) = &status.song else {
        let line = joined(GAP, &[status.state.mark(charset), &volume(status)]);
        return text::cut(&line, columns, charset);
    };
    [EVERYTHING, WITHOUT_BAR, WITHOUT_VOLUME, WITHOUT_BUFFER, WITHOUT_ARTIST]
        .into_iter()
        .find_map(|detail| Line::new(status, song, detail, charset).fitted(columns))
        .unwrap_or_else(|| Line::new(status, song, WITHOUT_TIME, charset).cut(columns))
}

/// The parts of a line about a song. Empty parts are not shown.
struct Line {
    head: String,
    /// Title and artist, which get the room that the fixed parts leave.
    name: String,
    position: String,
    /// The elapsed fraction of the song, 0.0 to 1.0. It is shown as a bar in the room that the name leaves.
    progress: Option<f64>,
    duration: String,
    tail: String,
    charset: Charset,
}

impl Line {
    fn new(status: &Status<'_>, song: &Song<'_>, detail: Detail, charset: Charset) -> Self {
        let shown_if = |shown: bool, text: String| if shown { text } else { String::new() };
        let artist = shown_if(detail.artist, clean(song.artist));
        let buffer = shown_if(detail.buffer, format!("buf {}s", status.buffered.as_secs()));
        let volume = shown_if(detail.volume, volume(status));
        let underruns = shown_if(detail.buffer && status.underruns > 0, underruns(status));
        Self {
            head: format!("{} {}", status.state.mark(charset), song.number),
            name: joined(charset.dash(), &[&clean(song.title), &artist]),
            position: shown_if(detail.time, text::time(Some(song.position))),
            progress: song.duration.filter(|_| detail.bar).map(|duration| progress(song.position, duration)),
            duration: shown_if(detail.time && song.duration.is_some(), text::time(song.duration)),
            tail: joined(GAP, &[&buffer, &volume, &underruns]),
            charset,
        }
    }

    /// The whole line, with name and bar filling `columns`; `None` if there is too little room.
    fn fitted(&self, columns: usize) -> Option<String> {
        let needed = width(&self.name);
        let fixed = width(&self.render(1, MIN_BAR)) - needed.min(1);
        let room = columns.checked_sub(fixed)?;
        if room < needed.min(MIN_NAME) {
            return None;
        }
        let name_columns = room.min(needed);
        Some(self.render(name_columns, (MIN_BAR + room - name_columns).min(MAX_BAR)))
    }

    /// The part of the line that fits.
    fn cut(&self, columns: usize) -> String {
        text::cut(&self.render(width(&self.name), MIN_BAR), columns, self.charset)
    }

    fn render(&self, name_columns: usize, bar_columns: usize) -> String {
        let name = text::cut(&self.name, name_columns, self.charset);
        let time = match self.progress {
            Some(progress) => joined(" ", &[&self.position, &bar(progress, bar_columns), &self.duration]),
            None => joined("/", &[&self.position, &self.duration]),
        };
        joined(GAP, &[&joined(" ", &[&self.head, &name]), &time, &self.tail])
    }
}

/// The elapsed fraction of `duration` at `position`, 0.0 to 1.0.
fn progress(position: Duration, duration: Duration) -> f64 {
    if duration.is_zero() { 1.0 } else { (position.as_secs_f64() / duration.as_secs_f64()).min(1.0) }
}

/// A bar such as `[=====>------]`, `columns` wide, at least three.
fn bar(progress: f64, columns: usize) -> String {
    let rest = columns.saturating_sub("[>]".len());
    let over = (progress * rest as f64) as usize;
    format!("[{:=<over$}>{:-<ahead$}]", "", "", ahead = rest - over)
}

fn volume(status: &Status<'_>) -> String {
    format!("vol {}", status.volume_percent)
}

fn underruns(status: &Status<'_>) -> String {
    let plural = if status.underruns == 1 { "" } else { "s" };
    format!("{} underrun{plural}", status.underruns)
}

/// The parts that are not empty, with `separator` between them.
fn joined(separator: &str, parts: &[&str]) -> String {
    let shown: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    shown.join(separator)
}

/// The answer to `status`: one line per value.
pub fn report(status: &Status<'_>) -> String {
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
        add("title", &clean(song.title));
        add("artist", &clean(song.artist));
        add("position", &format!("{} of {length}", text::time(Some(song.position))));
        let fill_percent = (status.buffer_fill * 100.0).round().clamp(0.0, 100.0) as u8;
        add("buffer", &format!("{:.1} s, {fill_percent} % full", status.buffered.as_secs_f64()));
    }
    add("underruns", &status.underruns.to_string());
    add("volume", &format!("{} %", status.volume_percent));
    report
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn aria() -> Song<'static> {
        Song {
            number: 3,
            title: "Aria",
            artist: "Bach",
            position: Duration::from_secs(62),
            duration: Some(Duration::from_secs(187)),
        }
    }

    fn playing(song: Song<'_>) -> Status<'_> {
        Status {
            state: PlaybackState::Playing,
            song: Some(song),
            buffered: Duration::from_millis(12_300),
            buffer_fill: 0.47,
            underruns: 0,
            volume_percent: 80,
        }
    }

    #[track_caller]
    fn check(status: &Status<'_>, columns: usize, expected: &str) {
        assert_eq!(line(status, columns, Charset::Unicode), expected, "in {columns} columns");
    }

    #[test]
    fn a_line_shows_less_the_narrower_it_is() {
        let status = playing(aria());
        check(&status, 200, "▶ 3 Aria — Bach  1:02 [============>---------------------------] 3:07  buf 12s  vol 80");
        check(&status, 60, "▶ 3 Aria — Bach  1:02 [====>---------] 3:07  buf 12s  vol 80");
        check(&status, 56, "▶ 3 Aria — Bach  1:02 [==>-------] 3:07  buf 12s  vol 80");
        check(&status, 55, "▶ 3 Aria — Bach  1:02/3:07  buf 12s  vol 80");
        check(&status, 42, "▶ 3 Aria — Bach  1:02/3:07  buf 12s");
        check(&status, 34, "▶ 3 Aria — Bach  1:02/3:07");
        check(&status, 24, "▶ 3 Aria  1:02/3:07");
        check(&status, 18, "▶ 3 Aria");
        check(&status, 7, "▶ 3 Ar…");
        check(&status, 0, "");
    }

    #[test]
    fn a_long_name_is_cut_before_anything_is_left_out() {
        let status = playing(Song { title: "Gymnopédie No. 1", artist: "サティ", ..aria() });
        check(&status, 80, "▶ 3 Gymnopédie No. 1 — サティ  1:02 [======>-------------] 3:07  buf 12s  vol 80");
        check(&status, 66, "▶ 3 Gymnopédie No. 1 — …  1:02 [==>-------] 3:07  buf 12s  vol 80");
        check(&status, 40, "▶ 3 Gymnopédie No. …  1:02/3:07  buf 12s");
    }

    #[test]
    fn without_a_duration_there_is_no_bar() {
        let status = playing(Song { duration: None, ..aria() });
        check(&status, 80, "▶ 3 Aria — Bach  1:02  buf 12s  vol 80");
    }

    #[test]
    fn underruns_are_shown_once_there_are_any() {
        let status = Status { underruns: 1, ..playing(Song { duration: None, artist: "", ..aria() }) };
        check(&status, 80, "▶ 3 Aria  1:02  buf 12s  vol 80  1 underrun");
        check(&Status { underruns: 2, ..status }, 80, "▶ 3 Aria  1:02  buf 12s  vol 80  2 underruns");
    }

    #[test]
    fn other_states_are_words() {
        let status = playing(Song { duration: None, ..aria() });
        check(&Status { state: PlaybackState::Paused, ..status }, 80, "paused 3 Aria — Bach  1:02  buf 12s  vol 80");
        check(
            &Status { state: PlaybackState::Reconnecting, ..status },
            80,
            "reconnecting 3 Aria — Bach  1:02  buf 12s  vol 80",
        );
        check(&Status { state: PlaybackState::Stopped, song: None, ..status }, 80, "stopped  vol 80");
        check(&Status { state: PlaybackState::Connecting, song: None, ..status }, 8, "connect…");
    }

    #[test]
    fn ascii_is_ascii() {
        let line = line(&playing(aria()), 60, Charset::Ascii);
        assert_eq!(line, "> 3 Aria - Bach  1:02 [====>---------] 3:07  buf 12s  vol 80");
    }

    #[test]
    fn the_bar_runs_from_end_to_end() {
        assert_eq!(bar(0.0, 12), "[>---------]");
        assert_eq!(bar(0.5, 12), "[====>-----]");
        assert_eq!(bar(1.0, 12), "[=========>]");
        assert_eq!(progress(Duration::from_secs(9), Duration::from_secs(3)), 1.0);
        assert_eq!(progress(Duration::ZERO, Duration::ZERO), 1.0);
    }

    #[test]
    fn a_report_says_everything() {
        let status = Status { underruns: 2, ..playing(aria()) };
        assert_eq!(
            report(&status),
            "state      playing\n\
             song       3\n\
             title      Aria\n\
             artist     Bach\n\
             position   1:02 of 3:07\n\
             buffer     12.3 s, 47 % full\n\
             underruns  2\n\
             volume     80 %\n"
        );
        let stopped = Status { state: PlaybackState::Stopped, song: None, ..status };
        assert_eq!(report(&stopped), "state      stopped\nunderruns  2\nvolume     80 %\n");
        let unknown = playing(Song { duration: None, artist: "", title: "a\u{1b}[2J\nb", ..aria() });
        assert!(report(&unknown).contains("title      a b\nposition   1:02 of unknown\n"), "{}", report(&unknown));
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
            columns in 0..200usize,
        ) {
            let position = Duration::from_millis(position);
            let duration = duration.map(|ms| Duration::from_millis(ms.into()));
            let song = number.map(|number| Song { number, title: &title, artist: &artist, position, duration });
            let status = Status { state, song, buffered: position, buffer_fill, underruns, volume_percent };
            let line = line(&status, columns, charset);
            prop_assert!(width(&line) <= columns, "{} in {columns}: {line:?}", width(&line));
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            prop_assert!(report(&status).lines().count() <= 8);
        }
    }
}
