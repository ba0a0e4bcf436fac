//! What both sides' targets need: one side's words, taken apart as the other side would.

use trill_proto::frame::{ControlFrame, FrameReader, Part};
use trill_proto::limits::PREAMBLE_BYTES;
use trill_proto::message::{Message, PREAMBLE, REFUSAL_MAGIC};

/// Reads along what one side says, which must be right in every byte.
#[derive(Debug)]
pub(crate) struct Observer<const CONTROL: usize> {
    preamble: Vec<u8>,
    reader: FrameReader<CONTROL>,
}

/// What was said.
#[derive(Debug, PartialEq)]
pub(crate) enum Said<'a> {
    /// A message other than DATA, and the length of its payload in bytes.
    Message(Message<'a>, usize),
    /// The header of a DATA frame.
    Data { stream: u32, length: u16 },
    /// A frame that may be ignored.
    Ignored,
}

impl<const CONTROL: usize> Observer<CONTROL> {
    pub(crate) const fn new() -> Self {
        Self { preamble: Vec::new(), reader: FrameReader::new() }
    }

    /// Calls `hear` with everything that `bytes` complete.
    ///
    /// # Panics
    /// If the other side could not read it.
    pub(crate) fn read(&mut self, mut bytes: &[u8], mut hear: impl FnMut(Said<'_>)) {
        let missing = PREAMBLE_BYTES.saturating_sub(self.preamble.len()).min(bytes.len());
        self.preamble.extend_from_slice(&bytes[..missing]);
        bytes = &bytes[missing..];
        if self.preamble.starts_with(&REFUSAL_MAGIC) {
            assert_eq!((self.preamble.len(), bytes), (PREAMBLE_BYTES, &[][..]), "a refusal is all there is");
            return;
        }
        assert_eq!(self.preamble, PREAMBLE[..self.preamble.len()]);
        while !bytes.is_empty() {
            let (taken, part) = self.reader.read(bytes).expect("frames that the other side takes");
            match part {
                Some(Part::Control(ControlFrame { header, payload, .. })) => {
                    let message = Message::decode(header, payload).expect("a message that is well formed");
                    hear(Said::Message(message, payload.len()));
                }
                Some(Part::DataBegins { id, length }) => hear(Said::Data { stream: id, length }),
                Some(Part::Ignored) => hear(Said::Ignored),
                Some(Part::Data { .. }) | None => {}
            }
            bytes = &bytes[taken..];
        }
    }
}
