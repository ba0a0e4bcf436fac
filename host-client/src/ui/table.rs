//! The songs as a table.
//!
//! A list arrives page by page. The columns are measured on the first page and stay the same for the rest.
//!
//! At a terminal a row takes one line and its texts are cut to fit. Elsewhere a row suits `cut`, `awk -F'\t'` and `sort`:
//! number, title, artist, album and time, uncut, separated by tabs, without a header. Unknown fields are empty.

use std::time::Duration;

use super::look::{FAINT, Look, PRESENT};
use super::status::PlaybackState;
use super::text::{self, clean, width};

/// A song from the server. Texts need not be clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The song's number, to type after `play`.
    pub number: u32,
    /// Never empty in practice: the server falls back to the file's name.
    pub title: &'a str,
    /// Empty when unknown.
    pub artist: &'a str,
    /// Empty when unknown.
    pub album: &'a str,
    /// `None` if the server has not measured it yet, zero if the song contains no audio.
    pub duration: Option<Duration>,
    /// How many songs an album or artist has, in place of the time.
    pub songs: Option<u32>,
    /// It plays now.
    pub is_present: bool,
}

/// What stands above the columns of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headings {
    texts: [&'static str; 3],
    last: &'static str,
}

impl Headings {
    /// Of a list of songs.
    pub const SONGS: Self = Self { texts: ["Title", "Artist", "Album"], last: "Time" };
    /// Of a list of albums.
    pub const ALBUMS: Self = Self { texts: ["Album", "Artist", ""], last: "Songs" };
    /// Of a list of artists.
    pub const ARTISTS: Self = Self { texts: ["Artist", "", ""], last: "Songs" };
}

impl Row<'_> {
    fn last(&self) -> String {
        match self.songs {
            Some(songs) => songs.to_string(),
            None => self.duration.map_or_else(|| text::time(None), text::length),
        }
    }
}

/// The layout of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Tab-separated, for files and pipes.
    Plain,
    /// In columns, for a terminal.
    Fitted(Layout),
}

/// Spaces between two cells.
const GAP: usize = 2;

/// A text column that would get less than this is left out, unless its texts fit.
const MIN_TEXT: usize = 12;

/// Widths that suffice for most songs, if more songs follow the measured page.
const TYPICAL_TITLE: usize = 40;
const TYPICAL_ARTIST: usize = 25;
const TYPICAL_ALBUM: usize = 30;
const TYPICAL_TIME: usize = "1:02:03".len();

/// The widths of the columns of a fitted table. A column of width 0 is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    terminal: usize,
    number: usize,
    title: usize,
    artist: usize,
    album: usize,
    time: usize,
    headings: Headings,
    look: Look,
}

impl Table {
    /// A table for a terminal `columns` wide, measured on the first page of a list of `song_count` songs.
    pub fn fitted(columns: usize, first_page: &[Row<'_>], song_count: usize, headings: Headings, look: Look) -> Self {
        let needed = Layout::needed(columns, first_page, song_count, headings, look);
        Self::Fitted(needed.shrunk())
    }

    /// The header line, if any, without a line end.
    pub fn header(&self) -> Option<String> {
        match self {
            Self::Plain => None,
            Self::Fitted(layout) => {
                let Headings { texts: [title, artist, album], last } = layout.headings;
                Some(layout.look.paint(FAINT, &layout.line("#", title, artist, album, last, "")))
            }
        }
    }

    /// The line of a song, without a line end.
    pub fn row(&self, row: &Row<'_>) -> String {
        let number = row.number.to_string();
        let [title, artist, album] = [row.title, row.artist, row.album].map(clean);
        match self {
            Self::Plain => {
                let time = row.duration.map(text::length).unwrap_or_default();
                match row.songs {
                    None => [number, title, artist, album, time].join("\t"),
                    Some(songs) => [number, title, artist, songs.to_string()].join("\t"),
                }
            }
            Self::Fitted(layout) => {
                let mark = if row.is_present { PlaybackState::Playing.mark(layout.look.charset) } else { "" };
                let line = layout.line(&number, &title, &artist, &album, &row.last(), mark);
                if row.is_present { layout.look.paint(PRESENT, &line) } else { line }
            }
        }
    }
}

impl Layout {
    /// Columns wide enough for the first page, regardless of the terminal's width.
    fn needed(terminal: usize, first_page: &[Row<'_>], song_count: usize, headings: Headings, look: Look) -> Self {
        let Headings { texts: [title, artist, album], last } = headings;
        let widest = |cells: &dyn Fn(&Row<'_>) -> String, header: &str, typical: usize| {
            let widest = first_page.iter().map(|row| width(&cells(row))).max().unwrap_or(0);
            match (widest, first_page.len() < song_count) {
                (0, false) => 0,
                (0, true) if header.is_empty() => 0,
                (_, false) => widest.max(header.len()),
                (_, true) => widest.max(typical),
            }
        };
        Self {
            terminal,
            number: widest(&|row| row.number.to_string(), "#", song_count.to_string().len()),
            title: widest(&|row| clean(row.title), title, TYPICAL_TITLE),
            artist: widest(&|row| clean(row.artist), artist, TYPICAL_ARTIST),
            album: widest(&|row| clean(row.album), album, TYPICAL_ALBUM),
            time: widest(&|row| row.last(), last, TYPICAL_TIME),
            headings,
            look,
        }
    }

    /// Columns that fit the terminal. The texts share its width. If it is too small, the album is left out first, then the
    /// artist, then the time.
    fn shrunk(self) -> Self {
        let without_album = Self { album: 0, ..self };
        let without_artist = Self { artist: 0, ..without_album };
        let without_time = Self { time: 0, ..without_artist };
        [self, without_album, without_artist]
            .into_iter()
            .find_map(Self::shared)
            .unwrap_or_else(|| without_time.with_title_alone())
    }

    /// The text columns with the terminal's width shared among them; `None` if one would get too little.
    fn shared(self) -> Option<Self> {
        let mut room = self.terminal.checked_sub(self.fixed())?;
        let mut texts = [self.title, self.artist, self.album];
        // In order of need, smallest first: each column takes what it needs, up to an equal share of the rest.
        let mut order = [0, 1, 2];
        order.sort_by_key(|&index| texts[index]);
        for (taken, index) in order.into_iter().enumerate() {
            let needed = texts[index];
            let share = needed.min(room / (texts.len() - taken));
            if share < needed.min(MIN_TEXT) {
                return None;
            }
            texts[index] = share;
            room -= share;
        }
        let [title, artist, album] = texts;
        Some(Self { title, artist, album, ..self })
    }

    fn with_title_alone(self) -> Self {
        Self { title: self.terminal.saturating_sub(self.fixed()).min(self.title), ..self }
    }

    /// The width of everything but the texts.
    fn fixed(&self) -> usize {
        let cells = [self.number, self.title, self.artist, self.album, self.time];
        let shown = cells.into_iter().filter(|width| *width > 0).count();
        self.number + self.time + GAP * shown.saturating_sub(1)
    }

    /// One line. `mark` stands before the first text.
    fn line(&self, number: &str, title: &str, artist: &str, album: &str, time: &str, mark: &str) -> String {
        let charset = self.look.charset;
        // A number or time wider than on the measured page takes room from the title.
        let time = if self.time > 0 { time } else { "" };
        let excess = number.len().saturating_sub(self.number) + time.len().saturating_sub(self.time);
        let title_width = self.title.saturating_sub(excess);

        let mut line = format!("{number:>0$}", self.number);
        for (text, width, mark) in [(title, title_width, mark), (artist, self.artist, ""), (album, self.album, "")] {
            if width > 0 {
                line.push_str(&format!("{mark:<GAP$}{}", text::left(text, width, charset)));
            }
        }
        if self.time > 0 {
            line.push_str(&format!("{:GAP$}{time:>1$}", "", self.time));
        }
        text::cut(line.trim_end(), self.terminal, charset)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ui::text::Charset;

    fn row<'a>(number: u32, title: &'a str, artist: &'a str, album: &'a str, seconds: Option<u64>) -> Row<'a> {
        Row { number, title, artist, album, duration: seconds.map(Duration::from_secs), songs: None, is_present: false }
    }

    fn short() -> Vec<Row<'static>> {
        vec![
            row(1, "Aria", "Bach", "Goldberg", Some(187)),
            row(2, "群青日和", "東京事変", "教育", Some(3723)),
            row(12, "e\u{301}tude", "", "", None),
        ]
    }

    fn long() -> Vec<Row<'static>> {
        let title = "The Diamond Sea (recorded live at the end of the tour)";
        vec![
            row(7, title, "A very well known orchestra", "The complete recordings, volume seventeen", Some(1177)),
            row(8, "Short", "Someone", "EP", Some(60)),
        ]
    }

    #[track_caller]
    fn check(columns: usize, rows: &[Row<'_>], song_count: usize, expected: &[&str]) {
        let table = Table::fitted(columns, rows, song_count, Headings::SONGS, Look::plain(Charset::Unicode));
        let lines: Vec<_> = table.header().into_iter().chain(rows.iter().map(|row| table.row(row))).collect();
        assert_eq!(lines, expected, "\n{}", lines.join("\n"));
    }

    #[test]
    fn columns_are_as_wide_as_needed() {
        check(
            80,
            &short(),
            3,
            &[
                " #  Title     Artist    Album        Time",
                " 1  Aria      Bach      Goldberg     3:07",
                " 2  群青日和  東京事変  教育      1:02:03",
                "12  e\u{301}tude                            -:--",
            ],
        );
    }

    #[test]
    fn room_is_kept_where_more_songs_follow() {
        check(
            80,
            &short(),
            1003,
            &[
                "   #  Title                  Artist                Album                    Time",
                "   1  Aria                   Bach                  Goldberg                 3:07",
                "   2  群青日和               東京事変              教育                  1:02:03",
                "  12  e\u{301}tude                                                                 -:--",
            ],
        );
    }

    #[test]
    fn texts_share_what_there_is() {
        check(
            60,
            &long(),
            2,
            &[
                "#  Title             Artist           Album             Time",
                "7  The Diamond Sea…  A very well kn…  The complete r…  19:37",
                "8  Short             Someone          EP                1:00",
            ],
        );
    }

    #[test]
    fn narrow_terminals_lose_album_then_artist_then_time() {
        check(
            40,
            &long(),
            2,
            &[
                "#  Title           Artist           Time",
                "7  The Diamond S…  A very well k…  19:37",
                "8  Short           Someone          1:00",
            ],
        );
        check(
            30,
            &long(),
            2,
            &["#  Title                  Time", "7  The Diamond Sea (re…  19:37", "8  Short                  1:00"],
        );
        check(20, &long(), 2, &["#  Title", "7  The Diamond Sea …", "8  Short"]);
    }

    #[test]
    fn columns_that_nobody_fills_are_left_out() {
        check(80, &[row(1, "Aria", "", "", Some(5))], 1, &["#  Title  Time", "1  Aria   0:05"]);
    }

    #[test]
    fn a_later_number_or_time_that_is_wider_takes_room_from_the_title() {
        let table = Table::fitted(
            40,
            &[row(1, "A somewhat longer title", "", "", Some(5))],
            1,
            Headings::SONGS,
            Look::plain(Charset::Unicode),
        );
        assert_eq!(table.row(&row(1, "A somewhat longer title", "", "", Some(5))), "1  A somewhat longer title  0:05");
        assert_eq!(
            table.row(&row(1234, "A somewhat longer title", "", "", Some(3723))),
            "1234  A somewhat longe…  1:02:03"
        );
    }

    #[test]
    fn plain_rows_are_whole_and_tab_separated() {
        assert_eq!(Table::Plain.header(), None);
        let rows: Vec<_> = short().iter().chain(&long()).map(|row| Table::Plain.row(row)).collect();
        assert_eq!(rows[1], "2\t群青日和\t東京事変\t教育\t1:02:03");
        assert_eq!(rows[2], "12\te\u{301}tude\t\t\t");
        assert!(rows[3].contains("\tThe complete recordings, volume seventeen\t"), "{}", rows[3]);
        assert_eq!(Table::Plain.row(&row(1, "a\tb\nc\u{1b}[31m", "", "", None)), "1\ta b c\t\t\t");
    }

    type Cells = (u32, String, String, String, Option<u64>);

    fn rows(cells: &[Cells]) -> Vec<Row<'_>> {
        cells
            .iter()
            .map(|(number, title, artist, album, seconds)| row(*number, title, artist, album, *seconds))
            .collect()
    }

    fn any_cells() -> impl Strategy<Value = Vec<Cells>> {
        let text = || "\\PC{0,40}|.{0,40}|[a-z ]{0,60}|[東京e\u{301}👍🏽 ]{0,30}";
        let seconds = proptest::option::of(0..200_000u64);
        proptest::collection::vec((any::<u32>(), text(), text(), text(), seconds), 0..6)
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(page in any_cells(), later in any_cells(), columns in 0..150usize, more in 0..2000usize) {
            let (page, later) = (rows(&page), rows(&later));
            let table = Table::fitted(columns, &page, page.len() + more, Headings::SONGS, Look::plain(Charset::Unicode));
            for line in table.header().into_iter().chain(page.iter().chain(&later).map(|row| table.row(row))) {
                prop_assert!(width(&line) <= columns, "{} in {columns}: {line:?}", width(&line));
                prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            }
        }
    }
}
