//! FTP (RFC 4217): greeting, AUTH TLS.

use super::talk::{Failed, Talk, refused};

pub(super) async fn ask(talk: &mut Talk<'_>) -> Result<(), Failed> {
    let mut greeting = talk.reply().await?;
    // "Ready in a moment" may come before the greeting.
    if greeting.code == 120 {
        greeting = talk.reply().await?;
    }
    if greeting.code != 220 {
        return Err(refused(&greeting.text()));
    }
    talk.say("AUTH TLS\r\n").await?;
    let answer = talk.reply().await?;
    if answer.code == 234 { Ok(()) } else { Err(refused(&answer.text())) }
}
