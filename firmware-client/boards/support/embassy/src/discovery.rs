//! Asks the local network for a server by its name.

use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpAddress, Stack};
use embassy_time::{Duration, Instant, with_timeout};
use trill_discovery::{GROUP, MAX_QUERY_BYTES, Query};

/// The longest answer that is read: a server's repeats the query and has its port, its properties and an address.
const MAX_ANSWER_BYTES: usize = 512;

/// How often to ask. Wi-Fi loses multicast packets, which no receiver acknowledges.
const ATTEMPTS: u32 = 3;

/// How long to wait for an answer. A server answers at once, because the name is only its own (RFC 6762, section 6).
const ANSWER_TIMEOUT: Duration = Duration::from_millis(400);

/// The address and port of the server with this name. `None` if no server answers.
pub(crate) async fn find(stack: Stack<'static>, server: &str) -> Option<(IpAddress, u16)> {
    let query = Query::new(server, Instant::now().as_micros() as u16)?;
    let (mut received, mut sent) = ([PacketMetadata::EMPTY; 2], [PacketMetadata::EMPTY; 1]);
    let (mut input, mut output) = ([0; MAX_ANSWER_BYTES], [0; MAX_QUERY_BYTES]);
    let mut socket = UdpSocket::new(stack, &mut received, &mut input, &mut sent, &mut output);
    socket.bind(0).ok()?;
    for _ in 0..ATTEMPTS {
        socket.send_to(query.write(&mut [0; MAX_QUERY_BYTES]), GROUP).await.ok()?;
        let answer = async {
            loop {
                if let Some(found) = socket.recv_from_with(|bytes, _| query.read_answer(bytes)).await {
                    return found;
                }
            }
        };
        if let Ok((address, port)) = with_timeout(ANSWER_TIMEOUT, answer).await {
            return Some((address.into(), port));
        }
    }
    None
}
