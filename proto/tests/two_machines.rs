//! A client's and a server's machine against each other, under a virtual clock, with random operations: they always
//! agree, credit is never exceeded, every PLAY is answered once, and only the last stream delivers.

#[path = "two_machines/world.rs"]
mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;
use trill_proto::error::SessionError;
use world::{Operation, Song, World};

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => (1_u32..=6, 0_u64..5_000).prop_map(|(song, at_ms)| Operation::Play { song, at_ms }),
        1 => (1_u32..=3, any::<u16>()).prop_map(|(song, position)| Operation::Resume { song, position: position.into() }),
        2 => Just(Operation::Stop),
        1 => (1_u32..=4).prop_map(|first| Operation::List { first }),
        1 => (1_u32..=6).prop_map(|song| Operation::Info { song }),
        6 => (1_u64..60_000).prop_map(|micros| Operation::Wait(Duration::from_micros(micros))),
        2 => (1_u64..400).prop_map(|millis| Operation::Wait(Duration::from_millis(millis))),
        1 => Just(Operation::Pause),
        2 => Just(Operation::Unpause),
        1 => (0_u64..90_000).prop_map(Operation::ServerReadFailsAt),
    ]
}

fn world() -> impl Strategy<Value = World> {
    let capacity = prop_oneof![8_192_u32..20_000, Just(65_536), Just(1 << 20)];
    let delay_us = prop_oneof![Just(0_u64), 50_u64..2_000, 1_000_u64..150_000];
    let bytes_per_second = prop_oneof![10_000_u64..500_000, Just(1_000_000_000)];
    let fragment = prop_oneof![Just(1_usize), 1_usize..100, Just(1_460), Just(usize::MAX)];
    (capacity, delay_us, bytes_per_second, fragment).prop_map(|(capacity, delay_us, bytes_per_second, fragment)| {
        World::new(capacity, Duration::from_micros(delay_us), bytes_per_second, fragment)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn they_agree_whatever_happens(mut world in world(), operations in vec(operation(), 0..40)) {
        for operation in operations {
            world.perform(operation);
        }
        world.settle();
        world.check_every_play_was_answered_once();
    }

    #[test]
    fn after_anything_the_last_play_is_heard_whole(mut world in world(), operations in vec(operation(), 0..25)) {
        for operation in operations {
            world.perform(operation);
        }
        world.perform(Operation::ServerReadFailsAt(u64::MAX));
        world.perform(Operation::Unpause);
        world.perform(Operation::Play { song: 2, at_ms: 0 });
        world.settle();
        let Song { size, .. } = world::SONGS[1];
        prop_assert_eq!(world.delivered(), Some((2, 0, size)));
        world.check_every_play_was_answered_once();
    }

    #[test]
    fn after_anything_a_stop_is_silence(mut world in world(), operations in vec(operation(), 0..25)) {
        for operation in operations {
            world.perform(operation);
        }
        world.perform(Operation::Stop);
        let before = world.delivered_bytes();
        world.settle();
        prop_assert_eq!(world.delivered_bytes(), before);
        prop_assert_eq!(world.client.current_stream(), None);
        world.check_every_play_was_answered_once();
    }
}

#[test]
fn a_wrong_song_number_leaves_the_music_alone() {
    let mut world = World::new(65_536, Duration::from_millis(20), 1_000_000, 1_460);
    world.perform(Operation::Play { song: 2, at_ms: 0 });
    world.perform(Operation::Wait(Duration::from_millis(100)));
    world.perform(Operation::Play { song: 99, at_ms: 0 });
    world.settle();
    assert_eq!(world.delivered(), Some((2, 0, world::SONGS[1].size)));
}

#[test]
fn the_old_song_goes_on_until_the_new_one_starts_and_not_one_byte_longer() {
    let mut world = World::new(1 << 20, Duration::from_millis(50), 1_000_000, 1_460);
    world.perform(Operation::Play { song: 3, at_ms: 0 });
    world.perform(Operation::Wait(Duration::from_millis(500)));
    let before = world.delivered_bytes();
    world.perform(Operation::Play { song: 2, at_ms: 0 });
    world.perform(Operation::Wait(Duration::from_millis(60)));
    assert!(world.delivered_bytes() > before, "song 3 stopped before song 2 began");
    assert_eq!(world.delivered().map(|(song, ..)| song), Some(3));
    world.settle();
    assert_eq!(world.delivered(), Some((2, 0, world::SONGS[1].size)));
}

#[test]
fn an_answer_does_not_wait_behind_a_song() {
    let mut world = World::new(1 << 20, Duration::from_millis(50), 125_000, 1_460);
    world.perform(Operation::Play { song: 3, at_ms: 0 });
    world.perform(Operation::Wait(Duration::from_secs(3)));
    let asked = world.now;
    world.perform(Operation::Info { song: 1 });
    let answered = world.wait_for_answer();
    let took = answered.saturating_since(asked);
    assert!(took < Duration::from_millis(450), "INFO took {took:?} behind a song at 1 Mbit/s");
}

#[test]
fn a_stop_ends_transmission_within_the_window() {
    let mut world = World::new(1 << 20, Duration::from_millis(50), 125_000, 1_460);
    world.perform(Operation::Play { song: 3, at_ms: 0 });
    world.perform(Operation::Wait(Duration::from_secs(3)));
    let received = world.received_from_server();
    world.perform(Operation::Stop);
    world.settle();
    let after = world.received_from_server() - received;
    assert!(after < 61_000, "{after} bytes after STOP at 1 Mbit/s and 100 ms");
}

#[test]
fn a_paused_client_is_not_thought_dead() {
    let mut world = World::new(16_384, Duration::from_millis(10), 1_000_000, 1_460);
    world.perform(Operation::Play { song: 3, at_ms: 0 });
    world.perform(Operation::Wait(Duration::from_millis(500)));
    world.perform(Operation::Pause);
    world.perform(Operation::Wait(Duration::from_secs(3_600)));
    assert!(world.client.is_open() && world.server.is_open());
    world.perform(Operation::Unpause);
    world.settle();
    assert_eq!(world.delivered(), Some((3, 0, world::SONGS[2].size)));
}

#[test]
fn a_play_overtaken_by_a_wrong_one_still_starts() {
    let mut world = World::new(65_536, Duration::from_millis(50), 1_000_000, 1_460);
    world.perform(Operation::Play { song: 2, at_ms: 0 });
    world.perform(Operation::Play { song: 99, at_ms: 0 });
    world.settle();
    assert_eq!(world.delivered(), Some((2, 0, world::SONGS[1].size)));
}

#[test]
fn asking_again_and_again_does_not_put_off_the_end_of_a_dead_connection() {
    let mut world = World::new(65_536, Duration::from_millis(10), 100_000, 1_460);
    world.perform(Operation::Wait(Duration::from_millis(300)));
    world.cut_the_wire_quietly();
    let cut = world.now;
    while world.client_error().is_none() {
        world.perform(Operation::List { first: 1 });
        world.perform(Operation::Wait(Duration::from_secs(1)));
        assert!(world.now < cut + Duration::from_secs(40), "the client never noticed");
    }
}

#[test]
fn a_silent_server_is_noticed_while_data_is_due() {
    let mut world = World::new(65_536, Duration::from_millis(10), 100_000, 1_460);
    world.perform(Operation::Play { song: 3, at_ms: 0 });
    world.perform(Operation::Wait(Duration::from_millis(300)));
    let cut = world.now;
    let noticed = world.cut_the_wire();
    let took = noticed.saturating_since(cut);
    assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&took), "noticed after {took:?}");
}

#[test]
fn a_silent_server_is_noticed_while_idle() {
    let mut world = World::new(65_536, Duration::from_millis(10), 100_000, 1_460);
    world.perform(Operation::Wait(Duration::from_millis(300)));
    let cut = world.now;
    let noticed = world.cut_the_wire();
    let took = noticed.saturating_since(cut);
    assert!((Duration::from_secs(25)..Duration::from_secs(31)).contains(&took), "noticed after {took:?}");
}

#[test]
fn a_silent_server_is_noticed_soon_when_something_is_asked() {
    for question in [Operation::List { first: 1 }, Operation::Info { song: 1 }, Operation::Play { song: 3, at_ms: 0 }] {
        let mut world = World::new(65_536, Duration::from_millis(10), 100_000, 1_460);
        world.perform(Operation::Wait(Duration::from_millis(300)));
        world.cut_the_wire_quietly();
        world.perform(Operation::Wait(Duration::from_secs(5)));
        world.perform(question);
        let asked = world.now;
        let took = world.cut_the_wire().saturating_since(asked);
        assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&took), "{question:?}: after {took:?}");
    }
}

#[test]
fn a_silent_path_is_noticed_by_a_server_and_by_a_client_that_is_paused() {
    let mut world = World::new(16_384, Duration::from_millis(10), 1_000_000, 1_460);
    world.perform(Operation::Play { song: 3, at_ms: 0 });
    world.perform(Operation::Pause);
    world.perform(Operation::Wait(Duration::from_secs(2)));
    let cut = world.now;
    let noticed = [world.cut_the_wire(), world.wait_for_the_server_to_give_up()];
    assert_eq!(world.server_error(), Some(SessionError::Silent));
    for took in noticed.map(|at| at.saturating_since(cut)) {
        assert!((Duration::from_secs(25)..Duration::from_secs(31)).contains(&took), "noticed after {took:?}");
    }
}

#[test]
fn a_clock_that_jumps_ends_nothing() {
    let pause = [Operation::Pause, Operation::Wait(Duration::from_secs(1))];
    let play = [Operation::Play { song: 3, at_ms: 0 }, Operation::Wait(Duration::from_millis(500))];
    for operations in [vec![], play.to_vec(), [play, pause].concat()] {
        let mut world = World::new(16_384, Duration::from_millis(10), 1_000_000, 1_460);
        world.perform(Operation::Wait(Duration::from_millis(300)));
        let is_playing = !operations.is_empty();
        operations.into_iter().for_each(|operation| world.perform(operation));
        world.jump(Duration::from_secs(8 * 3_600));
        world.perform(Operation::Wait(Duration::from_secs(60)));
        assert!(world.client.is_open() && world.server.is_open());
        world.settle();
        assert_eq!(world.delivered(), is_playing.then_some((3, 0, world::SONGS[2].size)));
    }
}

#[test]
fn a_client_that_slept_is_told_that_the_server_has_given_it_up() {
    let mut world = World::new(16_384, Duration::from_millis(10), 1_000_000, 1_460);
    world.perform(Operation::Play { song: 3, at_ms: 0 });
    world.perform(Operation::Wait(Duration::from_millis(500)));
    world.put_the_client_to_sleep(Duration::from_secs(3_600));
    assert_eq!((world.server_error(), world.client.is_open()), (Some(SessionError::Silent), true));
    world.perform(Operation::Wait(Duration::from_millis(100)));
    assert!(world.client.is_closed());
    assert_eq!(world.client_error(), None, "the server was heard");
}
