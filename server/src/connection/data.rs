//! Writes DATA frames.

use std::io::IoSlice;
use std::thread;

use log::Level;
use trill_proto::session::server::DataFrame;
use trill_proto::transport::blocking::{ReadOutcome, Source};

use super::Connection;
use super::departure::Departure;
use super::socket::Writer;
use crate::payloads::Payload;

impl Connection {
    /// Whether there is music to send, and it can be read now.
    pub(super) fn has_data(&self) -> bool {
        self.machine.has_data() && self.playing.pause().is_zero()
    }

    /// Writes one DATA frame, if there is credit for one. A song that cannot be read ends its stream.
    ///
    /// While the client does not take the frame, no buffer is held: what the client has not taken is read again when the
    /// socket has room.
    pub(super) fn send_data(&mut self) -> Result<(), Departure> {
        let sent = self.send_frame();
        if let Some(failure) = self.playing.take_failure() {
            self.note(Level::Warn, format_args!("{}: {failure}", self.client));
        }
        sent
    }

    fn send_frame(&mut self) -> Result<(), Departure> {
        let Self { shared, machine, playing, socket, .. } = self;
        let mut payload = shared.payloads.take()?;
        let Some(frame) = machine.poll_data(payload.len()) else { return Ok(()) };
        match playing.read_song(frame.stream, frame.position, head(&mut payload, frame.length)) {
            ReadOutcome::Filled => {}
            ReadOutcome::NotNow => {
                machine.take_back(&frame);
                return Ok(());
            }
            ReadOutcome::Failed => {
                // There is room: DATA is only sent when nothing else waits.
                let _ = machine.fail(frame.stream);
                return Ok(());
            }
        }
        let mut writer = socket.writer();
        let mut unsent = Unsent::new(&frame);
        unsent.send(&mut writer, head(&mut payload, frame.length))?;
        drop(payload);
        while unsent.payload_bytes > 0 || !unsent.header.is_empty() {
            writer.wait_for_room()?;
            let mut payload = shared.payloads.take()?;
            let piece = head(&mut payload, unsent.payload_bytes);
            let position = frame.position + (frame.length - unsent.payload_bytes) as u64;
            match playing.read_song(frame.stream, position, piece) {
                ReadOutcome::Filled => unsent.send(&mut writer, piece)?,
                ReadOutcome::NotNow => thread::sleep(playing.pause()), // somebody rewrites the file
                ReadOutcome::Failed => return Err(Departure::Unfinished), // within a frame nothing can be said
            }
        }
        Ok(())
    }
}

/// The first `length` bytes of a buffer, or all if it is shorter.
fn head<'a>(payload: &'a mut Payload<'_>, length: usize) -> &'a mut [u8] {
    let length = length.min(payload.len());
    &mut payload[..length]
}

/// What is left of a frame.
struct Unsent<'a> {
    header: &'a [u8],
    payload_bytes: usize,
}

impl<'a> Unsent<'a> {
    fn new(frame: &'a DataFrame) -> Self {
        Self { header: &frame.header, payload_bytes: frame.length }
    }

    /// Writes as much of the header and of `piece`, the next bytes of the payload, as the socket takes now.
    fn send(&mut self, writer: &mut Writer<'_>, piece: &[u8]) -> Result<(), Departure> {
        let sent = writer.write_now(&[IoSlice::new(self.header), IoSlice::new(piece)])?;
        let of_header = sent.min(self.header.len());
        self.header = &self.header[of_header..];
        self.payload_bytes -= sent - of_header;
        Ok(())
    }
}
