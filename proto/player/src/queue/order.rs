//! The order of the queue: what is before and after a place.

use super::Queue;
use super::entry::{Place, Standing};
use crate::Direction;
use crate::command::{Repeat, Shuffle};
use crate::shuffle::{Permutation, hash};

/// The order of a shuffled queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) key: u32,
    /// The present round.
    pub(super) round: u16,
    /// The first round with this number of songs. Its order begins at `offset`, with the song that played.
    pub(super) first_round: u16,
    pub(super) offset: u32,
    /// The place at `offset` is the first of its album, as far as albums are shuffled.
    pub(super) begins_album: bool,
    pub(super) songs: u32,
}

impl Queue<'_> {
    /// The place that follows by itself.
    pub(crate) fn following(&self, from: Place) -> Option<Place> {
        match self.repeat {
            _ if self.stops_after => None,
            Repeat::One if self.contains(from) => Some(from),
            _ => self.next(from),
        }
    }

    pub(crate) fn next(&self, from: Place) -> Option<Place> {
        let next_up = self.index_of(from, Standing::is_up_next).map_or(0, |index| index + 1);
        let up_next = self.place_at(next_up, Standing::is_up_next);
        up_next
            .map(|place| Place { round: self.round_of(from), ..place })
            .or_else(|| self.next_main(self.main_of(from)))
    }

    /// Whether the place beside this one depends on albums, which only the server knows.
    pub(crate) fn depends_on_albums(&self, from: Place, direction: Direction) -> bool {
        let is_left = match direction {
            Direction::Next => {
                let next_up = self.index_of(from, Standing::is_up_next).map_or(0, |index| index + 1);
                self.place_at(next_up, Standing::is_up_next).is_none()
            }
            Direction::Previous => from == self.main_of(from) || !self.contains(self.main),
        };
        self.shuffle == Shuffle::Albums && is_left
    }

    /// The same for the place that follows by itself.
    pub(crate) fn follows_by_album(&self, from: Place) -> bool {
        let repeats = self.repeat == Repeat::One && self.contains(from);
        !self.stops_after && !repeats && self.depends_on_albums(from, Direction::Next)
    }

    /// Whether a place that was found still follows this one by itself.
    pub(crate) fn is_followed_by(&self, from: Place, follower: Place) -> bool {
        if !self.follows_by_album(from) {
            return self.following(from) == Some(follower);
        }
        let is_main = self.index_of(follower, Standing::is_main).is_some();
        is_main && follower != from && follower.round == self.round_of(from)
    }

    pub(crate) fn previous(&self, from: Place) -> Option<Place> {
        let main = self.main_of(from);
        if from != main && self.contains(main) {
            return Some(main);
        }
        self.previous_main(main)
    }

    /// The place beside a place that is not up next, without regard to albums.
    pub(crate) fn beside_main(&self, from: Place, direction: Direction) -> Option<Place> {
        match direction {
            Direction::Next => self.next_main(from),
            Direction::Previous => self.previous_main(from),
        }
    }

    fn previous_main(&self, from: Place) -> Option<Place> {
        match self.order {
            None => self.place_at(self.index_of(from, Standing::is_main)?.checked_sub(1)?, Standing::is_main),
            Some(order) => self.previous_shuffled(&order, from),
        }
    }

    /// If the order began inside an album, it begins with this place, the first of the album.
    pub(crate) fn begin_with_album(&mut self, first: Place) {
        let number = self.index_of(first, Standing::is_shuffled);
        let order = self.order.as_mut().filter(|order| !order.begins_album && order.round == first.round);
        if let Some((order, number)) = order.zip(number) {
            (order.offset, order.begins_album) = (order.permutation().index_of(number), true);
        }
    }

    /// The place from which the order goes on when this place leaves, with others.
    pub(super) fn place_kept_before(&self, place: Place, leaves: impl Fn(Place) -> bool) -> Place {
        let before = |counts: fn(Standing) -> bool| {
            let places = (0..self.index_of(place, counts)?).rev().filter_map(move |index| self.place_at(index, counts));
            places.map(|place| self.in_present_round(place)).find(|place| !leaves(*place))
        };
        match self.order {
            None => before(Standing::is_main).unwrap_or_default(),
            // Its number stays in the permutation.
            Some(_) if !self.is_late(place) => place,
            Some(order) => before(Standing::is_late).unwrap_or_else(|| self.last_shuffled(&order)),
        }
    }

    /// The last place of the permutation, even if it was removed.
    fn last_shuffled(&self, order: &Order) -> Place {
        let last = order.songs.saturating_sub(1);
        let number = order.permutation().at(wrap(last, order.begin(), order.songs));
        self.place_at(number, self.counted(order)).map(|place| self.in_present_round(place)).unwrap_or_default()
    }

    /// The place itself, or the main place if it is up next or was removed.
    pub(crate) fn main_of(&self, place: Place) -> Place {
        if self.index_of(place, Standing::is_main).is_some() { place } else { self.main }
    }

    fn round_of(&self, place: Place) -> u16 {
        if self.contains(place) { place.round } else { self.main.round }
    }

    fn next_main(&self, from: Place) -> Option<Place> {
        let repeats = self.repeat == Repeat::All;
        match self.order {
            None => {
                // If the main place was removed, `main` is the place before it.
                let next = self.index_of(from, Standing::is_main).map_or(0, |index| index + 1);
                let again = || self.place_at(0, Standing::is_main).filter(|_| repeats);
                self.place_at(next, Standing::is_main).or_else(again)
            }
            Some(order) => self.next_shuffled(&order, from, repeats),
        }
    }

    fn next_shuffled(&self, order: &Order, from: Place, repeats: bool) -> Option<Place> {
        let present = self.order_in(order, from.round);
        let begin = self.index_in(&present, from).map_or(0, |index| index + 1);
        // A late place is behind all that are shuffled.
        let late = self.index_of(from, Standing::is_late);
        let begin = if late.is_some() { present.songs } else { begin };
        let rest = (begin..present.songs).find_map(|index| self.place_in(&present, index));
        rest.or_else(|| self.late_place(&present, late.map_or(0, |index| index + 1))).or_else(|| {
            let next = self.order_in(order, from.round.wrapping_add(1));
            (0..next.songs).find_map(|index| self.place_in(&next, index)).filter(|_| repeats)
        })
    }

    fn previous_shuffled(&self, order: &Order, from: Place) -> Option<Place> {
        let present = self.order_in(order, from.round);
        let late = self.index_of(from, Standing::is_late);
        if let Some(index) = late.and_then(|index| index.checked_sub(1)) {
            return self.late_place(&present, index);
        }
        let end = if late.is_some() { Some(present.songs) } else { self.index_in(&present, from) };
        let before = (0..end?).rev().find_map(|index| self.place_in(&present, index));
        before.or_else(|| {
            // A round before songs came or went had another permutation.
            let is_first = present.round == present.first_round || self.has_changed();
            let last = self.order_in(order, present.round.wrapping_sub(1));
            (0..last.songs).rev().find_map(|index| self.place_in(&last, index)).filter(|_| !is_first)
        })
    }

    /// The order of a round. If songs came or went, another round than the present one shuffles anew.
    pub(super) fn order_in(&self, order: &Order, round: u16) -> Order {
        if round == order.round || !self.has_changed() {
            return Order { round, ..*order };
        }
        Order {
            round,
            first_round: round,
            offset: 0,
            begins_album: true,
            songs: self.count(Standing::is_main),
            ..*order
        }
    }

    /// Whether songs came or went since the round began.
    pub(super) fn has_changed(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.standing, Standing::Late | Standing::Removed))
    }

    /// Which songs an order counts: in another round than the present one, those that came meanwhile and not those that went.
    fn counted(&self, order: &Order) -> fn(Standing) -> bool {
        let is_present = self.order.is_some_and(|present| present.round == order.round);
        if is_present { Standing::is_shuffled } else { Standing::is_main }
    }

    fn late_place(&self, order: &Order, index: u32) -> Option<Place> {
        let is_present = self.order.is_some_and(|present| present.round == order.round);
        let place = self.place_at(index, Standing::is_late).filter(|_| is_present)?;
        Some(Place { round: order.round, ..place })
    }

    fn place_in(&self, order: &Order, index: u32) -> Option<Place> {
        let number = order.permutation().at(wrap(index, order.begin(), order.songs));
        let place = self.place_at(number, self.counted(order)).filter(|place| self.contains(*place))?;
        Some(Place { round: order.round, ..place })
    }

    fn index_in(&self, order: &Order, place: Place) -> Option<u32> {
        let number = self.index_of(place, self.counted(order)).filter(|number| *number < order.songs)?;
        Some(wrap(order.permutation().index_of(number), order.songs - order.begin(), order.songs))
    }
}

impl Order {
    /// Each round has another order.
    pub(super) fn permutation(&self) -> Permutation {
        Permutation::new(self.key ^ hash(self.round.into()), self.songs)
    }

    /// The index in the permutation at which the round begins.
    const fn begin(&self) -> u32 {
        if self.round == self.first_round { self.offset } else { 0 }
    }
}

/// (`index` + `offset`) modulo `songs`.
fn wrap(index: u32, offset: u32, songs: u32) -> u32 {
    ((u64::from(index) + u64::from(offset)) % u64::from(songs.max(1))) as u32
}
