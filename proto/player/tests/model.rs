//! The player against a plain model of what its listener hears and is told.
//!
//! The [listener](listener::Listener) knows the library and the commands: no buffer, no request, no stream. The bytes of the music
//! name their song and position, so the model sees what is heard. Any sequence of commands, answers, cuts and decoder steps must
//! keep these rules:
//!
//! - The last song wanted that can be played is heard in the end, from the position wanted, and its playlist after it.
//! - Within a song no byte is skipped or heard twice, over cuts too.
//! - After `stop` there is no music. A pause lasts until a command ends it.
//! - Every question has one answer: the whole list, the song, or a refusal.
//! - While the server answers, the player goes on until all is heard.
//!
//! What depends on the moment of an answer (a step during a search, for example) is unknown to the model until all is answered.
//! The sequences are the same in every run; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` try others.

#[path = "model/listener.rs"]
mod listener;
#[path = "model/world.rs"]
mod world;

use std::time::Duration;

use listener::{Listener, Stand};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use trill_player::Direction;
use trill_player::command::{Seek, Selection};
use trill_player::{ListRequest, Question, QueueMemory, Step};
use trill_proto::ids::SongId;
use world::World;

#[derive(Clone, Debug)]
enum Operation {
    Play {
        song: u32,
        at_ms: u64,
    },
    PlayRange {
        first: u32,
        last: u32,
    },
    Step(Direction),
    Seek {
        to_ms: u64,
    },
    SetPaused(bool),
    Stop,
    Ask(Question),
    /// The server answers so many messages.
    Serve(usize),
    /// The server answers everything.
    ServeAll,
    SendMusic(usize),
    EndEarly,
    /// The decoder takes so many steps.
    Decode(usize),
    RunDry,
    CutAfter(usize),
    FailToConnect,
    Connect,
    Wait(Duration),
}

fn operation() -> impl Strategy<Value = Operation> {
    let song = || 1..12_u32;
    let position = || prop_oneof![3 => Just(0), 1 => 1..3_000_u64];
    let millis = |range: std::ops::Range<u64>| range.prop_map(Duration::from_millis);
    prop_oneof![
        6 => (song(), position()).prop_map(|(song, at_ms)| Operation::Play { song, at_ms }),
        4 => (song(), 0..10_u32).prop_map(|(first, more)| Operation::PlayRange { first, last: first + more }),
        4 => prop_oneof![Just(Direction::Next), Just(Direction::Previous)].prop_map(Operation::Step),
        2 => position().prop_map(|to_ms| Operation::Seek { to_ms }),
        3 => any::<bool>().prop_map(Operation::SetPaused),
        1 => Just(Operation::Stop),
        3 => prop_oneof![Just(Question::List(ListRequest::ALL)), song().prop_map(|song| Question::Info(SongId(song)))]
            .prop_map(Operation::Ask),
        8 => (1..6_usize).prop_map(Operation::Serve),
        6 => Just(Operation::ServeAll),
        8 => (1..9_000_usize).prop_map(Operation::SendMusic),
        1 => Just(Operation::EndEarly),
        8 => (1..60_usize).prop_map(Operation::Decode),
        1 => Just(Operation::RunDry),
        3 => prop_oneof![Just(0), 1..200_usize, 1..9_000_usize].prop_map(Operation::CutAfter),
        1 => Just(Operation::FailToConnect),
        6 => Just(Operation::Connect),
        2 => prop_oneof![4 => millis(0..500), 1 => millis(500..40_000)].prop_map(Operation::Wait),
    ]
}

struct Run<'m> {
    world: World<'m>,
    listener: Listener,
}

impl Run<'_> {
    fn operate(&mut self, operation: &Operation) {
        let Self { world, listener } = self;
        let (now, before) = (world.now(), world.player.heard().map(|track| Stand::of(&world.player, &track.item)));
        let player = &mut world.player;
        match operation.clone() {
            Operation::Play { song, at_ms } => {
                player.play(now, Selection::Song { song: SongId(song), at: Duration::from_millis(at_ms) });
                listener.play(song, at_ms);
            }
            Operation::PlayRange { first, last } => {
                player.play(now, Selection::Range { first: SongId(first), last: SongId(last) });
                listener.play_range(first, last);
            }
            Operation::Step(direction) => {
                if player.step(now, direction).is_ok() {
                    listener.step(before, direction);
                }
            }
            Operation::Seek { to_ms } => {
                if let Ok((song, at_ms)) = player.seek(now, Seek::To(Duration::from_millis(to_ms)), 0) {
                    listener.seek(before, song, at_ms);
                }
            }
            Operation::SetPaused(is_paused) => {
                if player.set_paused(is_paused).is_ok() {
                    listener.set_paused(is_paused);
                }
            }
            Operation::Stop => {
                let _ = player.stop();
                listener.stop();
            }
            Operation::Ask(question) => listener.ask(question.clone(), player.ask(question).is_ok()),
            Operation::Serve(messages) => drop((0..messages).take_while(|_| world.serve()).count()),
            Operation::ServeAll => self.serve_all(),
            Operation::SendMusic(at_most) => drop(world.send_music(at_most)),
            Operation::EndEarly => world.fail_song().into_iter().for_each(|song| listener.on_ended_early(song)),
            Operation::Decode(steps) => drop((0..steps).take_while(|_| self.decode()).count()),
            Operation::RunDry => player.handle_dry(),
            Operation::CutAfter(bytes) => world.cut_after(bytes),
            Operation::FailToConnect => world.fail_to_connect(),
            Operation::Connect => drop(world.connect()),
            Operation::Wait(span) => world.wait(span),
        }
        self.check();
    }

    fn check(&mut self) {
        if std::mem::take(&mut self.world.is_cut) {
            self.listener.on_cut();
        }
        self.world.told.drain(..).for_each(|told| self.listener.on_told(&told));
        self.listener.check(&self.world.player);
    }

    /// Serves until nothing is asked, if there is a connection.
    fn serve_all(&mut self) {
        let served = (0..1_000).take_while(|_| self.world.serve()).count();
        assert!(served < 1_000, "the player asks for ever");
        self.check();
        if self.world.player.is_open() {
            self.listener.check_answered(&self.world.player);
        }
    }

    /// Takes a step of the decoder. Returns whether another may follow at once.
    fn decode(&mut self) -> bool {
        let Self { world, listener } = self;
        if world.player.is_paused() {
            return false;
        }
        let (step, frame) = world.decode();
        frame.into_iter().for_each(|(song, position)| listener.on_frame(song, position));
        match step {
            Step::Idle | Step::Wait | Step::Ending => return false,
            Step::Begin { id, .. } => {
                listener.on_began(&world.player);
                let _ = world.player.handle_began(id);
            }
            Step::Again | Step::Sound(_) => {}
            Step::Ended => {
                listener.on_finished();
                let _ = world.player.handle_finished();
            }
        }
        true
    }

    /// The path is good from now on: everything is answered and heard.
    fn finish(&mut self) {
        self.operate(&Operation::CutAfter(usize::MAX));
        self.operate(&Operation::SetPaused(false));
        self.operate(&Operation::Connect);
        self.serve_all();
        for _ in 0..2_000 {
            let is_asked = self.world.serve();
            let is_sent = self.world.send_music(4_096);
            let is_heard = self.decode();
            self.check();
            if !(self.world.connect() || is_asked || is_sent || is_heard) {
                return self.listener.check_end(&self.world.player);
            }
        }
        panic!("the music does not end");
    }
}

/// The same sequences in every run, unless the environment says otherwise.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let has = |name| std::env::var_os(name).is_some();
    ProptestConfig {
        cases: if has("PROPTEST_CASES") { asked.cases } else { 500 },
        rng_seed: if has("PROPTEST_RNG_SEED") { asked.rng_seed } else { RngSeed::Fixed(7_455) },
        failure_persistence: None,
        ..asked
    }
}

fn check(is_persistent: bool, operations: &[Operation]) {
    let (mut memory, mut queue) = ([0; 12 * 1024], QueueMemory::new());
    let mut run = Run { world: World::new(&mut memory, &mut queue, is_persistent), listener: Listener::default() };
    operations.iter().for_each(|operation| run.operate(operation));
    run.finish();
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_listener_hears_what_they_want(is_persistent: bool, operations in vec(operation(), 0..60)) {
        check(is_persistent, &operations);
    }
}

/// The smallest sequence that has shown the player wrong.
#[test]
fn a_refused_follower_ended_a_switch() {
    let range = Operation::PlayRange { first: 3, last: 6 };
    let switch = Operation::Play { song: 10, at_ms: 0 };
    check(false, &[range, Operation::Connect, Operation::Serve(3), Operation::EndEarly, Operation::Serve(1), switch]);
}
