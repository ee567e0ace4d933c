//! HTTP's Digest (RFC 7616) with MD5 and SHA-256, their session variants, and `qop=auth`.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use md5::Md5;
use sha2::{Digest, Sha256};

use super::challenge::Challenge;

/// How a challenge is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// MD5, the default.
    Md5,
    /// SHA-256.
    Sha256,
}

/// What it is about: who, and what is asked for.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub user: &'a str,
    /// What proves it.
    pub password: &'a str,
    /// Of the request.
    pub method: &'a str,
    /// What the request names; `host:port` for CONNECT.
    pub uri: &'a str,
}

/// Returns how a challenge is to be hashed; `None` where it is none that can be answered.
pub fn algorithm(challenge: &Challenge) -> Option<Algorithm> {
    let known = match challenge.param("algorithm").map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"md5" | b"md5-sess") => Algorithm::Md5,
        Some(b"sha-256" | b"sha-256-sess") => Algorithm::Sha256,
        Some(_) => return None,
    };
    let answerable = challenge.scheme == "digest" && challenge.param("nonce").is_some() && qop(challenge).is_ok();
    answerable.then_some(known)
}

/// Returns whether `qop=auth` is to be said; an error where only other ways are offered.
fn qop(challenge: &Challenge) -> Result<bool, ()> {
    let Some(offered) = challenge.param("qop") else { return Ok(false) };
    let auth = offered.split(|byte| *byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(b"auth"));
    auth.then_some(true).ok_or(())
}

/// Returns the value of the field that answers a challenge, `count` being how often its nonce has been used with this one.
pub fn answer(challenge: &Challenge, request: Request<'_>, cnonce: &str, count: u32) -> Option<Vec<u8>> {
    let algorithm = algorithm(challenge)?;
    let with_qop = qop(challenge).ok()?;
    let param = |name| challenge.param(name).unwrap_or_default();
    let (realm, nonce) = (param("realm"), param("nonce"));
    let hash = |parts: &[&[u8]]| -> Vec<u8> {
        let text = parts.join(&b':');
        match algorithm {
            Algorithm::Md5 => hex(&Md5::digest(&text)),
            Algorithm::Sha256 => hex(&Sha256::digest(&text)),
        }
    };
    let mut secret = hash(&[request.user.as_bytes(), realm, request.password.as_bytes()]);
    if param("algorithm").to_ascii_lowercase().ends_with(b"-sess") {
        secret = hash(&[&secret, nonce, cnonce.as_bytes()]);
    }
    let asked = hash(&[request.method.as_bytes(), request.uri.as_bytes()]);
    let count = format!("{count:08x}");
    let response = match with_qop {
        true => hash(&[&secret, nonce, count.as_bytes(), cnonce.as_bytes(), b"auth", &asked]),
        // As before RFC 2617, which some still do.
        false => hash(&[&secret, nonce, &asked]),
    };
    let mut out = b"Digest ".to_vec();
    out.extend(user(request.user));
    for (name, value) in [("realm", realm), ("nonce", nonce), ("uri", request.uri.as_bytes()), ("response", &response)]
    {
        out.extend(quoted(name, value));
    }
    if let Some(algorithm) = challenge.param("algorithm") {
        out.extend_from_slice(&[b", algorithm=", algorithm].concat());
    }
    if with_qop {
        out.extend(quoted("cnonce", cnonce.as_bytes()));
        out.extend_from_slice(format!(", nc={count}, qop=auth").as_bytes());
    } else if param("algorithm").to_ascii_lowercase().ends_with(b"-sess") {
        out.extend(quoted("cnonce", cnonce.as_bytes()));
    }
    if let Some(opaque) = challenge.param("opaque") {
        out.extend(quoted("opaque", opaque));
    }
    Some(out)
}

/// Draws a nonce of the client's. It belongs to the cryptography, so no seed makes it; keys of the system do.
pub fn draw_cnonce() -> String {
    let draw = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", draw(), draw())
}

/// Names the user; what a quoted string cannot hold goes as RFC 8187 has it.
fn user(user: &str) -> Vec<u8> {
    if user.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return quoted("username", user.as_bytes())[2..].to_vec();
    }
    let mut out = "username*=UTF-8''".to_owned();
    for byte in user.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out.into_bytes()
}

fn quoted(name: &str, value: &[u8]) -> Vec<u8> {
    let mut out = format!(", {name}=\"").into_bytes();
    for byte in value {
        if b"\"\\".contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
    out
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_connect::challenge;

    /// RFC 7616, section 3.9.1.
    const REQUEST: Request<'_> =
        Request { user: "Mufasa", password: "Circle of Life", method: "GET", uri: "/dir/index.html" };
    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    fn rfc(algorithm: &str) -> Challenge {
        let text = format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        );
        challenge::read(text.as_bytes()).remove(0)
    }

    fn answered(challenge: &Challenge, request: Request<'_>) -> String {
        String::from_utf8(answer(challenge, request, CNONCE, 1).expect("is known")).expect("text")
    }

    #[test]
    fn the_examples_of_the_rfc() {
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let said = answered(&rfc(algorithm), REQUEST);
            assert!(said.contains(&format!("response=\"{response}\"")), "{said}");
            for part in [
                "Digest username=\"Mufasa\", realm=\"http-auth@example.org\"",
                "uri=\"/dir/index.html\"",
                &format!("algorithm={algorithm}"),
                "nc=00000001, qop=auth",
                "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
            ] {
                assert!(said.contains(part), "{part} in {said}");
            }
        }
    }

    #[test]
    fn without_qop_it_is_as_it_was_before() {
        // RFC 2069's example, with the response of its errata.
        let text = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        let request = Request { password: "CircleOfLife", ..REQUEST };
        let said = answered(&challenge::read(text.as_bytes())[0], request);
        assert!(said.contains("response=\"1949323746fe6a43ef61f9606e7febea\"") && !said.contains("qop"), "{said}");
    }

    #[test]
    fn what_cannot_be_answered_is_left_to_others() {
        for text in
            ["Digest realm=x", "Digest nonce=a, qop=\"auth-int\"", "Digest nonce=a, algorithm=SHA-512-256", "Basic"]
        {
            assert_eq!(algorithm(&challenge::read(text.as_bytes())[0]), None, "{text}");
        }
        assert_eq!(algorithm(&rfc("SHA-256")), Some(Algorithm::Sha256));
        assert_eq!(algorithm(&rfc("MD5-sess")), Some(Algorithm::Md5));
    }

    #[test]
    fn users_and_realms_of_any_letters_break_nothing() {
        let challenge = &challenge::read(br#"Digest realm="a \"b\\", nonce=n, qop=auth"#)[0];
        let said = answered(challenge, Request { user: "a\"\\", ..REQUEST });
        assert!(said.starts_with(r#"Digest username="a\"\\", realm="a \"b\\", nonce="n""#), "{said}");
        let said = answered(challenge, Request { user: "J\u{e4}s\r\nX: y", ..REQUEST });
        assert!(said.starts_with("Digest username*=UTF-8''J%C3%A4s%0D%0AX%3A%20y, "), "{said}");
        assert_ne!(draw_cnonce(), draw_cnonce());
    }
}
