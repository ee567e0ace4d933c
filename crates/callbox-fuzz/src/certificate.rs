//! Certificates and keys: a file may have anything in it, and what is read of it is the same once more and harmless to show.

use callbox::net::tls::{Certificate, Identity};
use callbox::text::safe;
use callbox_testkit::assert_harmless;

/// Holds for any bytes: as DER, and as PEM.
pub fn body(data: &[u8]) {
    if let Ok(certificate) = Certificate::from_der(data) {
        check(&certificate);
    }
    match Certificate::from_pem(data) {
        Ok(found) => {
            assert!(!found.is_empty());
            found.iter().for_each(check);
        }
        Err(error) => refused(&error),
    }
    // The key may be in the same file; it is never shown.
    match Identity::from_pem(data, data) {
        Ok(identity) => {
            assert_eq!(Ok(identity.chain()), Certificate::from_pem(data).as_deref().map_err(drop));
            assert!(!format!("{identity:?}").contains("PRIVATE"));
        }
        Err(error) => refused(&error),
    }
}

fn check(certificate: &Certificate) {
    let again = Certificate::from_der(certificate.der()).expect("it was one");
    assert_eq!(&again, certificate);
    assert_eq!(again.facts().sha256, certificate.sha256());
    let facts = certificate.facts();
    for text in facts.names.iter().chain([&facts.subject, &facts.issuer]) {
        assert_harmless(safe(text).as_bytes());
    }
}

fn refused(error: &callbox::Error) {
    assert_eq!(error.kind(), callbox::Kind::Invalid);
    assert_harmless(error.to_string().as_bytes());
}
