//! Detects the frame that the clients do not pass to their decoders, for targets that decode.

use nanomp3_core::__private::{FrameInfo, decode_frame};
use nanomp3_core::Decoder;
use trill_proto::decoder::mixes_blocks_at_8_khz;

/// The next element, as the clients' decoders classify it.
pub(crate) enum Next<'a> {
    /// That frame, which would make the decoder panic. The target restarts the decoder after the frame, as the clients
    /// do.
    Withheld(&'a [u8]),
    /// Anything else, which the clients pass to their decoders. The decoders now remember its position.
    Decodable(&'a [u8]),
}

/// Looks for the next frame.
pub(crate) fn next<'a>(decoder: &mut Decoder, mp3: &'a [u8]) -> Next<'a> {
    let mut found = FrameInfo::default();
    decode_frame::<i16>(decoder, mp3, None, &mut found);
    let frame = &mp3[found.frame_offset..];
    if found.hz != 0 && mixes_blocks_at_8_khz(frame) {
        *decoder = Decoder::new();
        return Next::Withheld(&mp3[found.frame_bytes..]);
    }
    Next::Decodable(frame)
}
