//! Both session machines against a plain model of what `wire-format.md` says.
//!
//! A model knows a handful of numbers and sets: which streams are open, how much credit each has, when a byte was last
//! heard. It has no buffers, no fragments and no borrowed input. Any sequence of operations (messages right and wrong,
//! in pieces of any length, commands of the application, time that passes, output that is fetched late) is done to machine
//! and model alike, and after each they must agree about what happened, what was said, in which state they are, what is
//! open, how much credit is left and when to wake.
//!
//! The sequences are the same in every run; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` try others.

#[path = "model/client.rs"]
mod client;
#[path = "model/server.rs"]
mod server;
#[path = "model/wire.rs"]
mod wire;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};

/// Sequences for each machine.
const CASES: u32 = 2_000;

/// The same sequences in every run, unless the environment says otherwise.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let has = |name| std::env::var_os(name).is_some();
    ProptestConfig {
        cases: if has("PROPTEST_CASES") { asked.cases } else { CASES },
        rng_seed: if has("PROPTEST_RNG_SEED") { asked.rng_seed } else { RngSeed::Fixed(7_455) },
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions"))),
        ..asked
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_client_does_what_its_model_does(opening in wire::opening(), operations in vec(client::operation(), 0..60)) {
        client::check(opening, &operations);
    }

    #[test]
    fn a_server_does_what_its_model_does(opening in wire::opening(), operations in vec(server::operation(), 0..60)) {
        server::check(opening, &operations);
    }
}

/// The smallest sequences that have shown a machine wrong.
mod found {
    use crate::client::{self, Amount, Id, Line, Operation};
    use crate::server;
    use crate::wire::{Opening, Said, Wait};
    use std::time::Duration;
    use trill_proto::message::{EndReason, MessageType};

    fn hears(line: Line) -> Operation {
        Operation::Hears { line, piece: usize::MAX }
    }

    #[test]
    fn who_asks_again_on_a_dead_path_waited_longer_each_time() {
        let half_a_second = Operation::Waits(Wait::For(Duration::from_millis(500)));
        let asks = [Operation::Lists, Operation::Transmits, half_a_second];
        client::check(Opening::Whole, &[asks.clone(), asks.clone(), asks].concat());
    }

    #[test]
    fn a_stream_that_had_ended_could_be_started_again() {
        let plays = Operation::Plays { capacity: 8_192, occupied: 0, resumes: false };
        let started = hears(Line::Started { id: Id::Last, size_bytes: 0, resumes_right: true });
        let ended = hears(Line::End { id: Id::Last, reason: EndReason::Finished });
        client::check(Opening::Whole, &[plays, started.clone(), ended, started]);
    }

    #[test]
    fn a_second_welcome_was_judged_by_what_it_said() {
        client::check(Opening::Whole, &[hears(Line::Welcome { version: 9, max_credit: 16_384 })]);
        client::check(Opening::Whole, &[hears(Line::Other(Said::Malformed(MessageType::Welcome)))]);
    }

    #[test]
    fn requests_could_be_refused_before_welcome() {
        let refused = hears(Line::Error { id: Id::Zero, code: 256 });
        client::check(Opening::Preamble, &[refused]);
    }

    #[test]
    fn credit_for_stream_0_was_credit_for_one_that_has_ended() {
        let line = server::Line::Credit { id: server::Id::Zero, more: server::Amount::Bytes(1) };
        server::check(Opening::Whole, &[server::Operation::Hears { line, piece: 1 }]);
    }

    /// Nothing was wrong here: the ends of what is allowed.
    #[test]
    fn credit_is_counted_to_the_byte() {
        let plays = Operation::Plays { capacity: 8_192, occupied: 0, resumes: false };
        let started = hears(Line::Started { id: Id::Last, size_bytes: 40_000, resumes_right: true });
        let data = |length| hears(Line::Data { id: Id::Current, length });
        let releases = Operation::Releases { whose: Id::Current, bytes: Amount::All };
        let rounds = std::iter::repeat_n([data(Amount::All), releases, Operation::Transmits], 6).flatten().collect();
        let over = [data(Amount::OneTooMany), Operation::Transmits];
        client::check(Opening::Whole, &[vec![plays.clone(), started], rounds, over.to_vec()].concat());

        let short = hears(Line::Started { id: Id::Last, size_bytes: 9, resumes_right: true });
        let finished = hears(Line::End { id: Id::Current, reason: EndReason::Finished });
        client::check(Opening::Whole, &[plays.clone(), short.clone(), data(Amount::AllButOne), finished.clone()]);
        client::check(Opening::Whole, &[plays, short, data(Amount::All), finished]);
    }
}
