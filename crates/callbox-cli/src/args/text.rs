//! How bytes become text and frames, alike on all commands that carry bytes.

use callbox::checksum::Checksum;
use callbox::frame::{Framing, MAX_FRAME_BYTES, MOST_FRAME_BYTES};
use callbox::text::Encoding;
use callbox::units::Size;
use callbox::view::{Show, Timestamps};

use super::values::size;
use crate::exit::Failure;

/// Frames and encodings.
#[derive(Debug, Clone, clap::Args)]
pub struct FramingArgs {
    /// Cut the bytes into frames: none, line, crlf, delim:0x03, fixed:20, length:u16be, length:u32le+adj=-4, varint, netstring, slip, cobs, idle:50ms or json
    #[arg(long, value_name = "SPEC", default_value = "none", help_heading = "Frames and text")]
    pub frame: Framing,
    /// The largest frame; a larger one ends the session, in relay only if this is given [default: 1Mi]
    #[arg(long, value_name = "SIZE", value_parser = most, help_heading = "Frames and text")]
    pub max_frame: Option<Size>,
    /// Append a checksum to what is sent and verify it on received frames (relay only verifies): crc16-modbus, crc32, sum8, xor8 or lrc
    #[arg(long, value_name = "NAME", help_heading = "Frames and text")]
    pub checksum: Option<Checksum>,
    /// The encoding of text, sent and shown, such as gbk, big5, shift_jis or utf-16le
    #[arg(long, value_name = "LABEL", default_value = "utf-8", help_heading = "Frames and text")]
    pub encoding: Encoding,
    /// The number from which all that is random is drawn, so that it can be had again: {uuid} and {random:..} in templates, and faults [default: drawn, and said]
    #[arg(long, value_name = "N", help_heading = "Frames and text")]
    pub seed: Option<u64>,
}

/// Frames, encodings and views.
#[derive(Debug, Clone, clap::Args)]
pub struct TextArgs {
    #[command(flatten)]
    pub framing: FramingArgs,
    /// How bytes are shown: text, hex, both (a hexdump with characters), raw or none [default: text on a terminal, in serve and in relay, else raw]
    #[arg(long, value_name = "HOW", help_heading = "Frames and text")]
    pub show: Option<Show>,
    /// Put a time before each chunk or frame shown: none, clock, delta (since the one before) or relative (since the session's start)
    #[arg(long, value_name = "WHICH", default_value = "none", help_heading = "Frames and text")]
    pub timestamps: Timestamps,
}

/// Variables in the texts sent.
#[derive(Debug, Clone, clap::Args)]
pub struct TemplateArgs {
    // Without the escape sequence, which is printed nowhere but in colour, the first one would be a line break.
    #[arg(
        long,
        help = "Expand {\x1b[0mn}, {time}, {uuid}, {random:16}, {session}, {peer} and {hex:00 ff} in the texts sent; {{ and }} are braces",
        help_heading = "Frames and text"
    )]
    pub template: bool,
}

impl FramingArgs {
    /// Returns how the bytes are cut, in the encoding.
    ///
    /// # Errors
    ///
    /// A rule that can frame nothing.
    pub fn framing(&self) -> Result<Framing, Failure> {
        let framing = self.spec();
        framing.check().map_err(|invalid| {
            let over = invalid.problem.contains("maximum");
            let failure = Failure::usage(format!("--frame: {invalid}"));
            if over { failure.hint("--max-frame is the maximum") } else { failure }
        })?;
        Ok(framing.in_encoding(self.encoding))
    }

    /// Returns the same as written, with its maximum and checksum.
    pub fn spec(&self) -> Framing {
        let most = self.max_frame.map_or(MAX_FRAME_BYTES, |size| usize::try_from(size.0).unwrap_or(MOST_FRAME_BYTES));
        self.frame.clone().with_max_bytes(most).with_checksum(self.checksum)
    }

    /// Returns the seed that was drawn, with whether it still has to be said.
    pub fn seed_of(&self, seed: u64) -> Seed {
        Seed { seed, unsaid: self.seed.is_none() }
    }

    /// Returns the seed, and whether it was drawn here and so has to be said.
    pub fn seed(&self) -> (u64, bool) {
        use std::hash::{BuildHasher, RandomState};
        self.seed.map_or_else(|| (RandomState::new().hash_one(std::process::id()), true), |seed| (seed, false))
    }
}

/// Where randomness begins.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    /// The number.
    pub seed: u64,
    /// It was drawn, and nobody knows it yet.
    pub unsaid: bool,
}

fn most(text: &str) -> Result<Size, String> {
    let size = size(text).map_err(|invalid| invalid.to_string())?;
    match usize::try_from(size.0) {
        Ok(1..=MOST_FRAME_BYTES) => Ok(size),
        _ => Err(format!(
            "a maximum is 1 byte to {} MiB, {} MiB by default",
            MOST_FRAME_BYTES >> 20,
            MAX_FRAME_BYTES >> 20
        )),
    }
}
