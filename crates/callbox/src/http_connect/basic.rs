//! Basic authentication (RFC 7617), as a proxy reads it.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::login::Login;

/// Tells whether the value of `Proxy-Authorization` has the right user name and password.
pub(super) fn admits(login: &Login, value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let Some((scheme, rest)) = value.split_at_checked(6) else { return false };
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return false;
    }
    let Some(given) = decode(rest.trim_ascii()) else { return false };
    let Some(colon) = given.iter().position(|byte| *byte == b':') else { return false };
    login.admits(&given[..colon], &given[colon + 1..])
}

/// Decodes Base64 (RFC 4648, section 4); what is no such text is `None`. The padding may be missing.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&STANDARD, config.with_decode_allow_trailing_bits(true)).decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard_are_decoded() {
        let examples = [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
            ("Zm9vYg", "foob"),
        ];
        for (text, bytes) in examples {
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for text in ["Z", "Zm9vY", "Zm 9", "Zm9v=", "====", "Z===", "Zm9v\n"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn only_the_right_login_in_the_right_scheme_is_admitted() {
        let login: Login = "Aladdin:open sesame".parse().expect("good");
        assert!(admits(&login, b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert!(admits(&login, b"  basic   QWxhZGRpbjpvcGVuIHNlc2FtZQ== "));
        for value in
            ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZA==", "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic", "", "Basic !"]
        {
            assert!(!admits(&login, value.as_bytes()), "{value}");
        }
    }
}
