//! The screen, drawn by a terminal in memory, with a server in memory.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use trill_player::command::{Command, Repeat, Selection, Shuffle};
use trill_proto::message::SongGroup;

use super::*;
use crate::ui::status::{self, PlaybackState, Status};
use crate::ui::text::Charset;

const WIDE: Size = Size { width: 80, height: 24 };
const NARROW: Size = Size { width: 40, height: 10 };

fn stopped() -> NowPlaying {
    NowPlaying {
        status: Status {
            state: PlaybackState::Stopped,
            song: None,
            next: String::new(),
            buffered: Duration::ZERO,
            buffer_fill: 0.0,
            underruns: 0,
            has_trouble: false,
            volume_percent: 80,
            has_new_volume: false,
            ..Status::default()
        },
        shuffle: Shuffle::Off,
        repeat: Repeat::Off,
        stops_after: false,
        place: None,
        is_connected: true,
    }
}

fn playing() -> NowPlaying {
    NowPlaying {
        status: Status {
            state: PlaybackState::Playing,
            song: Some(status::Song {
                number: 1,
                title: "So What".to_owned(),
                artist: "Miles Davis".to_owned(),
                album: "Kind of Blue".to_owned(),
                position: Duration::from_secs(62),
                duration: Some(Duration::from_secs(562)),
            }),
            ..stopped().status
        },
        shuffle: Shuffle::Songs,
        repeat: Repeat::All,
        stops_after: true,
        ..stopped()
    }
}

/// Title, artist and album of a song.
type Texts = (&'static str, &'static str, &'static str);

const JAZZ: [Texts; 6] = [
    ("So What", "Miles Davis", "Kind of Blue"),
    ("Freddie Freeloader", "Miles Davis", "Kind of Blue"),
    ("Solar", "Miles Davis", "Walkin'"),
    ("Giant Steps", "John Coltrane", "Giant Steps"),
    ("Naima", "John Coltrane", "Giant Steps"),
    ("The Girl with the Flaxen Hair", "", ""),
];

/// A browser, and the library that it looks at.
struct Bench {
    browser: Browser,
    songs: Vec<Song>,
    queue: Vec<Song>,
    /// The requests that were made.
    asked: Vec<Request>,
}

impl Bench {
    /// A browser of these songs that has got all answers.
    fn new(size: Size, texts: &[Texts]) -> Self {
        let song = |(texts, id): (&Texts, u32)| {
            let [title, artist, album] = [texts.0, texts.1, texts.2].map(str::to_owned);
            let duration = Some(Duration::from_secs(60 + u64::from(id)));
            Song { id: SongId(id), title, artist, album, duration, ..Song::default() }
        };
        let songs = texts.iter().zip(1..).map(song).collect();
        let mut bench = Self { browser: Browser::new(size), songs, queue: Vec::new(), asked: Vec::new() };
        bench.settle();
        bench
    }

    fn jazz(size: Size) -> Self {
        Self::new(size, &JAZZ)
    }

    /// Answers all requests.
    fn settle(&mut self) {
        while self.ask() {
            self.answer();
        }
    }

    /// Takes the next request. Returns whether there is one.
    fn ask(&mut self) -> bool {
        let request = self.browser.next_request();
        self.asked.extend(request.clone());
        request.is_some()
    }

    /// Answers the last request.
    fn answer(&mut self) {
        let Some(Request { source, start, at_most }) = self.asked.last() else { return };
        let rows = self.rows(source);
        let page = rows.iter().skip(*start as usize).take(*at_most as usize).cloned().collect();
        self.browser.answer(page, rows.len() as u32, PageEnd::Complete);
    }

    /// All rows of a list.
    fn rows(&self, source: &Source) -> Vec<Song> {
        let Source::Library { query, group, within } = source else { return self.queue.clone() };
        let text = |group: Group, song: &Song| match group {
            Group::Album => song.album.clone(),
            Group::Artist => song.artist.clone(),
        };
        let is_within = |song: &&Song| {
            within.is_none_or(|(group, like)| {
                let like = self.songs.iter().find(|song| song.id == like).unwrap();
                text(group, song) == text(group, like) && !text(group, song).is_empty()
            })
        };
        let is_found = |song: &&Song| {
            let texts = format!("{} {} {}", song.title, song.artist, song.album).to_lowercase();
            query.split_whitespace().all(|word| texts.contains(word))
        };
        let songs = self.songs.iter().filter(is_within).filter(is_found);
        let Some(group) = *group else { return songs.cloned().collect() };
        let mut groups: Vec<Song> = Vec::new();
        for song in songs.filter(|song| !text(group, song).is_empty()) {
            match groups.iter_mut().find(|first| text(group, first) == text(group, song)) {
                Some(first) => first.group.iter_mut().for_each(|group| group.songs += 1),
                None => groups.push(Song { group: Some(SongGroup { songs: 1, rank: 0 }), ..song.clone() }),
            }
        }
        groups
    }

    /// Presses keys without waiting for the server. Returns what the last one does.
    fn press(&mut self, keys: &str) -> Option<Action> {
        keys.chars().map(|key| self.press_key(KeyCode::Char(key))).last()?
    }

    fn press_key(&mut self, key: KeyCode) -> Option<Action> {
        self.browser.handle_key(KeyEvent::new(key, KeyModifiers::NONE), &stopped())
    }

    /// Presses a key and waits for the server.
    fn press_and_settle(&mut self, key: KeyCode) -> Option<Action> {
        let action = self.press_key(key);
        self.settle();
        action
    }

    fn screen(&self) -> String {
        self.screen_while(&stopped(), Charset::Unicode)
    }

    fn screen_while(&self, now: &NowPlaying, charset: Charset) -> String {
        let Size { width, height } = self.browser.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let view = View { browser: &self.browser, now, charset };
        terminal.draw(|frame| frame.render_widget(view, frame.area())).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |row: ratatui::layout::Rect| {
            // A wide character has an empty cell behind it.
            let mut hidden = 0;
            let mut text = String::new();
            for x in row.left()..row.right() {
                if hidden == 0 {
                    text.push_str(buffer[(x, row.y)].symbol());
                    hidden = text::width(buffer[(x, row.y)].symbol()).max(1);
                }
                hidden -= 1;
            }
            text.trim_end().to_owned()
        };
        buffer.area.rows().map(row).collect::<Vec<_>>().join("\n")
    }

    /// Draws at another size, when all answers have come.
    fn drawn(&mut self, size: Size, now: &NowPlaying) -> Buffer {
        self.browser.resize(size);
        self.settle();
        let view = View { browser: &self.browser, now, charset: Charset::Unicode };
        let mut buffer = Buffer::empty(Rect::new(0, 0, size.width, size.height));
        view.render(buffer.area, &mut buffer);
        let cursor = view.cursor().filter(|_| !buffer.area.is_empty());
        assert!(cursor.is_none_or(|cursor| buffer.area.contains(cursor)), "{size}: {cursor:?}");
        buffer
    }

    /// Checks the rows above the bar that are not empty.
    #[track_caller]
    fn check_panes(&self, expected: &str) {
        let shown = self.screen();
        let rows: Vec<_> = shown.lines().take(21).filter(|row| row.contains(|char| !" │".contains(char))).collect();
        assert_eq!(rows.join("\n"), expected.trim_matches('\n'), "shown:\n{shown}");
    }

    #[track_caller]
    fn check(&self, expected: &str) {
        let shown = self.screen();
        let expected = expected.trim_matches('\n');
        assert_eq!(shown, expected, "shown:\n{shown}");
    }
}

// ── what the screen shows ──

#[test]
fn a_wide_screen_shows_three_panes() {
    let mut bench = Bench::jazz(WIDE);
    bench.check_panes(
        "
1 Artists             2│2 Albums              3│3 Songs                        6
All                    │All                    │So What — Miles Davis       1:01
Miles Davis           3│Kind of Blue — Miles… 2│Freddie Freeloader — Miles… 1:02
John Coltrane         2│Walkin' — Miles Davis 1│Solar — Miles Davis         1:03
                       │Giant Steps — John C… 2│Giant Steps — John Coltrane 1:04
                       │                       │Naima — John Coltrane       1:05
                       │                       │The Girl with the Flaxen H… 1:06",
    );
    bench.press("4");
    bench.check_panes(
        "
2 Albums           3│3 Songs                    6│4 Queue
All                 │So What — Miles Davis   1:01│
Kind of Blue — Mi… 2│Freddie Freeloader — M… 1:02│
Walkin' — Miles D… 1│Solar — Miles Davis     1:03│
Giant Steps — Joh… 2│Giant Steps — John Col… 1:04│
                    │Naima — John Coltrane   1:05│
                    │The Girl with the Flax… 1:06│",
    );
}

#[test]
fn the_narrowest_screen_shows_one_pane_and_the_names_of_all() {
    let mut bench = Bench::jazz(NARROW);
    bench.check(
        "
1 Artists 2 Albums 3 Songs 4 Queue
All
Miles Davis                            3
John Coltrane                          2



stopped
                                  vol 80
? help  / search  : command  q prompt",
    );
    bench.press_and_settle(KeyCode::Char('3'));
    bench.check(
        "
1 Artists 2 Albums 3 Songs 4 Queue
So What — Miles Davis               1:01
Freddie Freeloader — Miles Davis    1:02
Solar — Miles Davis                 1:03
Giant Steps — John Coltrane         1:04
Naima — John Coltrane               1:05
The Girl with the Flaxen Hair       1:06
stopped
                                  vol 80
? help  / search  : command  q prompt",
    );
}

#[test]
fn a_chosen_artist_narrows_albums_and_songs_and_a_chosen_album_the_songs() {
    let mut bench = Bench::jazz(WIDE);
    bench.press("j");
    bench.settle();
    bench.check_panes(
        "
1 Artists             2│2 Albums              2│3 Songs                        3
All                    │All                    │So What                     1:01
Miles Davis           3│Kind of Blue          2│Freddie Freeloader          1:02
John Coltrane         2│Walkin'               1│Solar                       1:03",
    );
    bench.press("ljj");
    bench.settle();
    bench.check_panes(
        "
1 Artists             2│2 Albums              2│3 Songs                        1
All                    │All                    │Solar                       1:03
Miles Davis           3│Kind of Blue          2│
John Coltrane         2│Walkin'               1│",
    );
}

#[test]
fn wide_characters_keep_the_columns_straight() {
    let songs = [
        ("群青日和 — 教育の最後を飾る長い題名の曲", "東京事変", "教育"),
        ("e\u{301}tude 👩🚀\u{1b}[2J", "Émile", "\u{202e}x"),
    ];
    let bench = Bench::new(WIDE, &songs);
    bench.check_panes(
        "
1 Artists             2│2 Albums              2│3 Songs                        2
All                    │All                    │群青日和 — 教育の最後を飾…  1:01
東京事変              1│教育 — 東京事変       1│e\u{301}tude 👩🚀 — Émile          1:02
Émile                 1│x — Émile             1│",
    );
}

#[test]
fn an_empty_library_and_a_single_song() {
    let mut bench = Bench::new(NARROW, &[]);
    bench.press_and_settle(KeyCode::Char('3'));
    assert!(bench.screen().contains("\nnothing here\n"), "{}", bench.screen());
    for key in [KeyCode::Down, KeyCode::End, KeyCode::PageUp, KeyCode::Enter, KeyCode::Char('a')] {
        assert_eq!(bench.press_and_settle(key), None, "{key}");
    }
    let mut bench = Bench::new(NARROW, &JAZZ[..1]);
    bench.press_and_settle(KeyCode::Char('3'));
    bench.press_and_settle(KeyCode::Down);
    assert!(bench.screen().contains("\nSo What — Miles Davis               1:01\n\n"), "{}", bench.screen());
    assert_eq!(bench.press("a"), Some(Action::Execute(Command::Add(song(1)))));
}

#[test]
fn ascii_is_enough_for_everything_but_the_songs() {
    let mut bench = Bench::jazz(WIDE);
    bench.press("/");
    assert!(bench.screen_while(&playing(), Charset::Ascii).is_ascii());
}

#[test]
fn the_bar_shows_what_plays_what_follows_and_the_settings() {
    let bench = Bench::jazz(WIDE);
    let check = |now: NowPlaying, expected: [&str; 2]| {
        let screen = bench.screen_while(&now, Charset::Unicode);
        assert_eq!(screen.lines().skip(21).take(2).collect::<Vec<_>>(), expected);
    };
    check(
        NowPlaying { status: Status { next: "Freddie Freeloader".to_owned(), ..playing().status }, ..playing() },
        [
            "▶ So What — Miles Davis                                 next: Freddie Freeloader",
            "1:02 ━━━────────────────────────── 9:22  shuffle  repeat all  stop after  vol 80",
        ],
    );
    check(
        NowPlaying { is_connected: false, stops_after: false, ..playing() },
        [
            "reconnecting So What — Miles Davis",
            "1:02 ━━━━───────────────────────────────────── 9:22  shuffle  repeat all  vol 80",
        ],
    );
}

#[test]
fn the_song_that_plays_is_marked() {
    let bench = Bench::jazz(WIDE);
    let screen = bench.screen_while(&playing(), Charset::Unicode);
    assert!(screen.contains("│▶ So What — Miles Davis     1:01"), "{screen}");
}

const MESSAGE: &str = "a message that is longer than a narrow screen";

/// Sizes from nothing to a large screen, among them every small one.
fn sizes() -> impl Iterator<Item = Size> {
    let small = (0..=12).flat_map(|width| (0..=6).map(move |height| (width, height)));
    let odd = [(80, 1), (80, 2), (1, 24), (20, 3), (49, 4), (50, 1), (76, 4), (99, 5), (100, 2), (130, 30)];
    small.chain(odd).map(|(width, height)| Size { width, height })
}

#[test]
fn everything_can_be_drawn_at_any_size() {
    let wide = ("群青日和", "東京事変", "教育");
    let libraries: [&[Texts]; 3] = [&[], &JAZZ, &[wide; 30]];
    let states = ["", "?", "/zzzz", "/a", ":群 status", MESSAGE];
    let panes = ["1", "2", "3G", "4"].into_iter().flat_map(|pane| states.map(|state| (pane, state)));
    for (texts, (pane, state)) in libraries.into_iter().flat_map(|texts| panes.clone().map(move |pane| (texts, pane))) {
        let mut bench = Bench::new(WIDE, texts);
        bench.press(pane);
        match state {
            MESSAGE => bench.browser.show(MESSAGE),
            keys => drop(bench.press(keys)),
        }
        for size in sizes() {
            let low = bench.drawn(size, &playing());
            let high = bench.drawn(Size { height: 7, ..size }, &playing());
            // Nothing else is on the rows of the names and of the message.
            let [low, high] = [&low, &high].map(|buffer| buffer.content.chunks(size.width.max(1).into()));
            assert!(size.height < 1 || low.clone().last() == high.clone().last(), "{size}: {pane}{state}");
            assert!(size.height < 2 || low.clone().next() == high.clone().next(), "{size}: {pane}{state}");
        }
    }
}

#[test]
fn no_parts_of_the_screen_overlap() {
    for (size, focus) in sizes().flat_map(|size| Pane::ALL.map(|pane| (size, pane))) {
        let Layout { names, body, panes, bar, line } = Layout::new(size, focus);
        let screen = Rect::new(0, 0, size.width, size.height);
        let parts: Vec<_> = [names, bar, line].into_iter().chain(panes.iter().map(|(_, area)| *area)).collect();
        for (number, part) in parts.iter().enumerate() {
            assert_eq!(part.intersection(screen), *part, "{size}: {part}");
            assert!(parts[..number].iter().all(|other| !part.intersects(*other)), "{size}: {parts:?}");
        }
        assert_eq!(names.height + body.height + bar.height + line.height, size.height);
        assert!(size.height < 3 || body.height > 0, "{size}");
    }
}

// ── keys ──

#[test]
fn keys_become_commands() {
    let mut bench = Bench::jazz(WIDE);
    let mut check = |key: KeyCode, line: &str| match bench.press_key(key) {
        Some(Action::Execute(command)) => assert_eq!(command.to_string(), line, "{key}"),
        other => panic!("{key}: {other:?}"),
    };
    check(KeyCode::Char(' '), "resume");
    check(KeyCode::Char('n'), "next");
    check(KeyCode::Char('p'), "previous");
    check(KeyCode::Left, "seek -0:05");
    check(KeyCode::Right, "seek +0:05");
    check(KeyCode::Char('+'), "volume +5");
    check(KeyCode::Char('-'), "volume -5");
    check(KeyCode::Char('s'), "shuffle on");
    check(KeyCode::Char('r'), "repeat all");
    check(KeyCode::Enter, "play all");
    for (status, key, line) in [(PlaybackState::Paused, ' ', "resume"), (PlaybackState::Playing, ' ', "pause")] {
        let now = NowPlaying { status: Status { state: status, ..stopped().status }, ..stopped() };
        let key = KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE);
        let Some(Action::Execute(command)) = bench.browser.handle_key(key, &now) else { panic!() };
        assert_eq!(command.to_string(), line);
    }
    assert_eq!(bench.press("q"), Some(Action::Leave));
    assert_eq!(bench.press_key(KeyCode::Esc), Some(Action::Leave));
    assert_eq!(bench.press("xyz"), None);
}

fn song(number: u32) -> Selection<'static> {
    Selection::Song { song: SongId(number), at: Duration::ZERO }
}

#[test]
fn enter_plays_what_is_chosen_and_a_adds_it() {
    let mut bench = Bench::jazz(WIDE);
    let mut check = |keys: &str, played: Selection<'static>, added: Selection<'static>| {
        bench.press(keys);
        bench.settle();
        assert_eq!(bench.press_key(KeyCode::Enter), Some(Action::Execute(Command::Play(played))));
        assert_eq!(bench.press("a"), Some(Action::Execute(Command::Add(added))));
        assert_eq!(bench.press("A"), Some(Action::Execute(Command::Next(Some(added)))));
    };
    let coltrane = Selection::ArtistOf { artist: SongId(4), from: None };
    check("jj", coltrane, coltrane);
    // All albums of this artist.
    check("2", coltrane, coltrane);
    let giant_steps = Selection::AlbumOf { album: SongId(4), from: None };
    check("j", giant_steps, giant_steps);
    check("3j", Selection::AlbumOf { album: SongId(5), from: Some(SongId(5)) }, song(5));
    // A song without album.
    check("1g", Selection::All, Selection::All);
    check("3jjjjj", song(6), song(6));
}

#[test]
fn enter_goes_to_a_place_of_the_queue_and_d_removes_it() {
    let mut bench = Bench::jazz(WIDE);
    bench.press_and_settle(KeyCode::Char('4'));
    assert_eq!(bench.press_key(KeyCode::Enter), None);
    assert!(bench.screen().ends_with("\nthere is nothing to choose"), "{}", bench.screen());
    bench.queue = bench.songs[..3].to_vec();
    bench.browser.refresh_queue();
    assert_eq!(bench.press_key(KeyCode::Enter), None, "the rows are on their way");
    bench.settle();
    bench.press("j");
    assert_eq!(bench.press_key(KeyCode::Enter), Some(Action::Execute(Command::Jump(2))));
    for key in [KeyCode::Char('d'), KeyCode::Delete] {
        assert_eq!(bench.press_key(key), Some(Action::Execute(Command::Remove { first: 2, last: 2 })));
    }
}

#[test]
fn the_queue_shows_the_present_song_until_the_user_moves() {
    let mut bench = Bench::jazz(NARROW);
    bench.queue = [&bench.songs[..], &bench.songs[..]].concat();
    let place = |place: &str, bench: &Bench| bench.screen().lines().any(|row| row.starts_with(place));
    bench.browser.follow(9);
    bench.press_and_settle(KeyCode::Char('4'));
    assert!(!place("3 ", &bench) && place("4 ", &bench) && place("9 ", &bench), "{}", bench.screen());
    bench.browser.follow(12);
    bench.settle();
    assert_eq!(bench.press_key(KeyCode::Enter), Some(Action::Execute(Command::Jump(9))));
    bench.press("3");
    bench.browser.follow(12);
    bench.press_and_settle(KeyCode::Char('4'));
    assert_eq!(bench.press_key(KeyCode::Enter), Some(Action::Execute(Command::Jump(12))));
}

#[test]
fn a_search_narrows_all_panes_as_one_types() {
    let mut bench = Bench::jazz(WIDE);
    for key in "/ giant im".chars() {
        bench.press_and_settle(KeyCode::Char(key));
    }
    bench.check_panes(
        "
1 Artists             1│2 Albums              1│3 Songs                        1
All                    │All                    │Naima — John Coltrane       1:05
John Coltrane         1│Giant Steps — John C… 1│",
    );
    assert!(bench.screen().ends_with("\n/ giant im"));
    // The first Enter ends the search, the second plays.
    assert_eq!(bench.press_key(KeyCode::Enter), None);
    let naima = Selection::AlbumOf { album: SongId(5), from: Some(SongId(5)) };
    assert_eq!(bench.press_key(KeyCode::Enter), Some(Action::Execute(Command::Play(naima))));
    // All that was found cannot be played at once.
    assert_eq!(bench.press("1"), None);
    assert_eq!(bench.press_key(KeyCode::Enter), None);
    assert!(bench.screen().ends_with("\nchoose an artist, an album or a song"), "{}", bench.screen());
    // The first Esc ends the search, the second leaves.
    assert_eq!(bench.press_and_settle(KeyCode::Esc), None);
    assert!(bench.screen().contains("Songs                        6"), "{}", bench.screen());
    assert_eq!(bench.press_key(KeyCode::Esc), Some(Action::Leave));
}

#[test]
fn a_command_of_the_prompt_can_be_typed_and_its_output_is_shown() {
    let mut bench = Bench::jazz(NARROW);
    bench.press(":vol q");
    assert!(bench.screen().ends_with("\n:vol q"));
    bench.press_key(KeyCode::Backspace);
    bench.press("30");
    assert_eq!(bench.press_key(KeyCode::Enter), Some(Action::Line("vol 30".to_owned())));
    bench.browser.show("volume 30");
    assert!(bench.screen().ends_with("\nvolume 30"));
    let lines: Vec<_> = (1..=9).map(|number| format!("line {number}\u{7}")).collect();
    bench.browser.show(&lines.join("\n"));
    let shown = |bench: &Bench| bench.screen().lines().skip(1).take(6).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(shown(&bench), ["line 1", "line 2", "line 3", "line 4", "line 5", "line 6"]);
    bench.press("jjjjjj");
    assert_eq!(shown(&bench), ["line 4", "line 5", "line 6", "line 7", "line 8", "line 9"]);
    assert_eq!(bench.press("q"), None, "the first key takes the output away");
    assert_eq!(shown(&bench)[0], "All");
}

#[test]
fn the_help_fits_any_screen() {
    for size in [WIDE, NARROW] {
        let mut bench = Bench::jazz(size);
        bench.press("?");
        (0..9).for_each(|_| drop(bench.press_key(KeyCode::PageDown)));
        assert!(bench.screen().contains("goes on"), "{}", bench.screen());
    }
}

// ── what is asked of the server ──

/// A library of 100,000 songs.
struct Large;

impl Large {
    fn answer(browser: &mut Browser, request: &Request) {
        let end = request.start.saturating_add(request.at_most).min(100_000);
        let song = |rank: u32| Song { id: SongId(rank + 1), title: format!("song {rank}"), ..Song::default() };
        browser.answer((request.start..end).map(song).collect(), 100_000, PageEnd::Complete);
    }

    /// Answers all requests, each of them for a screen at most. Returns how many there were.
    fn settle(browser: &mut Browser) -> usize {
        let mut count = 0;
        while let Some(request) = browser.next_request() {
            assert!(request.at_most <= browser.height(), "{request:?}");
            Self::answer(browser, &request);
            count += 1;
        }
        count
    }
}

fn press(browser: &mut Browser, key: KeyCode) {
    browser.handle_key(KeyEvent::new(key, KeyModifiers::NONE), &stopped());
}

#[test]
fn scrolling_a_page_asks_once_and_held_keys_do_not_queue() {
    let mut browser = Browser::new(NARROW);
    press(&mut browser, KeyCode::Char('3'));
    assert_eq!(Large::settle(&mut browser), 1);
    press(&mut browser, KeyCode::PageDown);
    assert_eq!(Large::settle(&mut browser), 1);
    // Within the screen nothing is asked.
    press(&mut browser, KeyCode::Up);
    assert_eq!(Large::settle(&mut browser), 0);
    press(&mut browser, KeyCode::End);
    let request = browser.next_request().unwrap();
    assert_eq!((request.start, request.at_most), (99_994, 6));
    // A key that is held while the answer is on its way: one more request, for the place where it stopped.
    for _ in 0..500 {
        press(&mut browser, KeyCode::PageUp);
        assert_eq!(browser.next_request(), None);
    }
    Large::answer(&mut browser, &request);
    let request = browser.next_request().unwrap();
    assert_eq!((request.start, request.at_most), (99_999 - 3_000, 6));
    Large::answer(&mut browser, &request);
    assert_eq!(browser.next_request(), None);
}

#[test]
fn typing_does_not_wait_and_asks_for_the_newest_words() {
    let mut bench = Bench::jazz(NARROW);
    bench.press_and_settle(KeyCode::Char('3'));
    bench.press("/n");
    assert!(bench.ask());
    bench.press("aima");
    assert!(!bench.ask(), "one request at a time");
    assert!(bench.screen().contains("So What"), "old rows stay: {}", bench.screen());
    bench.answer();
    assert!(bench.ask());
    let Source::Library { query, .. } = &bench.asked.last().unwrap().source else { panic!() };
    assert_eq!(query, "naima");
    bench.answer();
    assert!(!bench.ask());
    assert!(bench.screen().contains("Naima") && !bench.screen().contains("So What"), "{}", bench.screen());
}

#[test]
fn a_list_that_begins_anew_keeps_its_old_rows_on_the_screen_but_not_for_use() {
    let mut browser = Browser::new(WIDE);
    Large::settle(&mut browser);
    for key in [KeyCode::Char('3'), KeyCode::End] {
        press(&mut browser, key);
        Large::settle(&mut browser);
    }
    // To another artist and back.
    for key in [KeyCode::Char('1'), KeyCode::Down, KeyCode::Up, KeyCode::Char('3')] {
        press(&mut browser, key);
    }
    let songs = browser.rows(Pane::Songs);
    assert_eq!(songs.song_at(songs.cursor()).map(|song| song.title.as_str()), Some("song 99980"));
    assert_eq!(browser.chosen(Pane::Songs), None);
    Large::settle(&mut browser);
    assert_eq!(browser.chosen(Pane::Songs).flatten().map(|song| song.title.as_str()), Some("song 0"));
}

#[test]
fn rows_that_are_on_their_way_are_not_played() {
    let mut bench = Bench::jazz(NARROW);
    bench.press_and_settle(KeyCode::Char('3'));
    bench.press("/naima");
    assert_eq!(bench.press_key(KeyCode::Enter), None);
    assert_eq!(bench.press_key(KeyCode::Enter), None);
    assert!(bench.screen().contains("on its way"), "{}", bench.screen());
}

#[test]
fn after_a_loss_the_rows_stay_and_everything_is_asked_again() {
    let mut bench = Bench::jazz(WIDE);
    bench.press("j");
    bench.settle();
    let screen = bench.screen();
    let asked = bench.asked.len();
    bench.browser.refresh();
    assert!(bench.ask());
    bench.browser.on_unanswered();
    assert!(!bench.ask(), "no request before it is time");
    assert_eq!(bench.screen(), screen);
    bench.browser.ask_again();
    bench.settle();
    assert_eq!(bench.screen(), screen);
    assert_eq!(bench.asked.len(), asked + 4);
}

#[test]
fn a_library_that_shrank_moves_the_cursor_to_its_last_row() {
    let mut bench = Bench::jazz(NARROW);
    bench.press("3G");
    bench.settle();
    bench.press("G");
    bench.songs.truncate(2);
    bench.browser.refresh();
    bench.settle();
    assert_eq!(bench.press("a"), Some(Action::Execute(Command::Add(song(2)))));
}

#[test]
fn a_server_that_sends_fewer_rows_than_asked_is_not_asked_for_ever() {
    let mut browser = Browser::new(NARROW);
    press(&mut browser, KeyCode::Char('3'));
    assert!(browser.next_request().is_some());
    browser.answer(vec![Song::default()], 9, PageEnd::More);
    assert_eq!(browser.next_request(), None);
    browser.answer(vec![Song::default()], 9, PageEnd::Complete);
    assert_eq!(browser.next_request(), None);
}
