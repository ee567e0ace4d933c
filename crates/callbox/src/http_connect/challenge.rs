//! What a proxy asks for with 407: the challenges of its `Proxy-Authenticate` fields (RFC 9110, section 11.3).

/// One way to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Its scheme in lower case: `basic`, `digest`.
    pub scheme: String,
    params: Vec<(String, Vec<u8>)>,
}

impl Challenge {
    /// Returns a parameter by its name in lower case; of several of that name the first.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        self.params.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_slice())
    }
}

/// Reads the value of one field, which may hold several challenges. What is no challenge ends the reading: those before
/// it count.
pub fn read(value: &[u8]) -> Vec<Challenge> {
    let mut reader = Reader { rest: value };
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        reader.skip(b" \t,");
        let Some(word) = reader.token() else { return challenges };
        let spaced = reader.skip(b" \t");
        // `name=` goes on with the challenge under way; a scheme stands alone, or is followed by a space.
        if reader.takes(b'=') {
            reader.skip(b" \t");
            let (Some(challenge), Some(value)) = (challenges.last_mut(), reader.value()) else { return challenges };
            challenge.params.push((word, value));
            continue;
        }
        challenges.push(Challenge { scheme: word, params: Vec::new() });
        if spaced {
            reader.skip_token68();
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// Skips what is among `bytes`, and tells whether there was any.
    fn skip(&mut self, bytes: &[u8]) -> bool {
        let end = self.rest.iter().position(|byte| !bytes.contains(byte)).unwrap_or(self.rest.len());
        self.rest = &self.rest[end..];
        end > 0
    }

    fn takes(&mut self, byte: u8) -> bool {
        let there = self.rest.first() == Some(&byte);
        if there {
            self.rest = &self.rest[1..];
        }
        there
    }

    /// Takes a token, in lower case.
    fn token(&mut self) -> Option<String> {
        let end = self.rest.iter().position(|byte| !is_token(*byte)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!token.is_empty()).then(|| String::from_utf8_lossy(token).to_ascii_lowercase())
    }

    /// Skips the one value that some schemes have in place of parameters (`Negotiate oRQw...==`).
    fn skip_token68(&mut self) {
        let is_68 = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        let end = self.rest.iter().position(|byte| !is_68(*byte)).unwrap_or(self.rest.len());
        let padded = self.rest[end..].iter().position(|byte| *byte != b'=').map_or(self.rest.len(), |more| end + more);
        // A parameter has something behind its `=`.
        let behind = self.rest[padded..].iter().find(|byte| !b" \t".contains(byte));
        if end > 0 && padded > end && matches!(behind, None | Some(b',')) {
            self.rest = &self.rest[padded..];
        }
    }

    /// Takes a token or a quoted string, without quotes and escapes.
    fn value(&mut self) -> Option<Vec<u8>> {
        if !self.takes(b'"') {
            let end = self.rest.iter().position(|byte| b" \t,".contains(byte)).unwrap_or(self.rest.len());
            let (value, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Some(value.to_vec());
        }
        let mut value = Vec::new();
        loop {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            match byte {
                b'"' => return Some(value),
                b'\\' => {
                    let (byte, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    value.push(*byte);
                }
                byte => value.push(*byte),
            }
        }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> Vec<String> {
        let show = |challenge: Challenge| {
            let params = challenge.params.iter().map(|(name, value)| format!(" {name}={}", value.escape_ascii()));
            format!("{}{}", challenge.scheme, params.collect::<String>())
        };
        read(value.as_bytes()).into_iter().map(show).collect()
    }

    #[test]
    fn one_field_has_any_number_of_challenges() {
        assert_eq!(shown("Basic realm=\"a b\""), ["basic realm=a b"]);
        assert_eq!(shown("Negotiate, NTLM, Basic realm=x"), ["negotiate", "ntlm", "basic realm=x"]);
        assert_eq!(shown("Negotiate oRQw+/==, Basic realm=\"x\""), ["negotiate", "basic realm=x"]);
        let two = r#"Digest realm="a, \"b\"", qop="auth,auth-int",nonce=abc , Basic  realm = "c""#;
        assert_eq!(shown(two), [r#"digest realm=a, \"b\" qop=auth,auth-int nonce=abc"#, "basic realm=c"]);
    }

    #[test]
    fn what_is_no_challenge_ends_the_reading() {
        assert_eq!(shown(""), [""; 0]);
        assert_eq!(shown("realm=x"), [""; 0]);
        assert_eq!(shown("Basic realm=\"open"), ["basic"]);
        assert_eq!(shown("Basic realm=x, \"stray\""), ["basic realm=x"]);
    }
}
