//! `length:...`: a length field, then so many bytes; Modbus/TCP, DNS over TCP, many games and most home-made protocols.

use super::FrameKind;
use super::error::FrameError;
use super::scan::{Cut, Declared, Step, gather};

/// How long the length field is, and which end of it comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    /// One byte.
    U8,
    /// Two bytes.
    U16(ByteOrder),
    /// Three bytes.
    U24(ByteOrder),
    /// Four bytes.
    U32(ByteOrder),
    /// Eight bytes.
    U64(ByteOrder),
}

/// Which byte of a length field comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// The one of most weight, as in the headers of TCP.
    Big,
    /// The one of least weight.
    Little,
}

impl Width {
    /// Returns the length of the field in bytes.
    #[inline]
    pub fn bytes(self) -> usize {
        match self {
            Width::U8 => 1,
            Width::U16(_) => 2,
            Width::U24(_) => 3,
            Width::U32(_) => 4,
            Width::U64(_) => 8,
        }
    }

    #[inline]
    fn order(self) -> ByteOrder {
        match self {
            Width::U8 => ByteOrder::Big,
            Width::U16(order) | Width::U24(order) | Width::U32(order) | Width::U64(order) => order,
        }
    }
}

/// Where the length is, and what it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LengthField {
    /// How long the field is, and which end of it comes first.
    pub width: Width,
    /// How many bytes come before the field, [`MOST_OFFSET_BYTES`] at most.
    pub offset: usize,
    /// What is added to the field for the length of the payload in bytes: -4 where a field of four bytes counts itself.
    pub adj: i64,
}

/// The most bytes that may come before a length field: far more than any header, and little to hold.
pub const MOST_OFFSET_BYTES: usize = 64 * 1024;

impl LengthField {
    /// Returns how many bytes come before the payload.
    #[inline]
    fn head(self) -> usize {
        self.offset + self.width.bytes()
    }

    /// Returns the field's bytes for a payload; `None` if they cannot say its length.
    pub(super) fn field(self, payload: usize) -> Option<([u8; 8], usize)> {
        let value = i128::from(payload as u64) - i128::from(self.adj);
        let width = self.width.bytes();
        let value = u64::try_from(value).ok().filter(|value| *value <= u64::MAX >> (64 - 8 * width))?;
        let bytes = match self.width.order() {
            ByteOrder::Big => (value << (64 - 8 * width)).to_be_bytes(),
            ByteOrder::Little => value.to_le_bytes(),
        };
        Some((bytes, width))
    }

    /// Returns the field's value, whose bytes are the first of these; what comes behind them does not matter.
    #[inline]
    fn value(self, bytes: [u8; 8]) -> u64 {
        let others = 64 - 8 * self.width.bytes();
        match self.width.order() {
            ByteOrder::Big => u64::from_be_bytes(bytes) >> others,
            ByteOrder::Little => u64::from_le_bytes(bytes) << others >> others,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Length {
    field: LengthField,
    max_bytes: usize,
    /// Once the field has come.
    declared: Option<Declared>,
}

impl Length {
    pub(super) fn new(field: LengthField, max_bytes: usize) -> Length {
        Length { field, max_bytes, declared: None }
    }

    #[inline]
    pub(super) fn scan(&mut self, held: &[u8], new: &[u8]) -> Step {
        let declared = match self.declared {
            Some(declared) => declared,
            None => {
                let head = self.field.head();
                if held.len() + new.len() < head {
                    return Step::More;
                }
                let bytes = self.field_bytes(held, new);
                match self.declare(self.field.value(bytes)) {
                    Ok(declared) => declared,
                    Err(error) => return Step::Fail { taken: head - held.len(), error },
                }
            }
        };
        let cut = declared.cut(held.len(), new.len());
        self.declared = if cut.is_some() { None } else { Some(declared) };
        cut.map_or(Step::More, Step::Cut)
    }

    /// Returns the bytes of the field, and others behind it.
    #[inline]
    fn field_bytes(&self, held: &[u8], new: &[u8]) -> [u8; 8] {
        // Eight at once are much faster to fetch than as many as there are in the field.
        let eight = new.get(self.field.offset..).and_then(|from| from.first_chunk());
        if let (true, Some(eight)) = (held.is_empty(), eight) {
            return *eight;
        }
        let mut bytes = [0; 8];
        gather(held, new, self.field.offset, &mut bytes);
        bytes
    }

    #[inline]
    fn declare(&self, value: u64) -> Result<Declared, FrameError> {
        let LengthField { adj, .. } = self.field;
        match value.checked_add_signed(adj) {
            Some(payload) => Declared::checked(self.field.head(), payload, self.max_bytes),
            None => Err(FrameError::malformed(format!("a length field of {value} with adj={adj} is no length"))),
        }
    }

    pub(super) fn rest(&mut self, held: usize) -> Cut {
        match self.declared.take() {
            Some(declared) => declared.rest(held),
            None => Cut { head: held, ..Cut::rest(FrameKind::Partial) },
        }
    }
}
