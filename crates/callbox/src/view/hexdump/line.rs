//! One line of a hexdump: offset, digits, ASCII column.

use std::io::Write;

use super::super::digits::{Colored, DIM, PAIRS, RESET, spaced, visible};

/// Bytes that a full line shows.
pub(super) const LINE_BYTES: usize = 16;

/// The width of offset, colon and space while offsets fit 32 bits.
const OFFSET_WIDTH: usize = 10;

/// The width of eight groups of four digits, each with a space, and of the space that sets the ASCII column apart.
const GROUPS_WIDTH: usize = 8 * 5 + 1;

/// The width of a full line with the ASCII column, its end included.
pub(super) const WIDTH_WITH_ASCII: usize = OFFSET_WIDTH + GROUPS_WIDTH + LINE_BYTES + 1;

/// The width of a full line without it.
pub(super) const WIDTH_OF_PAIRS: usize = OFFSET_WIDTH + 3 * LINE_BYTES;

/// Appends a full line with the ASCII column.
pub(super) fn full_with_ascii(offset: u64, bytes: &[u8; LINE_BYTES], out: &mut Vec<u8>) {
    let mut line = [b' '; WIDTH_WITH_ASCII];
    put_offset(offset, &mut line, out);
    for (index, &byte) in bytes.iter().enumerate() {
        let at = OFFSET_WIDTH + index / 2 * 5 + index % 2 * 2;
        line[at..at + 2].copy_from_slice(&PAIRS[usize::from(byte)]);
        line[OFFSET_WIDTH + GROUPS_WIDTH + index] = visible(byte);
    }
    line[WIDTH_WITH_ASCII - 1] = b'\n';
    out.extend_from_slice(&line);
}

/// Appends a full line of pairs alone.
pub(super) fn full_of_pairs(offset: u64, bytes: &[u8; LINE_BYTES], out: &mut Vec<u8>) {
    let mut line = [b' '; WIDTH_OF_PAIRS];
    put_offset(offset, &mut line, out);
    line[OFFSET_WIDTH..].copy_from_slice(&spaced(bytes));
    line[WIDTH_OF_PAIRS - 1] = b'\n';
    out.extend_from_slice(&line);
}

/// Writes the lower half of an offset; the upper one, when there is any, goes to `out`, in front of the line.
fn put_offset(offset: u64, line: &mut [u8], out: &mut Vec<u8>) {
    if offset > u64::from(u32::MAX) {
        write!(out, "{:x}", offset >> 32).expect("a Vec takes everything");
    }
    for (index, byte) in (offset as u32).to_be_bytes().into_iter().enumerate() {
        line[index * 2..index * 2 + 2].copy_from_slice(&PAIRS[usize::from(byte)]);
    }
    line[8] = b':';
}

/// Appends a line that is shorter than a full one.
pub(super) fn short(offset: u64, bytes: &[u8], ascii: bool, out: &mut Vec<u8>) {
    let mut line = [b' '; OFFSET_WIDTH];
    put_offset(offset, &mut line, out);
    out.extend_from_slice(&line);
    for (index, &byte) in bytes.iter().enumerate() {
        out.extend_from_slice(&PAIRS[usize::from(byte)]);
        if is_spaced(index, ascii) {
            out.push(b' ');
        }
    }
    if ascii {
        out.extend_from_slice(&[b' '; GROUPS_WIDTH][groups_width(bytes.len())..]);
        out.extend(bytes.iter().map(|&byte| visible(byte)));
    } else {
        out.pop();
    }
    out.push(b'\n');
}

/// Appends a line of any length in colour.
pub(super) fn colored(offset: u64, bytes: &[u8], ascii: bool, out: &mut Vec<u8>) {
    let mut offset_text = [b' '; OFFSET_WIDTH];
    out.extend_from_slice(DIM);
    put_offset(offset, &mut offset_text, out);
    let mut line = Colored::new();
    line.put(&offset_text[..OFFSET_WIDTH - 1]);
    line.put(RESET);
    line.put(b" ");
    if ascii {
        for (index, &byte) in bytes.iter().enumerate() {
            line.pair(byte, is_spaced(index, true));
        }
        line.put(&[b' '; GROUPS_WIDTH][groups_width(bytes.len())..]);
        for &byte in bytes {
            line.char(byte);
        }
    } else {
        for (index, &byte) in bytes.iter().enumerate() {
            line.pair(byte, index + 1 < bytes.len());
        }
    }
    line.put(RESET);
    line.put(b"\n");
    out.extend_from_slice(line.as_bytes());
}

/// Says whether a space follows the pair at `index`: beside the ASCII column, pairs stand two by two.
fn is_spaced(index: usize, ascii: bool) -> bool {
    !ascii || index % 2 == 1
}

/// Returns the width of `count` bytes in groups of four digits with their spaces.
fn groups_width(count: usize) -> usize {
    count * 2 + count / 2
}
