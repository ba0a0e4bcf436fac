use super::*;
use crate::ids::SongId;
use crate::limits::{COMMAND_BURST, COMMAND_TIME, MIN_DATA_BYTES, PREAMBLE_BYTES, STALL_PING_AFTER};
use crate::message::{Credit, PREAMBLE, Start, Stop};
use std::vec;
use std::vec::Vec;

const NOW: Instant = Instant::from_micros(0);

fn frame<M: Encode>(message: &M) -> Vec<u8> {
    let mut frame = vec![0; M::MAX_FRAME_BYTES];
    let length = message.encode(&mut frame).expect("the longest frame fits");
    frame.truncate(length);
    frame
}

/// A machine that has the client's preamble.
fn greeted() -> Server {
    let mut server = Server::new(NOW);
    assert_eq!(server.handle_input(NOW, &PREAMBLE), Ok((PREAMBLE_BYTES, None)));
    server
}

/// A machine that has welcomed the client.
fn open() -> Server {
    let mut server = greeted();
    hear(&mut server, &Hello::default());
    server
}

/// Gives the machine this message, and welcomes a client that says HELLO.
fn hear(server: &mut Server, message: &impl Encode) {
    let wire = frame(message);
    let (taken, event) = server.handle_input(NOW, &wire).expect("a good message");
    assert_eq!(taken, wire.len());
    if let Some(Event::Hello(_)) = event {
        server.welcome(&Welcome::new()).expect("room");
    }
}

#[test]
fn hello_is_expected_from_the_last_byte_of_the_preamble_on() {
    let mut server = Server::new(NOW);
    for byte in PREAMBLE {
        assert!(!server.expects_hello());
        assert_eq!(server.handle_input(NOW, &[byte]), Ok((1, None)));
    }
    assert!(server.expects_hello());
    assert_eq!(server.poll_transmit(NOW), Some(&PREAMBLE[..]));
    hear(&mut server, &Hello::default());
    assert!(!server.expects_hello());
}

#[test]
fn a_client_that_sends_too_many_commands_is_not_read_for_a_while() {
    let mut server = open();
    let stop = frame(&Stop { stream: StreamId(1) });
    let taken_at = |server: &mut Server, now| server.handle_input(now, &stop).map(|(taken, _)| taken);
    for _ in 1..COMMAND_BURST {
        assert_eq!(taken_at(&mut server, NOW), Ok(HEADER_BYTES));
    }
    let millis = |count| NOW + Duration::from_millis(count);
    assert_eq!(taken_at(&mut server, NOW), Ok(0));
    assert_eq!(server.input_pause(NOW), Some(Duration::from_millis(1)));
    assert_eq!(taken_at(&mut server, millis(1)), Ok(HEADER_BYTES));
    assert_eq!(taken_at(&mut server, millis(1)), Ok(0));
    assert_eq!(taken_at(&mut server, millis(2)), Ok(HEADER_BYTES));
    // After a pause the client may send a whole burst again.
    for _ in 0..COMMAND_BURST {
        assert_eq!(taken_at(&mut server, millis(60_000)), Ok(HEADER_BYTES));
    }
}

#[test]
fn an_answer_that_was_much_work_counts_as_many_commands() {
    let mut server = open();
    let stop = frame(&Stop { stream: StreamId(1) });
    let eighth = COMMAND_BURST / 8;
    (0..7).for_each(|_| server.charge(NOW, eighth * COMMAND_TIME));
    check_burst(&mut server, &stop, eighth as usize - 1); // HELLO is another command
    server.charge(NOW, Duration::from_secs(3_600));
    let pause = STALL_PING_AFTER + COMMAND_TIME;
    assert_eq!(server.input_pause(NOW), Some(pause), "the client must not take the server for stalled");
}

/// Sends the frame until the machine takes no more, and checks how often that was.
#[track_caller]
fn check_burst(server: &mut Server, frame: &[u8], expected: usize) {
    let is_taken = |_: &usize| {
        let mut taken = 0;
        while let Ok((more @ 1.., _)) = server.handle_input(NOW, &frame[taken..]) {
            taken += more;
        }
        taken > 0
    };
    assert_eq!((0..=expected).take_while(is_taken).count(), expected, "{frame:02x?}");
}

#[test]
fn frames_without_effect_count_as_commands() {
    // What HELLO, PLAY and STOP leave of the burst.
    let burst = COMMAND_BURST as usize;
    let (stream, song, start) = (StreamId(1), SongId(1), Start::Time(0));
    let playing = || {
        let mut server = open();
        hear(&mut server, &Play { stream, song, start, content_tag: 0, credit: 0 });
        server.start(&Started { stream, song, size_bytes: 1 << 30, ..Started::default() }).expect("room");
        server
    };
    let credit = |more: u32| frame(&Credit { stream, more });
    check_burst(&mut playing(), &credit(0), burst - 2);
    check_burst(&mut playing(), &credit(MIN_DATA_BYTES - 1), burst - 2);
    // An unknown type, and NOTICE.
    check_burst(&mut playing(), &[0x85, 0, 0, 0, 0, 0, 0, 0], burst - 2);
    check_burst(&mut playing(), &[0x81, 0, 0, 3, 0, 0, 0, 0, 1, 2, 3], burst - 2);
    let mut stopped = playing();
    hear(&mut stopped, &Stop { stream });
    let _ = stopped.poll_transmit(NOW);
    check_burst(&mut stopped, &credit(1 << 20), burst - 3);

    // Credit that is worth a frame is free. Its sum is limited.
    let mut free = playing();
    for _ in 0..2 * burst {
        let frame = credit(MIN_DATA_BYTES);
        assert_eq!(free.handle_input(NOW, &frame), Ok((frame.len(), None)));
    }
    assert_eq!(free.input_pause(NOW), None);
}

#[test]
fn the_length_of_the_next_data_frame_is_known_before_it_is_taken() {
    let mut server = open();
    let (stream, song, start) = (StreamId(1), SongId(1), Start::Time(0));
    hear(&mut server, &Play { stream, song, start, content_tag: 0, credit: 5_000 });
    assert_eq!(server.next_data_bytes(), 0);
    server.start(&Started { stream, song, size_bytes: 6_000, ..Started::default() }).expect("room");
    for expected in [4_096, 904] {
        assert_eq!(server.next_data_bytes(), expected);
        assert_eq!(server.poll_data(usize::MAX).map(|frame| frame.length), Some(expected));
    }
    assert!(!server.has_data());
}

#[test]
fn an_answer_after_goodbye_is_not_sent() {
    let mut server = open();
    let request = RequestId(1);
    hear(&mut server, &List { request, first: SongId(1), at_most: 9, search: None });
    server.goodbye(GoodbyeReason::Restarting);
    assert_eq!(server.song(&Song { request, ..Song::default() }), Ok(0));
    let said = server.poll_transmit(NOW).expect("preamble, WELCOME, GOODBYE");
    assert!(said.ends_with(&[0x09, 0, 0, 1, 0, 0, 0, 0, 2]), "{said:02x?}");
    assert_eq!(server.list_end(&ListEnd { request, total: 1, next: None, generation: 1 }), Ok(()));
    assert_eq!(server.poll_transmit(NOW), None);
}

#[test]
fn nothing_is_said_after_the_last_word() {
    let mut server = open();
    server.goodbye(GoodbyeReason::Restarting);
    server.reject(ErrorCode::TOO_MANY_CLIENTS, "");
    let said = server.poll_transmit(NOW).expect("preamble, WELCOME, GOODBYE");
    assert!(said.ends_with(&[0x09, 0, 0, 1, 0, 0, 0, 0, 2]), "{said:02x?}");
}

#[test]
fn a_play_that_was_overtaken_has_its_end_and_no_error() {
    let mut server = open();
    for stream in [StreamId(1), StreamId(2)] {
        hear(&mut server, &Play { stream, song: SongId(1), start: Start::Time(0), content_tag: 0, credit: 1 });
    }
    assert_eq!(server.refuse_play(StreamId(1), ErrorCode::NO_SUCH_SONG, ""), Ok(()));
    let said = server.poll_transmit(NOW).expect("preamble, WELCOME, END");
    assert!(said.ends_with(&[0x16, 0, 0, 1, 0, 0, 0, 1, 3]), "{said:02x?}");
}

#[test]
fn what_follows_hello_waits_for_its_answer() {
    let mut server = greeted();
    let list = frame(&List { request: RequestId(1), first: SongId(1), at_most: 9, search: None });
    assert!(matches!(server.handle_input(NOW, &frame(&Hello::default())), Ok((_, Some(Event::Hello(_))))));
    assert_eq!(server.handle_input(NOW, &list), Ok((0, None)));
    server.welcome(&Welcome::new()).expect("room");
    assert!(matches!(server.handle_input(NOW, &list), Ok((16, Some(Event::List(_))))));
}
