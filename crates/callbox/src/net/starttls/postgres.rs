//! PostgreSQL: `SSLRequest`, answered with one byte.

use super::talk::{Failed, Talk, not_offered};

/// Its length, and the code that stands where a version would.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

pub(super) async fn ask(talk: &mut Talk<'_>) -> Result<(), Failed> {
    talk.say(SSL_REQUEST).await?;
    match talk.bytes(1).await?[0] {
        b'S' => Ok(()),
        b'N' => Err(not_offered("TLS")),
        // What follows comes from somebody whom nobody has checked, so it is not shown.
        b'E' => Err(Failed::Said("the server answered with an error".into())),
        other => Err(Failed::Said(format!("S or N was due, and the server said {other:#04x}"))),
    }
}
