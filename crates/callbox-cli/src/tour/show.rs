//! Performs the chosen facts one after the other and writes the tour.

use std::io::{self, Write};

use super::transcript::{INDENT, Transcript};
use super::verdict::Verdict;
use super::wire::Trouble;
use super::{Fact, Part};
use crate::lang::{Both, Lang, both};

/// How the tour is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// In which language.
    pub(crate) lang: Lang,
    /// Whether colour is added; it says nothing that the words do not.
    pub(crate) color: bool,
}

/// How many facts were performed, and which of them did not hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    performed: usize,
    failed: Vec<&'static str>,
}

impl Tally {
    /// Tells whether every fact holds.
    pub(crate) fn all_hold(&self) -> bool {
        self.failed.is_empty()
    }

    /// Returns the tally of one fact that does not hold.
    #[cfg(test)]
    pub(crate) fn failing(name: &'static str) -> Tally {
        Tally { performed: 1, failed: vec![name] }
    }

    fn text(&self) -> Both {
        let (all, hold) = (self.performed, self.performed - self.failed.len());
        if self.all_hold() {
            return both!("{hold} of {all} hold", "共 {all} 项，{hold} 项成立");
        }
        let (failed_en, failed_zh) = (self.failed.join(", "), self.failed.join("、"));
        both!("{hold} of {all} hold; these do not: {failed_en}", "共 {all} 项，{hold} 项成立；不成立：{failed_zh}")
    }
}

/// Performs `facts`, each written as soon as it is judged.
///
/// # Errors
///
/// What writing reports; the rest of the tour is then not performed.
pub(crate) async fn show(facts: &[&'static Fact], style: Style, out: &mut dyn Write) -> io::Result<Tally> {
    writeln!(out, "{}", style.paint(DIM, legend().text(style.lang)))?;
    writeln!(out)?;
    let mut tally = Tally::default();
    let mut part: Option<Part> = None;
    for fact in facts {
        if part.replace(fact.part) != Some(fact.part) {
            let heading = fact.part.heading();
            writeln!(out, "{}", style.paint(BOLD, heading.text(style.lang)))?;
            writeln!(out)?;
        }
        let mut transcript = Transcript::default();
        let result = (fact.perform)(&mut transcript).await;
        tally.performed += 1;
        if !matches!(result, Ok(Verdict::Holds)) {
            tally.failed.push(fact.name);
        }
        write_fact(fact, &transcript, &result, style, out)?;
        writeln!(out)?;
        out.flush()?;
    }
    let color = if tally.all_hold() { GREEN } else { RED };
    writeln!(out, "{}", style.paint(color, tally.text().text(style.lang)))?;
    out.flush()?;
    Ok(tally)
}

/// What a reader needs to know before the first line; three lines at most.
fn legend() -> Both {
    both!(
        "Performed now on 127.0.0.1: what was called -> what the kernel answered.
The sockets are the tutorial's client and server; accepted is what accept
returned. The steps before the one in question are taken without a line.",
        "以下各项都在 127.0.0.1 上现场执行：调用 -> 内核的回答。
client 和 server 是教程里的两个套接字，accepted 是 accept 返回的套接字；
与该项无关的前几步也会执行，但不逐一列出。",
    )
}

fn write_fact(
    fact: &Fact,
    transcript: &Transcript,
    result: &Result<Verdict, Trouble>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mark = match result {
        Ok(Verdict::Holds) => style.paint(GREEN, "[ok]"),
        _ => style.paint(RED, "[FAILED]"),
    };
    let title = match style.lang {
        Lang::En => fact.en,
        Lang::Zh => fact.zh,
    };
    writeln!(out, "{mark} {}  {}", fact.name, style.paint(BOLD, title))?;
    transcript.write(out, style.lang)?;
    let objections = match result {
        Ok(Verdict::Holds) => return Ok(()),
        Ok(Verdict::Fails(objections)) => objections.clone(),
        Err(trouble) => vec![trouble.text()],
    };
    for objection in objections {
        writeln!(out, "{:INDENT$}{} {}", "", style.paint(RED, "!"), objection.text(style.lang))?;
    }
    Ok(())
}

const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const RED: &str = "1;31";

impl Style {
    fn paint(self, color: &str, text: &str) -> String {
        if self.color { format!("\x1b[{color}m{text}\x1b[0m") } else { text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::columns;
    use crate::tour::FACTS;
    use crate::tour::verdict::Checks;

    /// The width that every terminal has.
    const SCREEN_COLUMNS: usize = 80;

    async fn shown(facts: &[&'static Fact], style: Style) -> (Tally, String) {
        let mut out = Vec::new();
        let tally = show(facts, style, &mut out).await.expect("memory takes it");
        (tally, String::from_utf8(out).expect("is text"))
    }

    #[tokio::test]
    async fn every_fact_holds_on_real_sockets_in_both_languages() {
        for lang in [Lang::En, Lang::Zh] {
            let (tally, text) = shown(&FACTS, Style { lang, color: false }).await;
            assert!(tally.all_hold(), "{text}");
            assert_eq!(tally.performed, 20);
            assert_eq!(text.matches("[ok]").count(), 20, "{text}");
            let last = text.lines().last().expect("there are lines");
            assert_eq!(last, if lang == Lang::En { "20 of 20 hold" } else { "共 20 项，20 项成立" });
            for line in text.lines() {
                assert!(columns(line) < SCREEN_COLUMNS, "{} columns: {line}", columns(line));
                assert!(!line.ends_with(' '), "trailing blanks: {line:?}");
            }
            for state in ["LISTEN", "ESTABLISHED", "CLOSE_WAIT", "ECONNREFUSED", "EINVAL", "EPIPE", "ENOTCONN"] {
                assert!(text.contains(state), "{state} is not seen");
            }
        }
    }

    #[tokio::test]
    async fn color_adds_nothing_but_color() {
        let facts = &FACTS[..1];
        let (_, plain) = shown(facts, Style { lang: Lang::En, color: false }).await;
        let (_, colored) = shown(facts, Style { lang: Lang::En, color: true }).await;
        assert!(colored.contains("\x1b[32m[ok]\x1b[0m"));
        let mut bare = colored;
        for color in ["\x1b[1;31m", "\x1b[2m", "\x1b[32m", "\x1b[1m", "\x1b[0m"] {
            bare = bare.replace(color, "");
        }
        // Descriptors differ from one performance to the next.
        let words = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
        assert_eq!(words(&bare), words(&plain));
    }

    static OBJECTED: Fact = Fact {
        name: "objected",
        part: Part::Notes,
        en: "does not hold",
        zh: "不成立",
        perform: |transcript| {
            Box::pin(async {
                transcript.call("client.close()", "0");
                Ok(Checks::new().same(both!("the count", "数目"), &1, &2).verdict())
            })
        },
    };

    static LATE: Fact = Fact {
        name: "late",
        part: Part::Notes,
        en: "gets no answer",
        zh: "没有回音",
        perform: |_| Box::pin(async { Err(Trouble::Late("accept")) }),
    };

    #[tokio::test]
    async fn a_fact_that_does_not_hold_says_why_and_is_counted() {
        let facts = [FACTS[0], &OBJECTED, &LATE];
        let (tally, text) = shown(&facts, Style { lang: Lang::En, color: false }).await;
        assert!(!tally.all_hold());
        let failures = &text[text.find("Nine notes").expect("the second heading")..];
        let expected = "Nine notes on TCP

[FAILED] objected  does not hold
     client.close()                   -> 0
     ! the count: expected 2, observed 1

[FAILED] late  gets no answer
     ! no answer to accept within 5 s

1 of 3 hold; these do not: objected, late
";
        assert_eq!(failures, expected);
        let (_, text) = shown(&facts, Style { lang: Lang::Zh, color: false }).await;
        assert!(text.contains("     ! 数目：应为 2，实际为 1\n"), "{text}");
        assert!(text.contains("     ! accept 等了 5 秒没有结果\n"), "{text}");
        assert!(text.ends_with("共 3 项，1 项成立；不成立：objected、late\n"), "{text}");
    }
}
