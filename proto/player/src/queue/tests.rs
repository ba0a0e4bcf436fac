use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::NotPossible;

const KEY: u32 = 7;

/// An entry of so many songs with these numbers.
fn add(queue: &mut Queue<'_>, first: u32, songs: u32) -> Place {
    let entry = numbers(queue, first, songs);
    queue.add(entry);
    entry.at(0)
}

fn numbers(queue: &mut Queue<'_>, first: u32, songs: u32) -> Entry {
    queue.new_entry(Source::Numbers { first: SongId(first), last: SongId(first + songs - 1) }, songs)
}

/// The number of the song at a place.
#[track_caller]
fn song(queue: &Queue<'_>, place: Place) -> u32 {
    match queue.entry(place).expect("it is in the queue").source {
        Source::Numbers { first, .. } => first.0 + place.rank,
        source => panic!("{source:?}"),
    }
}

/// Begins at the first place.
fn begin(queue: &mut Queue<'_>, first: Place) {
    queue.go_to(first);
}

/// Plays so many songs and returns their numbers; fewer if the queue ends.
fn play(queue: &mut Queue<'_>, songs: usize) -> Vec<u32> {
    let mut played = Vec::new();
    while played.len() < songs
        && let Some(next) = queue.next(queue.current())
    {
        queue.go_to(next);
        played.push(song(queue, next));
    }
    played
}

/// Goes back so many songs.
fn go_back(queue: &mut Queue<'_>, songs: usize) -> Vec<u32> {
    let mut played = Vec::new();
    while played.len() < songs
        && let Some(previous) = queue.previous(queue.current())
    {
        queue.go_to(previous);
        played.push(song(queue, previous));
    }
    played
}

/// The numbers of all songs, in the order that people see.
fn shown(queue: &Queue<'_>) -> Vec<u32> {
    (0..queue.songs()).map(|index| song(queue, queue.place_at(index, Standing::is_shown).expect("a place"))).collect()
}

#[test]
fn entries_follow_each_other_and_end() {
    let mut memory = QueueMemory::<4>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    let first = add(&mut queue, 10, 3);
    add(&mut queue, 20, 2);
    begin(&mut queue, first);
    assert_eq!(play(&mut queue, 9), [11, 12, 20, 21]);
    assert_eq!(go_back(&mut queue, 9), [20, 12, 11, 10]);
    assert_eq!((queue.present(), queue.songs()), (Some(1), 5));
    queue.repeat = Repeat::All;
    assert_eq!(play(&mut queue, 6), [11, 12, 20, 21, 10, 11]);
    queue.repeat = Repeat::One;
    assert_eq!(queue.following(queue.current()), Some(queue.current()));
    assert_eq!(play(&mut queue, 1), [12], "a command goes on");
    queue.stops_after = true;
    assert_eq!(queue.following(queue.current()), None);
}

#[test]
fn songs_up_next_play_first_and_leave() {
    let mut memory = QueueMemory::<8>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    let first = add(&mut queue, 10, 4);
    begin(&mut queue, first);
    for number in [30, 40] {
        let entry = numbers(&mut queue, number, 2);
        queue.add_up_next(entry);
    }
    assert_eq!(shown(&queue), [10, 30, 31, 40, 41, 11, 12, 13]);
    assert_eq!(play(&mut queue, 2), [30, 31]);
    assert_eq!(shown(&queue), [10, 31, 40, 41, 11, 12, 13], "30 was heard");
    assert_eq!(go_back(&mut queue, 1), [10]);
    assert_eq!(play(&mut queue, 9), [40, 41, 11, 12, 13]);
    assert_eq!(shown(&queue), [10, 11, 12, 13]);
}

#[test]
fn songs_are_removed_by_their_positions() {
    let mut memory = QueueMemory::<4>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    let first = add(&mut queue, 10, 5);
    begin(&mut queue, first);
    assert_eq!(play(&mut queue, 1), [11]);
    for (first, last) in [(0, 1), (2, 1), (5, 6)] {
        assert_eq!(queue.remove(first, last, 3), Err(NotPossible::NoSuchPlace { songs: 5 }));
    }
    assert_eq!(queue.remove(3, 4, 0), Err(NotPossible::QueueFull), "two boundaries are inside the entry");
    assert_eq!(queue.remove(3, 4, 3), Ok(None));
    assert_eq!((shown(&queue), play(&mut queue, 9)), ([10, 11, 14].to_vec(), [14].to_vec()));
    assert_eq!(queue.remove(3, 3, 0), Ok(Some(None)), "none follows");
    assert_eq!(go_back(&mut queue, 9), [11, 10], "the present song is gone");
    let next = queue.remove(1, 1, 1).expect("a song").expect("the present one").expect("another");
    assert_eq!(song(&queue, next), 11);
}

#[test]
fn a_full_queue_can_be_emptied() {
    let mut memory = QueueMemory::<2>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    let first = add(&mut queue, 10, 1);
    add(&mut queue, 20, 1);
    begin(&mut queue, first);
    assert_eq!((queue.room(), queue.remove(2, 2, 0)), (0, Ok(None)));
    assert_eq!((queue.room(), shown(&queue)), (1, [10].to_vec()));
}

#[test]
fn clear_keeps_the_present_song_and_what_was_before() {
    let mut memory = QueueMemory::<8>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    let first = add(&mut queue, 10, 5);
    begin(&mut queue, first);
    play(&mut queue, 2);
    let entry = numbers(&mut queue, 30, 2);
    queue.add_up_next(entry);
    queue.clear();
    assert_eq!((shown(&queue), queue.next(queue.current())), ([10, 11, 12].to_vec(), None));
    queue.set_shuffle(Shuffle::Songs);
    queue.clear();
    assert_eq!((shown(&queue), queue.next(queue.current())), ([12].to_vec(), None));
}

#[test]
fn a_shuffled_queue_plays_every_other_song_once_and_goes_back_the_same_way() {
    for songs in [1_u32, 2, 3, 7, 100] {
        let mut memory = QueueMemory::<4>::new();
        let mut queue = Queue::new(&mut memory, KEY + songs);
        let first = add(&mut queue, 100, songs);
        add(&mut queue, 1_000, songs);
        begin(&mut queue, first);
        let before = play(&mut queue, songs as usize / 2);
        let present = song(&queue, queue.current());
        queue.set_shuffle(Shuffle::Songs);
        let mut played = play(&mut queue, 1_000);
        let mut back = go_back(&mut queue, 1_000);
        back.reverse();
        assert_eq!(back, [&[present], &played[..played.len() - 1]].concat());
        played.push(present);
        played.sort_unstable();
        assert_eq!(played, (100..100 + songs).chain(1_000..1_000 + songs).collect::<Vec<_>>(), "{before:?}");
    }
}

#[test]
fn each_round_of_a_shuffled_queue_has_another_order() {
    let mut memory = QueueMemory::<4>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    let first = add(&mut queue, 0, 20);
    begin(&mut queue, first);
    queue.set_shuffle(Shuffle::Songs);
    queue.repeat = Repeat::All;
    let first = [0].into_iter().chain(play(&mut queue, 19)).collect::<Vec<_>>();
    let second = play(&mut queue, 20);
    assert_ne!(first, second);
    let mut sorted = second.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..20).collect::<Vec<_>>());
    let mut back = go_back(&mut queue, 39);
    back.reverse();
    assert_eq!(back, [first, second[..19].to_vec()].concat(), "over the end of the round");
}

#[test]
fn songs_added_to_a_shuffled_queue_come_after_it_and_take_part_in_the_next_round() {
    let mut memory = QueueMemory::<8>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    let first = add(&mut queue, 0, 5);
    begin(&mut queue, first);
    queue.set_shuffle(Shuffle::Songs);
    queue.repeat = Repeat::All;
    play(&mut queue, 2);
    add(&mut queue, 100, 2);
    let entry = numbers(&mut queue, 50, 1);
    queue.add_up_next(entry);
    let rest = play(&mut queue, 5);
    assert_eq!((rest[0], &rest[3..]), (50, &[100, 101][..]), "{rest:?}");
    assert_eq!(go_back(&mut queue, 1), [100]);
    assert_eq!(play(&mut queue, 1), [101]);
    let mut round = play(&mut queue, 7);
    round.sort_unstable();
    assert_eq!(round, [0, 1, 2, 3, 4, 100, 101]);
}

#[test]
fn songs_removed_from_a_shuffled_queue_do_not_change_the_order_of_the_others() {
    let mut memory = QueueMemory::<8>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    let first = add(&mut queue, 0, 10);
    begin(&mut queue, first);
    queue.set_shuffle(Shuffle::Songs);
    let order = play(&mut queue, 9);
    go_back(&mut queue, 9);
    // Songs 3 to 5, none of which is the present one.
    assert_eq!(queue.remove(4, 6, 4), Ok(None));
    let left: Vec<_> = order.into_iter().filter(|song| !(3..=5).contains(song)).collect();
    assert_eq!(play(&mut queue, 9), left);
    let present = queue.present().expect("a song");
    assert_eq!(queue.remove(present, present, 4), Ok(Some(None)));
    let back: Vec<_> = left[..left.len() - 1].iter().rev().copied().chain([0]).collect();
    assert_eq!(go_back(&mut queue, 9), back);
}

#[test]
fn without_shuffle_the_queue_goes_on_in_order_from_the_present_song() {
    let mut memory = QueueMemory::<8>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    let first = add(&mut queue, 0, 10);
    begin(&mut queue, first);
    queue.set_shuffle(Shuffle::Songs);
    let present = play(&mut queue, 3)[2];
    queue.set_shuffle(Shuffle::Off);
    assert_eq!(play(&mut queue, 9), (present + 1..10).collect::<Vec<_>>());
}

#[test]
fn a_library_that_grows_or_shrinks_changes_whole_entries_only() {
    let mut memory = QueueMemory::<8>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    let first = add(&mut queue, 0, 3);
    begin(&mut queue, first);
    queue.resize(first, 5);
    assert_eq!(queue.songs(), 5);
    play(&mut queue, 3);
    queue.resize(first, 2);
    assert_eq!(queue.songs(), 4, "the present song stays");
    assert_eq!(queue.remove(1, 1, 4), Ok(None));
    queue.resize(queue.current(), 9);
    assert_eq!(queue.songs(), 3);
}

#[test]
fn a_list_for_the_screen_stays_within_an_entry() {
    let mut memory = QueueMemory::<8>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    add(&mut queue, 10, 3);
    add(&mut queue, 20, 5);
    let list = queue.list(2, 9).expect("a position");
    assert_eq!((list.numbers, list.start, list.at_most), (Some((SongId(10), SongId(12))), Start::Rank(1), Some(2)));
    let list = queue.list(4, 3).expect("a position");
    assert_eq!((list.numbers, list.start, list.at_most), (Some((SongId(20), SongId(24))), Start::Rank(0), Some(3)));
    assert_eq!((queue.list(0, 1), queue.list(9, 1)), (None, None));
}

#[test]
fn shown_entries_tell_the_positions_of_their_songs() {
    let mut memory = QueueMemory::<8>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    let first = add(&mut queue, 1, 3);
    add(&mut queue, 10, 1);
    add(&mut queue, 20, 2);
    queue.set_shuffle(Shuffle::Songs);
    begin(&mut queue, first);
    queue.remove(4, 4, 8).expect("there is such a place");
    let shown: Vec<_> = queue.shown_entries().map(|(first, entry)| (first, entry.songs)).collect();
    assert_eq!(shown, [(1, 3), (4, 2)], "the entry that was removed only keeps its number in the permutation");
}

#[test]
fn a_song_up_next_that_is_refused_takes_no_other_with_it() {
    let mut memory = QueueMemory::<8>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    let first = add(&mut queue, 10, 1);
    begin(&mut queue, first);
    let album = numbers(&mut queue, 30, 3);
    queue.add_up_next(album);
    assert_eq!(play(&mut queue, 1), [30]);
    queue.drop_if_up_next(album.at(1));
    assert_eq!(shown(&queue), [10, 30, 31, 32], "31 leaves when the song after it begins");
    queue.go_to(album.at(2));
    assert_eq!(shown(&queue), [10, 32]);
    queue.drop_if_up_next(album.at(2));
    assert_eq!(shown(&queue), [10, 32], "it plays");
}

#[test]
fn an_entry_that_was_divided_is_one_again() {
    let mut memory = QueueMemory::<4>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    let first = add(&mut queue, 100, 50);
    begin(&mut queue, first);
    for number in 1..40 {
        let entry = numbers(&mut queue, number, 1);
        queue.add_up_next(entry);
        assert_eq!(play(&mut queue, 2), [number, 100 + number]);
        assert_eq!((queue.room(), queue.songs()), (3, 50));
    }
}

#[test]
fn neighbours_that_leave_a_shuffled_queue_take_one_entry() {
    let mut memory = QueueMemory::<4>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    let first = add(&mut queue, 100, 50);
    begin(&mut queue, first);
    queue.set_shuffle(Shuffle::Songs);
    for _ in 0..20 {
        assert_eq!(queue.remove(10, 10, queue.room()), Ok(None));
    }
    assert_eq!((queue.room(), queue.songs()), (1, 30));
}

#[test]
fn what_is_added_to_an_empty_queue_is_shuffled() {
    let mut memory = QueueMemory::<4>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    queue.set_shuffle(Shuffle::Songs);
    for _ in 0..2 {
        let entry = numbers(&mut queue, 0, 20);
        let first = queue.add(entry);
        begin(&mut queue, first);
        let mut played = [[song(&queue, first)].to_vec(), play(&mut queue, 99)].concat();
        assert!(!played.is_sorted());
        played.sort_unstable();
        assert_eq!(played, (0..20).collect::<Vec<_>>());
        queue.clear_all();
    }
}

#[test]
fn clear_keeps_what_stands_before_a_song_up_next_that_plays() {
    let mut memory = QueueMemory::<8>::new();
    let mut queue = Queue::new(&mut memory, KEY);
    let first = add(&mut queue, 10, 5);
    begin(&mut queue, first);
    play(&mut queue, 1);
    let entry = numbers(&mut queue, 30, 2);
    queue.add_up_next(entry);
    play(&mut queue, 1);
    queue.clear();
    assert_eq!((shown(&queue), queue.present()), ([10, 11, 30].to_vec(), Some(3)));
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Next,
    Previous,
    Add(u32),
    UpNext(u32),
    Remove(u32),
    Repeat(bool),
    Shuffle,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        12 => Just(Change::Next),
        4 => Just(Change::Previous),
        2 => (1..4_u32).prop_map(Change::Add),
        2 => (1..3_u32).prop_map(Change::UpNext),
        2 => (0..1_000_u32).prop_map(Change::Remove),
        1 => any::<bool>().prop_map(Change::Repeat),
        1 => Just(Change::Shuffle),
    ]
}

/// A shuffled queue, beside what has played in the present round.
struct Shuffled<'m> {
    queue: Queue<'m>,
    /// Every song has a number of its own. Songs up next have odd ones.
    last_number: u32,
    /// The songs of this round, without those up next, up to the main one.
    round: Vec<u32>,
    is_first_round: bool,
}

impl Shuffled<'_> {
    fn number(&mut self, songs: u32, is_up_next: bool) -> Entry {
        let first = (self.last_number + 1).next_multiple_of(100) + u32::from(is_up_next) * 50;
        self.last_number = first + songs;
        numbers(&mut self.queue, first, songs)
    }

    fn main_songs(&self) -> Vec<u32> {
        shown(&self.queue).into_iter().filter(|song| song % 100 < 50).collect()
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Next => self.next(),
            Change::Previous => self.previous(),
            Change::Add(songs) if self.queue.room() >= 1 => {
                let entry = self.number(songs, false);
                self.queue.add(entry);
            }
            Change::UpNext(songs) if self.queue.room() >= 2 => {
                let entry = self.number(songs, true);
                self.queue.add_up_next(entry);
            }
            Change::Add(_) | Change::UpNext(_) => {}
            Change::Remove(position) => {
                let position = 1 + position % self.queue.songs();
                // The present song stays: what follows it in its place is the business of the music.
                if self.queue.present() != Some(position) && self.queue.songs() > 1 {
                    let removed = song(&self.queue, self.queue.at_position(position).expect("it is there"));
                    if self.queue.remove(position, position, self.queue.room()).is_ok() {
                        self.round.retain(|song| *song != removed);
                    }
                }
            }
            Change::Repeat(repeats) => self.queue.repeat = if repeats { Repeat::All } else { Repeat::Off },
            Change::Shuffle => {
                // The main song counts as played, unless it has left the queue while a song up next played.
                let main = Some(self.queue.main).filter(|main| self.queue.contains(*main));
                let last = main.map(|main| song(&self.queue, main));
                self.queue.set_shuffle(Shuffle::Songs);
                (self.round, self.is_first_round) = (last.into_iter().collect(), true);
            }
        }
    }

    fn next(&mut self) {
        let unplayed = |shuffled: &Self| shuffled.main_songs().into_iter().any(|song| !shuffled.round.contains(&song));
        let Some(place) = self.queue.next(self.queue.current()) else {
            assert!(!unplayed(self) && (self.queue.repeat == Repeat::Off || self.main_songs().is_empty()));
            return;
        };
        let next = song(&self.queue, place);
        if next % 100 < 50 {
            if !unplayed(self) {
                assert_eq!(self.queue.repeat, Repeat::All);
                (self.round, self.is_first_round) = (Vec::new(), false);
            }
            assert!(!self.round.contains(&next), "{next} has played in this round: {:?}", self.round);
            self.round.push(next);
        }
        self.queue.go_to(place);
    }

    fn previous(&mut self) {
        let is_up_next = song(&self.queue, self.queue.current()) % 100 >= 50;
        let before = if is_up_next { self.round.last() } else { self.round.iter().rev().nth(1) };
        let expected = before.copied();
        let previous = self.queue.previous(self.queue.current());
        // A later round may lead back into the one before it.
        if expected.is_some() || self.is_first_round {
            assert_eq!(previous.map(|place| song(&self.queue, place)), expected, "{:?}", self.round);
            if !is_up_next && expected.is_some() {
                self.round.pop();
            }
            previous.into_iter().for_each(|place| self.queue.go_to(place));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(7_455), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn any_changes_leave_each_song_its_turn_in_a_round(key: u32, changes in prop::collection::vec(change(), 0..80)) {
        let mut memory = QueueMemory::<16>::new();
        let queue = Queue::new(&mut memory, key);
        let mut shuffled = Shuffled { queue, last_number: 0, round: Vec::new(), is_first_round: true };
        shuffled.queue.set_shuffle(Shuffle::Songs);
        let entry = shuffled.number(5, false);
        let first = shuffled.queue.add(entry);
        shuffled.queue.go_to(first);
        shuffled.round.push(song(&shuffled.queue, first));
        for change in changes {
            shuffled.apply(change);
        }
    }
}
