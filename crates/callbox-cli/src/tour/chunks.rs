//! What the tutorial gets wrong: it takes what one `recv` brings for a whole text, and for what one `send` sent.

use callbox::text::{Lines, Printer};

use super::answer::{Outcome, received, sent};
use super::transcript::Transcript;
use super::verdict::{Checks, Verdict};
use super::wire::{Trouble, needed, pair, server};
use super::{Fact, HELLO, Part, THANKS};
use crate::lang::both;

/// A character cut in two.
pub(crate) static SPLIT: Fact = Fact {
    name: "split",
    part: Part::Extras,
    en: "recv(1024) may cut a character in two",
    zh: "recv(1024) 可能把一个汉字切成两半",
    perform: |transcript| Box::pin(split(transcript)),
};

/// Two sends in one chunk, one send in two.
pub(crate) static MERGE: Fact = Fact {
    name: "merge",
    part: Part::Extras,
    en: "two sends may arrive as one chunk, one send as two",
    zh: "两次 send 可能一次收到（粘包），一次 send 也可能分两次收到",
    perform: |transcript| Box::pin(merge(transcript)),
};

/// One less than the tutorial's buffer holds, so that the character after it straddles its end.
const FILLER: usize = 1023;
/// Three bytes in UTF-8: e4 bd a0.
const CHARACTER: &str = "你";

#[derive(Clone)]
struct Cut {
    first: Vec<u8>,
    second: Vec<u8>,
    /// What a decoder that remembers showed at the end of each chunk.
    after_first: String,
    whole: String,
}

async fn split(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = server()?;
    let (client, accepted) = pair(&server).await?;
    let text = "a".repeat(FILLER) + CHARACTER;
    let count = client.send(text.as_bytes()).await?;
    t.call(format!("client.send(\"a\" * {FILLER} + \"{CHARACTER}\")"), sent(&count));
    accepted.arrived(text.len()).await?;
    let first = needed("recv", accepted.recv(1024).await?)?;
    let second = needed("recv", accepted.recv(1024).await?)?;
    let (count, last) = (first.len(), callbox::text::show_hex(&first[first.len().saturating_sub(1)..]));
    t.call("chunk1 = accepted.recv(1024)", both!("{count} bytes, the last is {last}", "{count} 字节，末字节是 {last}"));
    t.call("chunk1.decode()", decoded(&first));
    let (count, bytes) = (second.len(), callbox::text::show_hex(&second[..second.len().min(4)]));
    t.call("chunk2 = accepted.recv(1024)", both!("{count} bytes: {bytes}", "{count} 字节：{bytes}"));
    t.call("chunk2.decode()", decoded(&second));
    let mut printer = Printer::new(Lines::Pass);
    let mut whole = String::new();
    printer.push(&first, &mut whole);
    let after_first = whole.clone();
    printer.push(&second, &mut whole);
    printer.finish(&mut whole);
    let shown = whole.strip_prefix(&after_first).unwrap_or_default();
    t.call("decoder.feed(chunk1, chunk2)", both!("whole, it ends in \"{shown}\"", "完整，以 \"{shown}\" 结尾"));
    t.remark(both!(
        "Decode the stream, not chunks: half a character waits for the next recv.",
        "要对整个字节流解码，而不是逐块解码：半个字符留到下一次 recv 再解。",
    ));
    Ok(judge_cut(&Cut { first, second, after_first, whole }))
}

/// Shows what decoding a chunk by itself gives.
fn decoded(chunk: &[u8]) -> crate::lang::Both {
    match std::str::from_utf8(chunk) {
        Ok(_) => both!("decodes", "解码成功"),
        Err(error) => {
            let at = error.valid_up_to();
            both!("fails at byte {at}: half a character", "偏移 {at} 处解码失败：半个字符")
        }
    }
}

fn judge_cut(seen: &Cut) -> Verdict {
    let filler = "a".repeat(FILLER);
    let cut_at = |chunk: &[u8]| std::str::from_utf8(chunk).map_or_else(|error| error.valid_up_to(), |_| usize::MAX);
    Checks::new()
        .same(both!("bytes in the first chunk", "第一块的字节数"), &seen.first.len(), &1024)
        .same(both!("bytes in the second chunk", "第二块的字节数"), &seen.second.len(), &2)
        .that(both!("the first chunk alone does not decode", "第一块单独解码失败"), cut_at(&seen.first) == FILLER)
        .that(both!("the second chunk alone does not decode", "第二块单独解码失败"), cut_at(&seen.second) == 0)
        .that(both!("the half character is held back", "半个字符被保留"), seen.after_first == filler)
        .that(both!("the text is whole in the end", "最后得到完整的文本"), seen.whole == filler + CHARACTER)
        .verdict()
}

#[derive(Clone)]
struct Merged {
    together: Outcome<Vec<u8>>,
    part: Outcome<Vec<u8>>,
    rest: Outcome<Vec<u8>>,
}

async fn merge(t: &mut Transcript) -> Result<Verdict, Trouble> {
    let server = server()?;
    let (client, accepted) = pair(&server).await?;
    t.call("client.send(\"hello\")", sent(&client.send(HELLO).await?));
    t.call("client.send(\"hello\")", sent(&client.send(HELLO).await?));
    // The server is busy elsewhere until both are there.
    let unread = accepted.arrived(2 * HELLO.len()).await?;
    t.call("accepted.ioctl(FIONREAD)", both!("{unread} bytes wait unread", "{unread} 字节等待读取"));
    let together = accepted.recv(1024).await?;
    t.call("accepted.recv(1024)", received(&together));
    t.call("client.send(\"thank you !\")", sent(&client.send(THANKS).await?));
    accepted.arrived(THANKS.len()).await?;
    let part = accepted.recv(5).await?;
    t.call("accepted.recv(5)", received(&part));
    let rest = accepted.recv(1024).await?;
    t.call("accepted.recv(1024)", received(&rest));
    t.remark(both!(
        "TCP is a stream of bytes: the edges of a chunk mean nothing. What ends a",
        "TCP 是字节流，数据块的边界没有意义，所谓粘包并不是 TCP 出错。",
    ));
    t.remark(both!(
        "message must be in the bytes: a newline, a length in front, a fixed size.",
        "消息的边界要写进字节里：换行符、长度前缀或固定长度。",
    ));
    Ok(judge_merged(&Merged { together, part, rest }))
}

fn judge_merged(seen: &Merged) -> Verdict {
    let together: Vec<u8> = [HELLO, HELLO].concat();
    Checks::new()
        .same(both!("two sends in one recv", "两次 send 一次收到"), &seen.together, &Ok(together))
        .same(both!("the first part of one send", "一次 send 的前一部分"), &seen.part, &Ok(THANKS[..5].to_vec()))
        .same(both!("its rest", "其余部分"), &seen.rest, &Ok(THANKS[5..].to_vec()))
        .verdict()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tour::verdict::assert_judge;

    #[test]
    fn a_cut_character_breaks_each_chunk_and_not_the_stream() {
        let text = "a".repeat(FILLER) + CHARACTER;
        let (first, second) = text.as_bytes().split_at(1024);
        let good = Cut { first: first.into(), second: second.into(), after_first: "a".repeat(FILLER), whole: text };
        assert_judge(
            judge_cut,
            &good,
            &[
                |seen| seen.first.truncate(FILLER),
                |seen| seen.first[FILLER] = b'a',
                |seen| seen.second = CHARACTER.into(),
                |seen| seen.second = b"aa".to_vec(),
                |seen| seen.after_first.push_str("\\xe4"),
                |seen| seen.whole = "a".repeat(FILLER) + "\u{fffd}",
            ],
        );
    }

    #[test]
    fn chunks_are_neither_sends_nor_wholes() {
        let good =
            Merged { together: Ok(b"hellohello".to_vec()), part: Ok(b"thank".to_vec()), rest: Ok(b" you !".to_vec()) };
        assert_judge(
            judge_merged,
            &good,
            &[
                |seen| seen.together = Ok(HELLO.to_vec()),
                |seen| seen.part = Ok(THANKS.to_vec()),
                |seen| seen.rest = Ok(Vec::new()),
            ],
        );
    }
}
