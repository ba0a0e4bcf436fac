//! The stream that is sent, and the PLAY that waits for the application's answer.

use super::DataFrame;
use super::frame_sizer::FrameSizer;
use crate::error::SessionError;
use crate::ids::StreamId;
use crate::limits::{MAX_CREDIT_BYTES, MIN_DATA_BYTES};
use crate::message::{Credit, End, EndReason, Header, MessageType, Play, Started};
use crate::time::Instant;

/// At most one of each. Ids only grow, and no credit exceeds `max_credit`.
#[derive(Debug)]
pub(super) struct Streams {
    last_id: u32,
    /// Most credit that may be outstanding on a stream, as WELCOME said.
    max_credit: u32,
    offered: Option<Offered>,
    sending: Option<Sending>,
    frame_sizer: FrameSizer,
}

/// A PLAY that the application has not answered.
#[derive(Debug)]
struct Offered {
    id: StreamId,
    credit: u32,
}

/// The stream that is being sent.
#[derive(Debug)]
struct Sending {
    id: StreamId,
    position: u64,
    end: u64,
    credit: u32,
}

impl Streams {
    pub(super) const fn new() -> Self {
        Self { last_id: 0, max_credit: MAX_CREDIT_BYTES, offered: None, sending: None, frame_sizer: FrameSizer::new() }
    }

    pub(super) const fn set_max_credit(&mut self, bytes: u32) {
        self.max_credit = bytes;
    }

    pub(super) fn sending(&self) -> Option<StreamId> {
        self.sending.as_ref().map(|sending| sending.id)
    }

    pub(super) fn is_offered(&self, stream: StreamId) -> bool {
        self.offered.as_ref().is_some_and(|offered| offered.id == stream)
    }

    // ── what the client asks for ──

    /// Takes PLAY. Returns the END of the PLAY that it overtakes, if there is one.
    pub(super) fn on_play(&mut self, play: &Play) -> Result<Option<End>, SessionError> {
        if play.stream.0 <= self.last_id {
            return Err(SessionError::StreamId);
        }
        if play.credit > self.max_credit {
            return Err(SessionError::Credit);
        }
        self.last_id = play.stream.0;
        let overtaken = self.offered.replace(Offered { id: play.stream, credit: play.credit });
        Ok(overtaken.map(|overtaken| End { stream: overtaken.id, reason: EndReason::Replaced }))
    }

    /// Takes CREDIT. Returns whether it is of use: for a stream that has not ended, and for a whole DATA frame.
    ///
    /// The client may send credit while the END of the stream is under way, so credit for a stream that has ended is
    /// ignored.
    pub(super) fn on_credit(&mut self, now: Instant, credit: Credit) -> Result<bool, SessionError> {
        if credit.stream.0 == 0 || credit.stream.0 > self.last_id {
            return Err(SessionError::StreamId);
        }
        let sum = |outstanding: u32| {
            outstanding.checked_add(credit.more).filter(|sum| *sum <= self.max_credit).ok_or(SessionError::Credit)
        };
        if let Some(sending) = self.sending.as_mut().filter(|sending| sending.id == credit.stream) {
            sending.credit = sum(sending.credit)?;
            self.frame_sizer.on_credit(now, credit.more);
        } else if let Some(offered) = self.offered.as_mut().filter(|offered| offered.id == credit.stream) {
            offered.credit = sum(offered.credit)?;
        } else {
            return Ok(false);
        }
        Ok(credit.more >= MIN_DATA_BYTES)
    }

    /// Takes STOP. Returns whether it ends a stream or a PLAY. If not, the END is under way already.
    pub(super) fn on_stop(&mut self, stream: StreamId) -> bool {
        let is_sending = self.sending.take_if(|sending| sending.id == stream).is_some();
        let is_offered = self.offered.take_if(|offered| offered.id == stream).is_some();
        is_sending || is_offered
    }

    // ── what the application answers ──

    /// Begins to send the stream that is offered. Returns the END of the stream that it replaces, if there is one.
    pub(super) fn start(&mut self, started: &Started) -> Option<End> {
        let offered = self.offered.take()?;
        self.frame_sizer.start(offered.credit);
        let replaced = self.sending.replace(Sending {
            id: offered.id,
            position: started.position,
            end: started.size_bytes,
            credit: offered.credit,
        })?;
        Some(End { stream: replaced.id, reason: EndReason::Replaced })
    }

    /// Forgets the PLAY that is offered: it was refused.
    pub(super) fn refuse(&mut self) {
        self.offered = None;
    }

    /// Forgets the stream that is sent: it has failed.
    pub(super) fn fail(&mut self) {
        self.sending = None;
    }

    // ── what is sent ──

    /// Everything that is said before the next DATA is being transmitted.
    pub(super) fn on_transmit(&mut self, now: Instant) {
        self.frame_sizer.on_transmit(now);
    }

    /// The END of the stream whose last byte was sent.
    pub(super) fn take_finished(&mut self) -> Option<End> {
        let finished = self.sending.take_if(|sending| sending.position >= sending.end)?;
        Some(End { stream: finished.id, reason: EndReason::Finished })
    }

    /// Payload bytes of the next DATA frame; 0 if there is nothing to send.
    pub(super) fn next_data_bytes(&self) -> usize {
        let Some(sending) = &self.sending else { return 0 };
        let granted = u64::from(sending.credit.min(self.frame_sizer.frame_bytes()));
        let left = sending.end.saturating_sub(sending.position);
        usize::try_from(granted.min(left)).unwrap_or(usize::MAX)
    }

    /// Takes a DATA frame with so many bytes of payload, for which there is credit.
    pub(super) fn take_data(&mut self, length: u16) -> Option<DataFrame> {
        let sending = self.sending.as_mut()?;
        let header = Header { kind: MessageType::Data.to_byte(), flags: 0, length, id: sending.id.0 }.encode();
        let frame = DataFrame { header, stream: sending.id, position: sending.position, length: usize::from(length) };
        sending.position += u64::from(length);
        sending.credit -= u32::from(length);
        self.frame_sizer.on_frame(length.into(), sending.credit > 0 && sending.position < sending.end);
        Some(frame)
    }

    /// Takes back the frame that was taken last.
    pub(super) fn take_back(&mut self, frame: &DataFrame) {
        if let Some(sending) = self.sending.as_mut().filter(|sending| sending.id == frame.stream) {
            sending.position = frame.position;
            sending.credit = sending.credit.saturating_add(u32::try_from(frame.length).unwrap_or(u32::MAX));
        }
    }
}
