//! Faults at given bytes of every connection.

use super::{Conditions, Direction, Fault, Shape};
use std::time::Duration;

/// One fault of a script.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The direction.
    pub direction: Direction,
    /// The number of bytes delivered in that direction before it: 0 is before the first.
    pub after_bytes: u64,
    /// The fault.
    pub fault: Fault,
}

/// Faults by position in the stream, independent of the machine's speed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// The faults. Those of one direction occur in the order of their positions.
    pub steps: Vec<Step>,
}

impl Script {
    /// Ends every connection after `bytes` in one direction, by [`Fault::Close`] or [`Fault::Reset`].
    pub fn cut(direction: Direction, bytes: u64, fault: Fault) -> Self {
        Self { steps: vec![Step { direction, after_bytes: bytes, fault }] }
    }

    /// Ten faults over `span_bytes` of each direction that a session must survive: changing delays, rates and
    /// fragments, and short freezes. The seed determines the script.
    pub fn survivable(seed: u64, span_bytes: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut steps = Vec::new();
        for direction in Direction::BOTH {
            steps.extend((0..10).map(|_| {
                let after_bytes = random.u64(0..=span_bytes);
                Step { direction, after_bytes, fault: survivable_fault(&mut random) }
            }));
        }
        Self { steps }
    }

    /// `count` scripts, one per connection of a run that must survive them all. Each has one cut of any kind, at a
    /// uniformly random position within the first `to_server` or `to_client` bytes. The seed determines the scripts.
    pub fn random_cuts(seed: u64, count: usize, to_server: u64, to_client: u64) -> Vec<Self> {
        let mut random = fastrand::Rng::with_seed(seed);
        let faults = [Fault::Close, Fault::HalfClose, Fault::Reset];
        let mut cut = || {
            let place = random.u64(0..to_server + to_client);
            let (direction, bytes) = match place.checked_sub(to_server) {
                None => (Direction::ToServer, place),
                Some(bytes) => (Direction::ToClient, bytes),
            };
            Self::cut(direction, bytes, faults[random.usize(0..faults.len())])
        };
        (0..count).map(|_| cut()).collect()
    }

    /// The steps of one direction, in order.
    pub(super) fn of(&self, direction: Direction) -> Vec<Step> {
        let mut steps: Vec<Step> = self.steps.iter().filter(|step| step.direction == direction).copied().collect();
        steps.sort_by_key(|step| step.after_bytes);
        steps
    }
}

fn survivable_fault(random: &mut fastrand::Rng) -> Fault {
    let conditions = Conditions { delay: Duration::from_millis(random.u64(0..30)), ..Conditions::PERFECT };
    match random.u8(0..5) {
        0 => Fault::Freeze(Duration::from_millis(random.u64(1..200))),
        1 => Fault::Change(Conditions { rate: Some(random.u64(1_000_000..50_000_000)), ..conditions }),
        2 => {
            let shape = Shape::Pieces { bytes: random.usize(1..20), gap: Duration::ZERO };
            Fault::Change(Conditions { shape, ..conditions })
        }
        3 => {
            let shape = Shape::Coalesced { bytes: random.usize(1..20_000), within: Duration::from_millis(50) };
            Fault::Change(Conditions { shape, ..conditions })
        }
        _ => Fault::Change(conditions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_scripts() {
        assert_eq!(Script::survivable(7, 1_000), Script::survivable(7, 1_000));
        assert_ne!(Script::survivable(7, 1_000), Script::survivable(8, 1_000));
        let ends = |step: &Step| matches!(step.fault, Fault::Close | Fault::Reset | Fault::HalfClose);
        assert!((0..100).all(|seed| !Script::survivable(seed, 1_000).steps.iter().any(ends)));
    }

    #[test]
    fn random_cuts_are_everywhere() {
        let scripts = Script::random_cuts(7, 1_000, 100, 900);
        assert_eq!((scripts.len(), &scripts), (1_000, &Script::random_cuts(7, 1_000, 100, 900)));
        assert_ne!(scripts, Script::random_cuts(8, 1_000, 100, 900));
        let steps: Vec<Step> = scripts.into_iter().flat_map(|script| script.steps).collect();
        assert_eq!(steps.len(), 1_000);
        let (up, down): (Vec<Step>, Vec<Step>) = steps.iter().partition(|step| step.direction == Direction::ToServer);
        assert!((50..150).contains(&up.len()), "{} of about 100", up.len());
        assert!(up.iter().all(|step| step.after_bytes < 100) && down.iter().all(|step| step.after_bytes < 900));
        for fault in [Fault::Close, Fault::HalfClose, Fault::Reset] {
            let count = steps.iter().filter(|step| step.fault == fault).count();
            assert!((250..420).contains(&count), "{count} of {fault:?}");
        }
    }

    #[test]
    fn steps_strike_in_the_order_of_their_positions() {
        let step = |after_bytes| Step { direction: Direction::ToServer, after_bytes, fault: Fault::Reset };
        let script = Script { steps: vec![step(30), step(10), Step { direction: Direction::ToClient, ..step(20) }] };
        assert_eq!(script.of(Direction::ToServer), [step(10), step(30)]);
    }
}
