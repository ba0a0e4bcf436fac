//! Writes programs in Microsoft's *USB Flashing Format* (UF2). Every block is self-contained, so a computer may write
//! them in any order.

use std::collections::BTreeMap;

use super::elf::Segment;

/// UF2 family of programs for an RP2350's Arm cores in secure mode (*RP2350 Datasheet*, section 5.5.3).
pub(crate) const RP2350_ARM_S: u32 = 0xe48b_ff59;

const BLOCK_BYTES: usize = 512;
/// Payload of each block: a page of flash.
const PAYLOAD_BYTES: usize = 256;

const MAGIC_0: u32 = 0x0a32_4655;
const MAGIC_1: u32 = 0x9e5d_5157;
const MAGIC_END: u32 = 0x0ab1_6f30;
/// The header's last word is the family ID.
const HAS_FAMILY: u32 = 0x2000;

/// The UF2 file of `segments`. Pages are complete; gaps are zero.
pub(crate) fn convert(segments: &[Segment], family: u32) -> Vec<u8> {
    let pages = pages(segments);
    let count = pages.len() as u32;
    let blocks = (0..).zip(&pages).map(|(index, (address, page))| block(index, count, *address, page, family));
    blocks.collect::<Vec<_>>().concat()
}

/// The pages by address.
fn pages(segments: &[Segment]) -> BTreeMap<u32, [u8; PAYLOAD_BYTES]> {
    let mut pages = BTreeMap::new();
    for segment in segments {
        for (address, byte) in (segment.stored_at..).zip(&segment.bytes) {
            let place = address as usize % PAYLOAD_BYTES;
            pages.entry(address - place as u32).or_insert([0; PAYLOAD_BYTES])[place] = *byte;
        }
    }
    pages
}

/// A block: eight words, the page, zeros, and a word.
fn block(index: u32, count: u32, address: u32, page: &[u8; PAYLOAD_BYTES], family: u32) -> Vec<u8> {
    let header = [MAGIC_0, MAGIC_1, HAS_FAMILY, address, PAYLOAD_BYTES as u32, index, count, family];
    let mut block: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
    block.extend(page);
    block.resize(BLOCK_BYTES - 4, 0);
    block.extend(MAGIC_END.to_le_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(stored_at: u32, bytes: &[u8]) -> Segment {
        Segment { stored_at, bytes: bytes.to_vec(), memory_bytes: 0, is_writable: false }
    }

    /// The block's literal bytes from the specification.
    #[test]
    fn a_block_is_laid_out_as_specified() {
        let file = convert(&[segment(0x1000_0000, &[0xab; 256])], RP2350_ARM_S);
        let header = b"UF2\nWQ]\x9e\x00\x20\x00\x00\x00\x00\x00\x10\x00\x01\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x59\xff\x8b\xe4";
        assert_eq!(file.len(), 512);
        assert_eq!(&file[..32], header);
        assert_eq!(file[32..288], [0xab; 256]);
        assert_eq!(file[288..508], [0; 220]);
        assert_eq!(&file[508..], b"\x30\x6f\xb1\x0a");
    }

    /// Address, index, count and the page of every block.
    fn blocks(segments: &[Segment]) -> Vec<(u32, u32, u32, Vec<u8>)> {
        let word = |block: &[u8], at: usize| u32::from_le_bytes(block[at..at + 4].try_into().unwrap());
        let file = convert(segments, RP2350_ARM_S);
        let blocks = file.chunks(512);
        blocks.map(|block| (word(block, 12), word(block, 20), word(block, 24), block[32..288].to_vec())).collect()
    }

    #[test]
    fn segments_that_share_a_page_share_a_block() {
        let blocks = blocks(&[segment(0x1000_0000, &[1; 258]), segment(0x1000_0104, &[2; 2])]);
        let mut last = [0; 256];
        last[..6].copy_from_slice(&[1, 1, 0, 0, 2, 2]);
        assert_eq!(blocks, [(0x1000_0000, 0, 2, vec![1; 256]), (0x1000_0100, 1, 2, last.to_vec())]);
    }

    #[test]
    fn a_segment_that_is_not_page_aligned_is_complete() {
        let bytes: Vec<u8> = (1..=200).cycle().take(600).collect();
        let blocks = blocks(&[segment(0x1000_01f0, &bytes)]);
        let addresses: Vec<u32> = blocks.iter().map(|block| block.0).collect();
        assert_eq!(addresses, [0x1000_0100, 0x1000_0200, 0x1000_0300, 0x1000_0400]);
        let stored: Vec<u8> = blocks.iter().flat_map(|block| block.3.clone()).collect();
        assert_eq!(stored[0xf0..0xf0 + 600], bytes);
        assert!(stored[..0xf0].iter().chain(&stored[0xf0 + 600..]).all(|byte| *byte == 0));
    }

    #[test]
    fn a_segment_without_bytes_needs_no_block() {
        assert!(blocks(&[segment(0x2000_0000, &[])]).is_empty());
    }
}
