//! MySQL and MariaDB: the server's handshake, and the short answer that asks for TLS; the ClientHello follows at once.

use super::talk::{Failed, Talk, not_offered, refused};

/// Capabilities, of both sides.
const CLIENT_SSL: u32 = 0x0800;
const CLIENT_PROTOCOL_41: u32 = 0x0200;
const CLIENT_SECURE_CONNECTION: u32 = 0x8000;
/// The longest packet that we would take, as every client says.
const MAX_PACKET: u32 = 1 << 24;
/// `utf8mb4_general_ci`.
const CHARSET: u8 = 45;
/// The server's first word is an error.
const ERROR: u8 = 0xff;
/// The only version of the protocol in use.
const VERSION: u8 = 10;
/// Behind the server's version: the session's number, half of the salt, a zero.
const BEFORE_CAPABILITIES: usize = 4 + 8 + 1;

pub(super) async fn ask(talk: &mut Talk<'_>) -> Result<(), Failed> {
    let head = talk.bytes(4).await?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
    let packet = talk.bytes(length).await?;
    let capabilities = match packet.first() {
        Some(&ERROR) => return Err(refused(&String::from_utf8_lossy(packet.get(3..).unwrap_or_default()))),
        Some(&VERSION) => capabilities(&packet[1..]),
        _ => None,
    };
    let Some(capabilities) = capabilities else {
        return Err(Failed::Said("a handshake of MySQL was due, and the server said something else".into()));
    };
    if u32::from(capabilities) & CLIENT_SSL == 0 {
        return Err(not_offered("TLS"));
    }
    let flags = CLIENT_SSL | CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION;
    let body = [&flags.to_le_bytes()[..], &MAX_PACKET.to_le_bytes(), &[CHARSET], &[0; 23]].concat();
    let number = head[3].wrapping_add(1);
    talk.say([&[body.len() as u8, 0, 0, number], body.as_slice()].concat()).await
}

/// Returns the lower half of the server's capabilities, which has all that is of interest.
fn capabilities(handshake: &[u8]) -> Option<u16> {
    let version = handshake.iter().position(|byte| *byte == 0)?;
    let bytes = handshake.get(version + 1 + BEFORE_CAPABILITIES..)?;
    Some(u16::from_le_bytes([*bytes.first()?, *bytes.get(1)?]))
}
