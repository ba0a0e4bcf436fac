//! A player and a server's session machine on a virtual clock. The test is the server's application.

use std::time::Duration;

use trill_player::command::Selection;
use trill_player::{Event, LossNotice, Options, Player, Question, Refused, Step};
use trill_proto::decoder::{Decoded, FrameDecoder, PCM_SAMPLES};
use trill_proto::error::{ErrorCode, SessionError};
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{ListEnd, Song, Start, Started, Welcome};
use trill_proto::session::client::Identity;
use trill_proto::session::server::{Event as Asked, Server};
use trill_proto::time::Instant;

/// Bytes of each song.
pub(crate) const SONG_BYTES: u64 = 8_000;

/// The tag of a song's content. It is that of the song with this number when the server first started.
pub(crate) const fn tag_of(song: u32) -> u64 {
    1_000 + song as u64
}

pub(crate) struct World {
    pub(crate) player: Player<'static, 512>,
    pub(crate) now: Instant,
    pub(crate) server: Server,
    /// The server's questions that were not answered: streams and requests, by what was asked.
    pub(crate) asked: Vec<(u32, String)>,
    /// What was answered last.
    last_asked: String,
    /// What the listener was told.
    pub(crate) told: Vec<String>,
    /// The songs of the server, in library order.
    pub(crate) library: Vec<u32>,
    /// The album of each song.
    pub(crate) album_of: fn(u32) -> &'static str,
}

impl World {
    /// A player without a connection, which asks for no titles.
    pub(crate) fn new() -> Self {
        Self::of_player(false)
    }

    fn of_player(wants_titles: bool) -> Self {
        let memory = Box::leak(Box::new([0; 32 * 1024]));
        let options = Options { seed: 1, is_persistent: false, wants_titles };
        let now = Instant::from_micros(1_000_000);
        let entries = Box::leak(Box::new(trill_player::QueueMemory::<8>::new()));
        let mut player = Player::new(memory, entries, options);
        player.set_page_songs(100);
        Self {
            player,
            now,
            server: Server::new(now),
            asked: Vec::new(),
            last_asked: String::new(),
            told: Vec::new(),
            library: (1..=9).collect(),
            album_of: |_| "",
        }
    }

    /// A player on an open connection, which asks for titles.
    pub(crate) fn with_titles() -> Self {
        let mut world = Self::of_player(true);
        world.connect();
        world
    }

    /// A player on an open connection.
    pub(crate) fn connected() -> Self {
        let mut world = Self::new();
        world.connect();
        world
    }

    pub(crate) fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    /// Makes a connection, on which WELCOME is said.
    pub(crate) fn connect(&mut self) {
        self.server = Server::new(self.now);
        self.asked.clear();
        self.player.begin_attempt();
        self.player.handle_connected(self.now, &Identity { name: "test", nonce: [7; 16], roles: 0 });
        self.exchange();
        let welcome = Welcome { server_name: "attic", generation: 1, song_count: 9, ..Welcome::new() };
        self.server.welcome(&welcome).expect("HELLO came");
        self.exchange();
    }

    /// Cuts the connection.
    pub(crate) fn cut(&mut self) -> LossNotice {
        self.lose(None)
    }

    /// The connection ends because of this error.
    pub(crate) fn lose(&mut self, error: Option<SessionError>) -> LossNotice {
        let Self { player, told, .. } = self;
        player.handle_disconnected(self.now, error, |refused| told.push(format!("given up: {refused:?}")))
    }

    /// Carries what both sides have to say to the other, until neither says more.
    pub(crate) fn exchange(&mut self) {
        loop {
            let Self { player, server, now, asked, told, .. } = self;
            let said = player.poll_transmit(*now).map(<[u8]>::to_vec);
            let mut input = said.as_deref().unwrap_or_default();
            while !input.is_empty() {
                let (taken, event) = server.handle_input(*now, input).expect("a client that does right");
                asked.extend(event.and_then(|event| describe_asked(&event)));
                input = &input[taken..];
            }
            let mut answer = server.poll_transmit(*now).map(<[u8]>::to_vec).unwrap_or_default();
            while let Some(frame) = server.poll_data(1_000) {
                answer.extend(frame.header);
                answer.extend((0..frame.length).map(|index| (frame.position + index as u64) as u8));
            }
            let mut input = answer.as_slice();
            while !input.is_empty() {
                let (taken, event) = player.handle_input(*now, input).expect("a server that does right");
                told.extend(event.and_then(|event| describe(&event)));
                input = &input[taken..];
            }
            if said.is_none() && answer.is_empty() {
                return;
            }
        }
    }

    /// The one question that was asked like this and not answered.
    #[track_caller]
    pub(crate) fn take_asked(&mut self, what: &str) -> u32 {
        let find = |world: &Self| world.asked.iter().position(|(_, asked)| is_like(asked, what));
        // What was asked before is answered before the server sees what is asked now.
        let place = find(self).or_else(|| {
            self.exchange();
            find(self)
        });
        let place = place.unwrap_or_else(|| panic!("not asked: {what}, but {:?}", self.asked));
        self.last_asked = self.asked[place].1.clone();
        self.asked.remove(place).0
    }

    /// Nothing else was asked.
    #[track_caller]
    pub(crate) fn check_asked(&mut self, expected: &[&str]) {
        self.exchange();
        let asked: Vec<_> = self.asked.iter().map(|(_, asked)| asked.as_str()).collect();
        let is_expected =
            asked.len() == expected.len() && asked.iter().zip(expected).all(|(is, like)| is_like(is, like));
        assert!(is_expected, "{asked:?}, not {expected:?}");
    }

    /// What the listener was told since the last of these.
    #[track_caller]
    pub(crate) fn check_told(&mut self, expected: &[&str]) {
        self.exchange();
        assert_eq!(std::mem::take(&mut self.told), expected);
    }

    // ── answers ──

    /// Starts what was asked for like this, as the song of this number.
    #[track_caller]
    pub(crate) fn start_as(&mut self, asked: &str, song: u32, tag: u64, position: u64) {
        let stream = StreamId(self.take_asked(asked));
        let started = Started {
            stream,
            song: SongId(song),
            content_tag: tag,
            position,
            size_bytes: SONG_BYTES,
            end_sample: 441_000,
            bitrate: 128_000,
            rate: 44_100,
            channels: 2,
            ..Started::default()
        };
        self.server.start(&started).expect("room");
        self.exchange();
    }

    /// Starts the song that was asked for from its beginning.
    #[track_caller]
    pub(crate) fn start(&mut self, song: u32) {
        self.start_as(&format!("PLAY {song} at 0 ms"), song, tag_of(song), 0);
    }

    /// Refuses to play what was asked for like this.
    #[track_caller]
    pub(crate) fn refuse(&mut self, asked: &str) {
        let stream = StreamId(self.take_asked(asked));
        self.server.refuse_play(stream, ErrorCode::NO_SUCH_SONG, "").expect("room");
        self.exchange();
    }

    /// Refuses this LIST.
    #[track_caller]
    pub(crate) fn refuse_list(&mut self, asked: &str) {
        let request = RequestId(self.take_asked(asked));
        self.server.refuse_info(request, ErrorCode::READ_FAILED, "").expect("room");
        self.exchange();
    }

    /// The songs that this LIST finds, whatever its page is.
    fn found(&self, asked: &str) -> Vec<u32> {
        let within = asked.split_once(" of ").map(|(_, within)| within);
        if let Some(song) = within.and_then(|within| within.strip_prefix("Album ")) {
            let album = (self.album_of)(song.parse().expect("a number"));
            return self.library.iter().copied().filter(|song| (self.album_of)(*song) == album).collect();
        }
        let range = within.and_then(|range| range.split_once('-'));
        let range = range.map(|(first, last)| first.parse().expect("a number")..=last.parse().expect("a number"));
        self.library.iter().copied().filter(|song| range.as_ref().is_none_or(|range| range.contains(song))).collect()
    }

    /// One song of the answer to this LIST.
    #[track_caller]
    fn send_listed(&mut self, asked: &str, request: RequestId, song: u32) {
        let rank = self.found(asked).iter().position(|found| *found >= song).unwrap_or(0) as u32;
        let album = (self.album_of)(song);
        let song = Song { request, song: SongId(song), title: "x", album, rank: Some(rank), ..Song::default() };
        self.server.song(&song).expect("room");
        self.exchange();
    }

    /// Answers all that is asked: a LIST with the songs of the library, a PLAY with the song.
    #[track_caller]
    pub(crate) fn serve(&mut self) {
        self.exchange();
        while let Some((_, asked)) = self.asked.first().cloned() {
            let words: Vec<_> = asked.split([' ', ',']).filter(|word| !word.is_empty()).collect();
            let number = |index: usize| words[index].parse::<u32>().expect("a number");
            match words[0] {
                "PLAY" => self.start(number(1)),
                _ => {
                    let found = self.found(&asked);
                    let begin = match words[1] {
                        "from" => found.iter().position(|song| *song == number(2)).expect("it is found"),
                        _ => number(2) as usize,
                    };
                    let page: Vec<_> = found.iter().copied().skip(begin).take(number(3) as usize).collect();
                    self.answer(&asked, &page, found.get(begin + page.len()).copied());
                }
            }
            self.exchange();
        }
    }

    /// Answers a LIST with these songs.
    #[track_caller]
    pub(crate) fn answer(&mut self, asked: &str, songs: &[u32], next: Option<u32>) {
        let request = RequestId(self.take_asked(asked));
        let asked = self.last_asked.clone();
        songs.iter().for_each(|song| self.send_listed(&asked, request, *song));
        let total = self.found(&asked).len() as u32;
        let end = ListEnd { request, total, next: next.map(SongId), generation: 1 };
        self.server.list_end(&end).expect("room");
        self.exchange();
    }

    /// Lists one song for this LIST, which is not complete then.
    #[track_caller]
    pub(crate) fn list_song(&mut self, asked: &str, song: u32) {
        self.exchange();
        let found = self.asked.iter().find(|(_, what)| is_like(what, asked));
        let (request, asked) = found.expect("it was asked").clone();
        self.send_listed(&asked, RequestId(request), song);
    }

    /// Answers an INFO.
    #[track_caller]
    pub(crate) fn inform(&mut self, song: u32) {
        let request = RequestId(self.take_asked(&format!("INFO {song}")));
        let song = Song { request, song: SongId(song), title: "x", ..Song::default() };
        self.server.song(&song).expect("room");
        self.exchange();
    }

    // ── the listener and the decoder ──

    /// Plays a song. The server learns of it before anything else happens.
    pub(crate) fn play(&mut self, song: u32) {
        self.want(song);
        self.exchange();
    }

    /// Plays a song. The server answers what it was asked before first.
    pub(crate) fn want(&mut self, song: u32) {
        self.player.play(self.now, Selection::Song { song: SongId(song), at: Duration::ZERO });
    }

    /// Plays a song, which starts.
    #[track_caller]
    pub(crate) fn hear(&mut self, song: u32) {
        self.play(song);
        self.start(song);
    }

    /// Plays these songs; the first is found and starts.
    #[track_caller]
    pub(crate) fn hear_range(&mut self, first: u32, last: u32) {
        self.player.play(self.now, Selection::Range { first: SongId(first), last: SongId(last) });
        self.answer("LIST at 0, 1", &[first], Some(first + 1));
        self.start(first);
    }

    /// Takes the decoder's next step, which `frame` is the answer to if it decodes.
    pub(crate) fn step(&mut self, frame: Decoded) -> Step {
        let step = self.player.decode(self.now, &mut Script(frame), &mut [0; PCM_SAMPLES]);
        self.exchange();
        step
    }

    /// The output is ready for the song heard.
    pub(crate) fn begin(&mut self) -> bool {
        let heard = self.player.heard().expect("a song is heard").item.id;
        self.player.handle_began(heard)
    }

    /// The song heard, and all that is to come of it, is heard to its end.
    pub(crate) fn finish(&mut self) {
        self.player.handle_finished();
        self.exchange();
    }

    pub(crate) fn heard(&self) -> Option<u32> {
        self.player.heard().map(|track| track.started.song.0)
    }
}

/// A decoder whose answer to any input is given.
struct Script(Decoded);

impl FrameDecoder for Script {
    fn decode(&mut self, _: &[u8], _: bool, _: &mut [i16; PCM_SAMPLES]) -> Decoded {
        self.0
    }

    fn reset(&mut self) {}
}

/// Whether a question is this one. A test need not say in which source a LIST looks.
fn is_like(asked: &str, expected: &str) -> bool {
    asked == expected || (asked.starts_with("LIST") && asked.split(" of ").next() == Some(expected))
}

fn describe_asked(event: &Asked<'_>) -> Option<(u32, String)> {
    match event {
        Asked::List(list) => {
            let search = list.search.expect("in library order");
            let what = match (search.numbers, search.within) {
                (Some((first, last)), _) => format!(" of {first}-{last}"),
                (None, Some((group, song))) => format!(" of {group:?} {song}"),
                (None, None) => String::new(),
            };
            let words = if search.query.is_empty() { String::new() } else { format!(" {:?}", search.query) };
            let group = search.group.map(|group| format!(" by {group:?}")).unwrap_or_default();
            let start = match (search.is_best, list.first.0) {
                (true, _) => "best".to_owned(),
                (false, 0) => format!("at {}", search.rank),
                (false, song) => format!("from {song}"),
            };
            Some((list.request.0, format!("LIST{words}{group} {start}, {}{what}", list.at_most)))
        }
        Asked::Info(info) => Some((info.request.0, format!("INFO {}", info.song))),
        Asked::Play(play) => {
            let place = match play.start {
                Start::Time(ms) => format!("at {ms} ms"),
                Start::Resume(byte) => format!("from {byte}"),
            };
            let tag = if play.content_tag == 0 { String::new() } else { format!(" tag {}", play.content_tag) };
            Some((play.stream.0, format!("PLAY {} {place}{tag}", play.song)))
        }
        _ => None,
    }
}

fn describe(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::Connected(welcome) => format!("connected to {}", welcome.server_name),
        Event::Reconnected => "connected again".to_owned(),
        Event::Listed(song) => format!("listed {}", song.song),
        Event::PageEnd(page_end, _) => format!("{page_end:?}"),
        Event::Info(song) => format!("info {}", song.song),
        Event::Title(song) => format!("title of {}", song.song),
        Event::Started(_) => return None,
        Event::EndedEarly(song) => format!("{song} ended early"),
        Event::Refused(Refused::Play(song), _) => format!("no {song}"),
        Event::Refused(refused, _) => format!("{refused:?}"),
        Event::Edge(Some(song), direction) => format!("{song} is the edge, {direction:?}"),
        Event::Edge(None, direction) => format!("the queue's edge, {direction:?}"),
        Event::Following(song) => format!("{} follows", song.song),
        Event::Found(song) => format!("found {}", song.song),
        Event::Added { position, songs, others, .. } => format!("{songs} added at {position}, {others} others"),
        Event::MoreMatches(selection, others) => format!("{others} others match {selection}"),
        Event::NothingFound(selection) => format!("no {selection}"),
        Event::Failed(error) => format!("failed {}", error.code.0),
        Event::Goodbye(reason) => format!("goodbye {reason:?}"),
    })
}

/// Asks for something to be shown.
pub(crate) fn ask(world: &mut World, question: Question) {
    world.player.ask(question).expect("room");
    world.exchange();
}

/// A song that is larger than the buffer, and the number of its bytes that have come.
pub(crate) fn half_heard() -> (World, u64) {
    half_heard_in(World::connected())
}

/// The same in a world where nothing was played before.
pub(crate) fn half_heard_in(mut world: World) -> (World, u64) {
    world.play(1);
    let started = large_song(StreamId(world.take_asked("PLAY 1 at 0 ms")));
    world.server.start(&started).expect("room");
    world.exchange();
    let received = world.player.heard().expect("it started").received;
    assert!(received > 0 && received < started.size_bytes);
    (world, received)
}

/// Goes on with that song on a new connection.
pub(crate) fn resume(world: &mut World, received: u64) {
    let stream = StreamId(world.take_asked(&format!("PLAY 1 from {received} tag {}", tag_of(1))));
    world.server.start(&Started { position: received, ..large_song(stream) }).expect("room");
    world.exchange();
}

pub(crate) fn large_song(stream: StreamId) -> Started {
    Started {
        stream,
        song: SongId(1),
        content_tag: tag_of(1),
        size_bytes: 1_000_000,
        end_sample: 44_100_000,
        bitrate: 128_000,
        rate: 44_100,
        channels: 2,
        ..Started::default()
    }
}
