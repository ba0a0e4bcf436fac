//! Finds a server by the name under which it is announced on the local network (DNS-SD, RFC 6763).
//!
//! A [`Query`] is one packet, and its [answer](Query::read_answer) another. The query comes from a port other than 5353, so the
//! answer comes to this port only (RFC 6762, section 6.7). A board therefore joins no multicast group.

#![no_std]
#![forbid(unsafe_code)]

use core::net::Ipv4Addr;

use heapless::Vec;
use smoltcp::wire::{DnsFlags, DnsOpcode, DnsPacket, DnsQueryType, DnsQuestion, DnsRecord, DnsRecordData, DnsRepr};
use trill_proto::SERVICE_TYPE;

/// Where announced servers receive queries (RFC 6762, section 3).
pub const GROUP: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 251), 5353);

/// Longest name of a server, in bytes (RFC 1035, section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// Longest name in a query, in bytes: each label after its length, and the end.
const MAX_NAME_BYTES: usize = 1 + MAX_LABEL_BYTES + 1 + SERVICE_TYPE.len();

/// Largest query, in bytes: the header, the name, the type and the class.
pub const MAX_QUERY_BYTES: usize = 12 + MAX_NAME_BYTES + 4;

/// The type of the records with a server's port and the name of its machine (RFC 2782).
const SRV: DnsQueryType = DnsQueryType::Unknown(33);

/// Asks for the address and the port of a server.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    server: &'a str,
    id: u16,
}

impl<'a> Query<'a> {
    /// Asks for the server with this name. The answer repeats `id`.
    ///
    /// `None` if no server is announced under such a name: it is empty, too long, or contains a dot and so is the name of a
    /// machine.
    #[must_use]
    pub fn new(server: &'a str, id: u16) -> Option<Self> {
        let is_possible = (1..=MAX_LABEL_BYTES).contains(&server.len()) && !server.contains('.');
        is_possible.then_some(Self { server, id })
    }

    /// Writes the query and returns it.
    pub fn write<'o>(&self, out: &'o mut [u8; MAX_QUERY_BYTES]) -> &'o [u8] {
        let mut name = Vec::<u8, MAX_NAME_BYTES>::new();
        for label in self.labels() {
            name.extend([label.len() as u8]);
            name.extend(label.iter().copied());
        }
        name.extend([0]);
        let question = DnsQuestion { name: &name, type_: SRV };
        let query = DnsRepr { transaction_id: self.id, opcode: DnsOpcode::Query, flags: DnsFlags::empty(), question };
        let out = out.split_at_mut(query.buffer_len()).0;
        // smoltcp does not write every bit of the header.
        out.fill(0);
        query.emit(&mut DnsPacket::new_unchecked(&mut *out));
        out
    }

    /// Reads the server's address and port from a packet. `None` if it does not answer this query.
    #[must_use]
    pub fn read_answer(&self, bytes: &[u8]) -> Option<(Ipv4Addr, u16)> {
        let packet = DnsPacket::new_checked(bytes).ok()?;
        if packet.transaction_id() != self.id || !packet.flags().contains(DnsFlags::RESPONSE) {
            return None;
        }
        let labels = |name| packet.parse_name(name).map_while(Result::ok);
        let (machine, port) = records(&packet).find_map(|record| match record.data {
            // Priority and weight; a machine announces a server once.
            DnsRecordData::Other(SRV, &[_, _, _, _, high, low, ref machine @ ..])
                if is_equal(labels(record.name), self.labels()) =>
            {
                Some((machine, u16::from_be_bytes([high, low])))
            }
            _ => None,
        })?;
        let address = records(&packet).find_map(|record| match record.data {
            DnsRecordData::A(address) if is_equal(labels(record.name), labels(machine)) => Some(address),
            _ => None,
        })?;
        Some((address, port))
    }

    /// The full name: `attic`, `_trill`, `_tcp`, `local`.
    fn labels(&self) -> impl Iterator<Item = &'a [u8]> {
        let service = SERVICE_TYPE.split_terminator('.');
        core::iter::once(self.server).chain(service).map(str::as_bytes)
    }
}

/// All records of an answer, until one is malformed.
fn records<'a>(packet: &'a DnsPacket<&'a [u8]>) -> impl Iterator<Item = DnsRecord<'a>> {
    let count = [packet.answer_record_count(), packet.authority_record_count(), packet.additional_record_count()];
    let mut rest = packet.payload();
    for _ in 0..packet.question_count() {
        rest = DnsQuestion::parse(rest).map_or(&[], |(rest, _)| rest);
    }
    (0..count.into_iter().map(u32::from).sum()).map_while(move |_| {
        let (after, record) = DnsRecord::parse(rest).ok()?;
        rest = after;
        Some(record)
    })
}

/// Whether two names are equal. Upper and lower case are (RFC 1035, section 2.3.3).
fn is_equal<'a>(mut left: impl Iterator<Item = &'a [u8]>, mut right: impl Iterator<Item = &'a [u8]>) -> bool {
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(left), Some(right)) if left.eq_ignore_ascii_case(right) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: Query<'_> = Query { server: "Attic", id: 0x1234 };

    /// An answer by the records of RFC 1035, section 4.1, as a server on a PC gives it to such a query.
    const ANSWER: &[u8] = b"\x12\x34\x84\x00\0\x01\0\x01\0\0\0\x01\
        \x05Attic\x06_trill\x04_tcp\x05local\0\0\x21\0\x01\
        \x05attic\xc0\x12\0\x21\0\x01\0\0\0\x0a\0\x0e\0\0\0\0\x1d\x20\x05cella\xc0\x1e\
        \xc0\x41\0\x01\0\x01\0\0\0\x0a\0\x04\x0a\x07\0\x01";

    #[test]
    fn a_query_asks_for_a_service_record() {
        let mut out = [0xa5; MAX_QUERY_BYTES];
        let expected = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x05Attic\x06_trill\x04_tcp\x05local\0\0\x21\0\x01";
        assert_eq!(QUERY.write(&mut out), expected);
    }

    #[test]
    fn the_longest_name_fits() {
        let name = core::str::from_utf8(&[b'x'; MAX_LABEL_BYTES]).expect("ASCII");
        let query = Query::new(name, 1).expect("a possible name");
        assert_eq!(query.write(&mut [0; MAX_QUERY_BYTES]).len(), MAX_QUERY_BYTES);
    }

    #[test]
    fn names_of_machines_are_not_asked_for() {
        let long = core::str::from_utf8(&[b'x'; MAX_LABEL_BYTES + 1]).expect("ASCII");
        for name in ["", "attic.local", long] {
            assert!(Query::new(name, 1).is_none(), "{name:?}");
        }
    }

    #[test]
    fn an_answer_has_address_and_port_in_whatever_case() {
        assert_eq!(QUERY.read_answer(ANSWER), Some((Ipv4Addr::new(10, 7, 0, 1), 7456)));
    }

    #[test]
    fn other_answers_are_ignored() {
        for query in [Query { id: 1, ..QUERY }, Query { server: "Cellar", ..QUERY }] {
            assert_eq!(query.read_answer(ANSWER), None);
        }
        assert_eq!(QUERY.read_answer(QUERY.write(&mut [0; MAX_QUERY_BYTES])), None, "a query");
    }

    #[test]
    fn a_cut_answer_is_ignored() {
        for length in 0..ANSWER.len() {
            assert_eq!(QUERY.read_answer(&ANSWER[..length]), None, "{length} bytes");
        }
    }

    /// Pointers that go round, and lengths beyond the end.
    #[test]
    fn a_malformed_answer_is_ignored_or_read() {
        for at in 0..ANSWER.len() {
            for byte in [0, 1, 0x3f, 0x40, 0xc0, 0xff] {
                let mut answer = [0; ANSWER.len()];
                answer.copy_from_slice(ANSWER);
                answer[at] = byte;
                let _ = QUERY.read_answer(&answer);
            }
        }
    }
}
