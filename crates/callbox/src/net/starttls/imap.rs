//! IMAP (RFC 9051): greeting, STARTTLS.

use super::talk::{Failed, Talk, refused, unexpected};

pub(super) async fn ask(talk: &mut Talk<'_>) -> Result<(), Failed> {
    let greeting = talk.line().await?;
    match word(&greeting, 1).as_str() {
        "OK" if greeting.starts_with("* ") => {}
        // Somebody who is signed in already cannot ask for TLS any more.
        "PREAUTH" | "BYE" => return Err(refused(&greeting)),
        _ => return Err(unexpected("* OK", &greeting)),
    }
    talk.say("a1 STARTTLS\r\n").await?;
    loop {
        let line = talk.line().await?;
        match word(&line, 0).as_str() {
            // Servers may say more without being asked.
            "*" if word(&line, 1) == "BYE" => return Err(refused(&line)),
            "*" => {}
            "A1" if word(&line, 1) == "OK" => return Ok(()),
            "A1" => return Err(refused(line.split_once(' ').map_or("", |(_, rest)| rest))),
            _ => return Err(unexpected("a1 OK", &line)),
        }
    }
}

/// Returns a word of a line in upper case.
fn word(line: &str, index: usize) -> String {
    line.split(' ').nth(index).unwrap_or_default().to_ascii_uppercase()
}
