//! The queue against a plain list of its songs.
//!
//! Any sequence of changes, steps, songs that end and cuts is played by a server that answers everything before the next
//! operation. Then the song heard, the queue and the position in it must be those of the list.

#[path = "model/world.rs"]
#[expect(dead_code, reason = "the other model uses more of it")]
mod world;

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use trill_player::command::{Repeat, Selection};
use trill_player::{Direction, NotPossible, QueueMemory, Source, Step};
use trill_proto::ids::SongId;
use world::{LIBRARY, World};

#[derive(Clone, Copy, Debug)]
enum Operation {
    Play(What),
    Add(What),
    PlayNext(What),
    Remove(u32, u32),
    Clear,
    Repeat(Repeat),
    StopAfter(bool),
    Step(Direction),
    Jump(u32),
    Finish,
    Stop,
    Resume,
    Cut,
}

/// Songs that the server can play.
#[derive(Clone, Copy, Debug)]
enum What {
    Song(u32),
    TwoAndThree,
}

impl What {
    fn selection(self) -> Selection<'static> {
        match self {
            Self::Song(song) => Selection::Song { song: SongId(song), at: Duration::ZERO },
            Self::TwoAndThree => Selection::Range { first: SongId(1), last: SongId(4) },
        }
    }

    fn songs(self) -> Vec<u32> {
        match self {
            Self::Song(song) => vec![song],
            Self::TwoAndThree => vec![2, 3],
        }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    let what = || prop_oneof![3 => prop_oneof![Just(2), Just(3), Just(6), Just(10)].prop_map(What::Song), 2 => Just(What::TwoAndThree)];
    prop_oneof![
        1 => what().prop_map(Operation::Play),
        5 => what().prop_map(Operation::Add),
        4 => what().prop_map(Operation::PlayNext),
        4 => (1..8_u32, 0..3_u32).prop_map(|(first, more)| Operation::Remove(first, first + more)),
        1 => Just(Operation::Clear),
        2 => prop_oneof![Just(Repeat::Off), Just(Repeat::All), Just(Repeat::One)].prop_map(Operation::Repeat),
        1 => any::<bool>().prop_map(Operation::StopAfter),
        5 => prop_oneof![2 => Just(Direction::Next), 1 => Just(Direction::Previous)].prop_map(Operation::Step),
        2 => (1..8_u32).prop_map(Operation::Jump),
        6 => Just(Operation::Finish),
        1 => Just(Operation::Stop),
        2 => Just(Operation::Resume),
        1 => Just(Operation::Cut),
    ]
}

/// A song of the list, and whether it is up next. Each has a number of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    id: u32,
    song: u32,
    is_up_next: bool,
}

/// The queue as a plain list.
#[derive(Debug, Default)]
struct List {
    entries: Vec<Entry>,
    /// The entry heard, or heard last, and the one heard last that was not up next; 0 for the place before all.
    current: u32,
    main: u32,
    is_playing: bool,
    is_over: bool,
    repeat: Repeat,
    stops_after: bool,
    last_id: u32,
}

impl List {
    fn entry(&self, id: u32) -> Option<Entry> {
        self.entries.iter().find(|entry| entry.id == id).copied()
    }

    fn make(&mut self, what: What, is_up_next: bool) -> Vec<Entry> {
        let songs = what.songs().into_iter();
        songs
            .map(|song| {
                self.last_id += 1;
                Entry { id: self.last_id, song, is_up_next }
            })
            .collect()
    }

    fn go_to(&mut self, id: u32) {
        let target = self.entry(id).expect("it is in the list");
        if id != self.current {
            let up_next: Vec<_> = self.entries.iter().filter(|entry| entry.is_up_next).map(|entry| entry.id).collect();
            let until = |id| up_next.iter().position(|other| *other == id);
            let heard = until(self.current).map_or(0, |at| at + 1);
            let gone = &up_next[..heard.max(until(id).unwrap_or(0))];
            self.entries.retain(|entry| !gone.contains(&entry.id));
        }
        (self.current, self.is_playing, self.is_over) = (id, true, false);
        if !target.is_up_next {
            self.main = id;
        }
    }

    fn next(&self) -> Option<u32> {
        let mut up_next = self.entries.iter().filter(|entry| entry.is_up_next).map(|entry| entry.id);
        let is_up_next = self.entry(self.current).is_some_and(|entry| entry.is_up_next);
        let first = if is_up_next { up_next.skip_while(|id| *id != self.current).nth(1) } else { up_next.next() };
        first.or_else(|| {
            let main: Vec<_> = self.entries.iter().filter(|entry| !entry.is_up_next).map(|entry| entry.id).collect();
            let next = main.iter().position(|id| *id == self.main).map_or(0, |at| at + 1);
            main.get(next).or(main.first().filter(|_| self.repeat == Repeat::All)).copied()
        })
    }

    fn previous(&self) -> Option<u32> {
        if self.current != self.main && self.entry(self.main).is_some() {
            return Some(self.main);
        }
        let main: Vec<_> = self.entries.iter().filter(|entry| !entry.is_up_next).map(|entry| entry.id).collect();
        let at = main.iter().position(|id| *id == self.main)?;
        Some(main[at.checked_sub(1)?])
    }

    fn add(&mut self, what: What, is_up_next: bool) {
        let begins = !self.is_playing;
        let new = self.make(what, is_up_next && !begins);
        let first = new[0].id;
        let at = if begins || !is_up_next {
            self.entries.len()
        } else {
            let last = self.entries.iter().rposition(|entry| entry.is_up_next);
            let main = || self.entries.iter().position(|entry| entry.id == self.main);
            last.or_else(main).map_or(self.entries.len(), |at| at + 1)
        };
        self.entries.splice(at..at, new);
        if begins {
            self.go_to(first);
        }
    }

    fn remove(&mut self, first: usize, last: usize) {
        let removed: Vec<_> = self.entries[first - 1..last].iter().map(|entry| entry.id).collect();
        let is_removed = |id: u32| removed.contains(&id);
        let was_current = is_removed(self.current);
        // The first that follows and stays.
        let (main, current) = (self.main, self.current);
        let mut next = self.next();
        for _ in 0..self.entries.len() {
            let Some(id) = next.filter(|id| is_removed(*id)) else { break };
            self.current = id;
            if !self.entry(id).is_some_and(|entry| entry.is_up_next) {
                self.main = id;
            }
            next = self.next();
        }
        (self.main, self.current) = (main, current);
        let next = next.filter(|id| !is_removed(*id));
        if is_removed(self.main) {
            let before = self.entries[..first - 1].iter().rev().find(|entry| !entry.is_up_next);
            self.main = before.map_or(0, |entry| entry.id);
        }
        self.entries.retain(|entry| !is_removed(entry.id));
        if was_current && self.is_playing {
            match next {
                Some(id) => self.go_to(id),
                None => (self.is_playing, self.stops_after) = (false, false),
            }
        }
    }

    fn clear(&mut self) {
        match self.entries.iter().position(|entry| entry.id == self.current) {
            Some(at) => self.entries.truncate(at + 1),
            None => (self.entries, self.current, self.main) = (Vec::new(), 0, 0),
        }
    }

    /// The song heard ends.
    fn finish(&mut self) {
        let following = match self.repeat {
            _ if self.stops_after => None,
            Repeat::One if self.entry(self.current).is_some() => Some(self.current),
            _ => self.next(),
        };
        match following {
            Some(id) => self.go_to(id),
            None => (self.is_playing, self.is_over, self.stops_after) = (false, true, false),
        }
    }
}

struct Run<'m> {
    world: World<'m>,
    list: List,
}

impl Run<'_> {
    fn operate(&mut self, operation: Operation) {
        let Self { world, list } = self;
        let now = world.now();
        let player = &mut world.player;
        match operation {
            Operation::Play(what) => {
                player.play(now, what.selection());
                list.entries = list.make(what, false);
                list.current = 0;
                list.go_to(list.entries[0].id);
            }
            Operation::Add(what) => match player.add(what.selection()) {
                Ok(()) => list.add(what, false),
                Err(error) => assert_eq!(error, NotPossible::QueueFull),
            },
            Operation::PlayNext(what) => match player.play_next(what.selection()) {
                Ok(()) => list.add(what, true),
                Err(error) => assert_eq!(error, NotPossible::QueueFull),
            },
            Operation::Remove(first, last) => match player.remove(now, first, last) {
                Ok(()) => list.remove(first as usize, last as usize),
                Err(NotPossible::QueueFull) => {}
                Err(error) => {
                    assert!(last as usize > list.entries.len());
                    assert_eq!(error, NotPossible::NoSuchPlace { songs: list.entries.len() as u32 });
                }
            },
            Operation::Clear => {
                player.clear();
                list.clear();
            }
            Operation::Repeat(repeat) => {
                player.set_repeat(repeat);
                list.repeat = repeat;
            }
            Operation::StopAfter(stops_after) => {
                let is_possible = player.set_stop_after(stops_after).is_ok();
                assert_eq!(is_possible, list.is_playing || !stops_after);
                list.stops_after = stops_after && is_possible;
            }
            // A step from a song that was named by its number leaves the queue.
            Operation::Step(_) if matches!(player.queue().entries(), [entry] if is_song(entry)) => {}
            Operation::Step(direction) => {
                let to = if direction == Direction::Next { list.next() } else { list.previous() };
                assert_eq!(player.step(now, direction).is_ok(), to.is_some());
                to.into_iter().for_each(|id| list.go_to(id));
            }
            Operation::Jump(position) => {
                let to = list.entries.get(position as usize - 1).map(|entry| entry.id);
                assert_eq!(player.jump(now, position).is_ok(), to.is_some());
                to.into_iter().for_each(|id| list.go_to(id));
            }
            Operation::Finish if list.is_playing => {
                self.hear_to_end();
                self.list.finish();
            }
            Operation::Finish => {}
            Operation::Stop => {
                let _ = player.stop();
                (list.is_playing, list.stops_after) = (false, false);
            }
            Operation::Resume => {
                let is_here = list.is_playing || !list.is_over && list.entry(list.current).is_some();
                let to = if is_here { Some(list.current) } else { list.next() };
                assert_eq!(player.resume(now).is_ok(), to.is_some());
                to.filter(|_| !list.is_playing).into_iter().for_each(|id| list.go_to(id));
            }
            Operation::Cut => world.cut_after(0),
        }
        self.settle();
        self.check();
    }

    /// The server answers everything.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            if !(self.world.connect() | self.world.serve()) {
                return;
            }
        }
        panic!("the player asks for ever");
    }

    /// The song heard is received, decoded and ends.
    fn hear_to_end(&mut self) {
        for _ in 0..2_000 {
            self.settle();
            self.world.send_music(4_096);
            let (step, _) = self.world.decode();
            match step {
                Step::Begin { id, .. } => drop(self.world.player.handle_began(id)),
                Step::Ended => {
                    let _ = self.world.player.handle_finished();
                    return;
                }
                _ => {}
            }
        }
        panic!("the song does not end");
    }

    #[track_caller]
    fn check(&self) {
        let Self { world, list } = self;
        let player = &world.player;
        assert_eq!(player.heard().map(|track| track.item.song.0), heard(list), "{list:?}");
        let songs: Vec<_> = list.entries.iter().map(|entry| entry.song).collect();
        assert_eq!(songs_of(player.queue()), songs, "{list:?}");
        let position = list.entries.iter().position(|entry| entry.id == list.current).map(|at| at as u32 + 1);
        assert_eq!(player.queue().present(), position, "{list:?}");
        assert_eq!(player.is_silent(), !list.is_playing);
    }
}

fn heard(list: &List) -> Option<u32> {
    list.entry(list.current).filter(|_| list.is_playing).map(|entry| entry.song)
}

fn is_song(entry: &trill_player::Entry) -> bool {
    matches!(entry.source, Source::Song(_))
}

/// The numbers of the songs in the queue.
fn songs_of(queue: &trill_player::Queue<'_>) -> Vec<u32> {
    let of_entry = |entry: &trill_player::Entry| -> Vec<u32> {
        let (first, last) = match entry.source {
            Source::Song(song) => (song.0, song.0),
            Source::Numbers { first, last } => (first.0, last.0),
            source => panic!("{source:?}"),
        };
        let songs = LIBRARY.iter().map(|file| file.song).filter(|song| (first..=last).contains(song));
        songs.skip(entry.first as usize).take(entry.songs as usize).collect()
    };
    queue.entries().iter().flat_map(of_entry).collect()
}

fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let has = |name| std::env::var_os(name).is_some();
    ProptestConfig {
        cases: if has("PROPTEST_CASES") { asked.cases } else { 300 },
        rng_seed: if has("PROPTEST_RNG_SEED") { asked.rng_seed } else { RngSeed::Fixed(7_455) },
        failure_persistence: None,
        ..asked
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_queue_is_a_list_of_songs(operations in vec(operation(), 0..40)) {
        let (mut memory, mut queue) = ([0; 12 * 1024], QueueMemory::new());
        let mut run = Run { world: World::new(&mut memory, &mut queue, true), list: List::default() };
        for operation in operations {
            run.operate(operation);
        }
    }
}
