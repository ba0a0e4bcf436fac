//! Faults of the two bad network paths.

use super::shared::Shared;
use crate::proxy::{Conditions, Direction, Fault, Proxy, Shape};
use fastrand::Rng;
use std::time::Duration;

/// Degrades the bad path: delay, freezes, low rate, fragments. No data is lost.
pub(super) fn degrade(shared: &Shared<'_>, random: &mut Rng) {
    if shared.stop.wait(Duration::from_millis(random.u64(100..3_000))) {
        return;
    }
    shape(shared, shared.bad, random);
}

/// Disrupts the broken path: resets, closes, long freezes, refused connections.
pub(super) fn disrupt(shared: &Shared<'_>, random: &mut Rng) {
    if shared.stop.wait(Duration::from_millis(random.u64(200..6_000))) {
        return;
    }
    let path = shared.broken;
    let direction = any_direction(random);
    match random.u8(0..10) {
        0..3 => path.inject_both(Fault::Reset),
        3 => path.inject_both(Fault::Close),
        4 => path.inject(direction, Fault::HalfClose),
        5 => path.inject(direction, Fault::Freeze(Duration::from_millis(random.u64(500..5_000)))),
        // Longer than every timeout.
        6 => path.inject(direction, Fault::Freeze(Duration::from_secs(60))),
        7 => {
            path.inject_both(Fault::Reset);
            path.refuse(true);
            shared.stop.wait(Duration::from_millis(random.u64(100..4_000)));
            path.refuse(false);
        }
        _ => return shape(shared, path, random),
    }
    shared.tally.faults.add(1);
}

fn shape(shared: &Shared<'_>, path: &Proxy, random: &mut Rng) {
    let direction = any_direction(random);
    let conditions = Conditions { delay: Duration::from_millis(random.u64(0..60)), ..Conditions::PERFECT };
    match random.u8(0..5) {
        0 => path.inject(direction, Fault::Freeze(Duration::from_millis(random.u64(1..800)))),
        1 => path.set(direction, Conditions { rate: Some(random.u64(3_000_000..50_000_000)), ..conditions }),
        2 => {
            let shape = Shape::Pieces { bytes: random.usize(20..2_000), gap: Duration::ZERO };
            path.set(direction, Conditions { shape, ..conditions });
        }
        3 => {
            let shape = Shape::Coalesced { bytes: random.usize(1..20_000), within: Duration::from_millis(50) };
            path.set(direction, Conditions { shape, ..conditions });
        }
        _ => path.set(direction, conditions),
    }
    shared.tally.faults.add(1);
}

fn any_direction(random: &mut Rng) -> Direction {
    Direction::BOTH[random.usize(0..2)]
}
