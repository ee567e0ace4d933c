//! What a request asks for, apart from how it came: the pure part of the control API.

use super::fleet::Fleet;
use super::reply::Reply;
use super::{toxiproxy, v1};

/// A request, read.
#[derive(Debug, Clone, Default)]
pub struct Asked<'a> {
    /// `GET`, `POST`, ...
    pub method: &'a str,
    /// As it was sent, escapes included.
    pub path: &'a str,
    /// What comes behind `?`.
    pub query: &'a str,
    /// What the body is said to be.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// Answers a request.
pub async fn answer(fleet: &Fleet, asked: &Asked<'_>) -> Reply {
    let Some(path) = unescape(asked.path) else {
        return Reply::plain(400, "400 Bad Request\n");
    };
    let clean = clean(&path);
    if clean != path {
        let query = if asked.query.is_empty() { String::new() } else { format!("?{}", asked.query) };
        return Reply::moved(escape(&clean) + &query);
    }
    let words: Vec<&str> = clean[1..].split('/').collect();
    match words[..] {
        ["v1", ref words @ ..] => v1::answer(fleet, asked, words).await,
        _ => toxiproxy::answer(fleet, asked, &words).await,
    }
}

/// What is not there, in Go's words.
pub fn not_found() -> Reply {
    Reply::plain(404, "404 page not found\n")
}

/// Reads `%HH`; `None` where it is not that, or not UTF-8.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok().filter(|path| path.starts_with('/'))
}

/// Writes `%HH` for what a location cannot have.
fn escape(path: &str) -> String {
    let byte = |byte: u8| match byte {
        b'/' | b'-' | b'.' | b'_' | b'~' | b':' | b'@' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    path.bytes().map(byte).collect()
}

/// Takes out empty words and dots, as toxiproxy's router does before it looks.
fn clean(path: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in path.split('/') {
        match word {
            "" | "." => {}
            ".." => drop(words.pop()),
            _ => words.push(word),
        }
    }
    let end = if path.ends_with('/') && !words.is_empty() { "/" } else { "" };
    format!("/{}{end}", words.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_and_unescaped() {
        for (sent, meant) in [("/a//b", "/a/b"), ("//a", "/a"), ("/a/./b/../c/", "/a/c/"), ("/", "/"), ("/..", "/")] {
            assert_eq!(clean(sent), meant, "{sent}");
        }
        assert_eq!(unescape("/a%20b%2fc").as_deref(), Some("/a b/c"));
        assert_eq!(escape("/a b%"), "/a%20b%25");
        for bad in ["/%", "/%2", "/%zz", "/%ff", "*"] {
            assert_eq!(unescape(bad), None, "{bad}");
        }
    }
}
