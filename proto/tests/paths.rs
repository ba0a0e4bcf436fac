//! Both machines and a player on a virtual clock, over paths that are long, lossy, slow, or become slow in mid-song.

#[path = "paths/simulation.rs"]
mod simulation;

use simulation::{Conditions, Simulation};
use std::time::Duration;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const FAST: u64 = 12_500_000;

/// How long an answer takes that is asked for two round-trips and a second after the path went from 100 Mbit/s to this, the
/// longest of many.
fn answer_after_slowdown(bytes_per_second: u64, music: u64) -> Duration {
    let round_trip = ms(40);
    let times = (0..20).map(|index| {
        let conditions = Conditions { round_trip, bytes_per_second: FAST, ..Conditions::default() };
        let mut simulation = Simulation::new(conditions, music, ms(300_000));
        simulation.run_for(ms(5_000 + 317 * index));
        simulation.conditions.bytes_per_second = bytes_per_second;
        simulation.run_for(ms(1_000) + round_trip * 2);
        simulation.answer_time()
    });
    times.max().expect("some")
}

#[test]
fn an_answer_comes_soon_after_a_path_became_slow() {
    for (bytes_per_second, longest) in [(32_000, ms(1_500)), (8_000, ms(6_000))] {
        for music in [16_000, 40_000] {
            let took = answer_after_slowdown(bytes_per_second, music);
            println!(
                "figure: paths: after 100 Mbit/s became {} kbit/s an answer takes {took:?} beside music of {} kbit/s",
                bytes_per_second / 125,
                music / 125
            );
            assert!(took <= longest, "{took:?} at {bytes_per_second} bytes/s");
        }
    }
}

/// The time from PLAY to the first sample, in round-trips.
fn start(conditions: Conditions, music: u64) -> f64 {
    let mut simulation = Simulation::new(conditions, music, ms(180_000));
    let begun = simulation.run_until_music(ms(120_000));
    begun.as_secs_f64() / conditions.round_trip.as_secs_f64()
}

#[test]
fn music_begins_within_a_few_round_trips() {
    for (round_trip, music, most, most_in_tcp) in [
        (ms(50), 40_000, 2.5, 3.5),
        (ms(600), 16_000, 1.5, 2.5),
        (ms(600), 40_000, 3.5, 4.5),
        (ms(2_000), 40_000, 4.5, 6.5),
    ] {
        let path = Conditions { round_trip, ..Conditions::default() };
        let plain = start(path, music);
        let slow_start = start(Conditions { has_slow_start: true, ..path }, music);
        let lossy = start(Conditions { lost_percent: 2, ..path }, music);
        println!(
            "figure: paths: {round_trip:?}, {} kbit/s: first sample after {plain:.1} round-trips; {slow_start:.1} behind TCP's slow start; {lossy:.1} with 2 % loss",
            music / 125
        );
        assert!(plain <= most, "{plain} round-trips");
        assert!(slow_start <= most_in_tcp, "{slow_start} round-trips");
        assert!(lossy <= most + 4.0, "{lossy} round-trips with loss");
    }
}

#[test]
fn music_that_has_begun_does_not_stop_on_a_path_that_carries_it() {
    const MUSIC: u64 = 40_000;
    for round_trip in [20, 600, 2_000].map(ms) {
        for percent in [45, 70, 95, 110, 130, 200] {
            let bytes_per_second = MUSIC * percent / 100;
            let path = Conditions { round_trip, bytes_per_second, ..Conditions::default() };
            let mut simulation = Simulation::new(path, MUSIC, ms(30_000));
            let begun = simulation.run_until_music(ms(120_000));
            simulation.run_to_the_end(ms(150_000));
            assert_eq!(simulation.underruns(), 0, "{path:?}, begun after {begun:?}");
        }
    }
}
