use super::*;

const NOW: Instant = Instant::from_micros(0);

#[test]
fn nothing_is_said_after_goodbye() {
    let mut client: Client = Client::new(NOW, &Identity { name: "", nonce: [0; 16], roles: 0 });
    let wanted =
        PlayRequest { song: SongId(1), start: Start::Time(0), content_tag: 0, capacity: MIN_BUFFER_BYTES, occupied: 0 };
    client.play(NOW, &wanted).expect("room");
    client.goodbye(GoodbyeReason::Done);
    assert_eq!(client.stop(), Ok(()));
    let said = client.poll_transmit(NOW).expect("the greeting, PLAY and GOODBYE");
    assert!(said.ends_with(&[0x09, 0, 0, 1, 0, 0, 0, 0, 1]), "{said:02x?}");
    assert_eq!(client.stop(), Ok(()));
    assert_eq!(client.poll_transmit(NOW), None);
}
