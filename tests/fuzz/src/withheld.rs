//! The frame that neither client hands to its decoder, where a target decodes by itself.

use nanomp3_core::__private::{FrameInfo, decode_frame};
use nanomp3_core::Decoder;
use trill_proto::decoder::mixes_blocks_at_8_khz;

/// How many bytes it takes, with what is in front of it, if the next frame is such a one: the decoder would panic. It
/// begins anew instead, as the clients' do.
pub(crate) fn withheld(decoder: &mut Decoder, mp3: &[u8]) -> Option<usize> {
    let mut found = FrameInfo::default();
    decode_frame::<i16>(decoder, mp3, None, &mut found);
    let is_withheld = found.hz != 0 && mixes_blocks_at_8_khz(&mp3[found.frame_offset..]);
    is_withheld.then(|| {
        *decoder = Decoder::new();
        found.frame_bytes
    })
}
