//! The frame that neither client hands to its decoder, where a target decodes by itself.

use nanomp3_core::__private::{FrameInfo, decode_frame};
use nanomp3_core::Decoder;
use trill_proto::decoder::mixes_blocks_at_8_khz;

/// What comes next, as the clients' decoders look for it before they decode.
pub(crate) enum Next<'a> {
    /// That frame: the decoder would panic. It begins anew instead, as the clients' do, with what is behind the frame.
    Withheld(&'a [u8]),
    /// Anything else: what the clients hand to their decoders, who by now remember what they have found.
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
