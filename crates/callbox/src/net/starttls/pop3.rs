//! POP3 (RFC 2595): greeting, STLS.

use super::talk::{Failed, Talk, refused, unexpected};

pub(super) async fn ask(talk: &mut Talk<'_>) -> Result<(), Failed> {
    agreed(&talk.line().await?)?;
    talk.say("STLS\r\n").await?;
    agreed(&talk.line().await?)
}

fn agreed(line: &str) -> Result<(), Failed> {
    match line.split(' ').next() {
        Some("+OK") => Ok(()),
        Some("-ERR") => Err(refused(line)),
        _ => Err(unexpected("+OK", line)),
    }
}
