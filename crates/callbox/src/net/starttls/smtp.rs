//! SMTP (RFC 3207): greeting, EHLO, STARTTLS.

use super::talk::{Failed, Talk, not_offered, refused};

pub(super) async fn ask(talk: &mut Talk<'_>) -> Result<(), Failed> {
    let greeting = talk.reply().await?;
    if greeting.code != 220 {
        return Err(refused(&greeting.text()));
    }
    talk.say("EHLO localhost\r\n").await?;
    let offers = talk.reply().await?;
    if offers.code != 250 {
        return Err(refused(&offers.text()));
    }
    // The first line is the server's name.
    if !offers.lines.iter().skip(1).any(|line| line.trim().eq_ignore_ascii_case("STARTTLS")) {
        return Err(not_offered("STARTTLS"));
    }
    talk.say("STARTTLS\r\n").await?;
    let answer = talk.reply().await?;
    if answer.code == 220 { Ok(()) } else { Err(refused(&answer.text())) }
}
