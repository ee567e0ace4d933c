//! What scanners find that a server of ours agrees to: nothing that is old or weak.

use callbox_testkit::{Callbox, Scratch, requires};

use crate::tls_kit::kit;

/// What must not be among what is accepted, in the names of IANA's and of OpenSSL's.
const WEAK: [&str; 10] = ["RC4", "DES", "NULL", "EXP", "MD5", "CBC", "anon", "ADH", "IDEA", "SEED"];

#[test]
fn sslscan_finds_two_versions_and_no_weak_suite() {
    requires!(tool("sslscan"));
    let kit = kit!();
    // Both at once: a scanner waits more than it works.
    let scans = ["server.pem", "rsa.pem"].map(|certificate| {
        let cert = kit.file(certificate);
        let server = crate::cli::serve(["--tls", "--cert", &cert, "--discard", "-q"]);
        let scratch = Scratch::new();
        let path = scratch.join("ready");
        let (server, address) = crate::cli::started(server.arg("--ready-file").arg(&path), &path);
        let at = address.to_string();
        let scan = Callbox::new("sslscan")
            .args(["--no-colour", "--no-heartbleed", "--no-renegotiation", "--no-fallback", "--no-groups", &at])
            .start();
        (certificate, server, scan)
    });
    for (certificate, server, scan) in scans {
        let scan = scan.exits(0);
        let text = String::from_utf8_lossy(&scan.stdout).into_owned();
        let enabled = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name) && line.ends_with("abled"));
            line.unwrap_or_else(|| scan.fail(&format!("nothing of {name}"))).ends_with("enabled")
        };
        for (name, spoken) in [
            ("SSLv2 ", false),
            ("SSLv3 ", false),
            ("TLSv1.0 ", false),
            ("TLSv1.1 ", false),
            ("TLSv1.2 ", true),
            ("TLSv1.3 ", true),
        ] {
            assert_eq!(enabled(name), spoken, "{certificate}, {name}: {text}");
        }
        let suites: Vec<&str> =
            text.lines().filter(|line| line.starts_with("Preferred") || line.starts_with("Accepted")).collect();
        assert!(suites.len() >= 6, "{certificate}: {text}");
        for suite in suites {
            assert!(!WEAK.iter().any(|weak| suite.contains(weak)), "{certificate}: {suite}");
            // Keys that are thrown away: TLS 1.3 has no others.
            assert!(suite.contains("TLSv1.3") || suite.contains("ECDHE"), "{certificate}: {suite}");
        }
        server.drains();
    }
}

#[test]
fn testssl_finds_no_weakness() {
    requires!(tool("testssl"));
    let kit = kit!();
    let (server, address) = kit.serves(&["--discard", "-q"]);
    let report = kit.file("report.csv");
    // Protocols, categories of suites, and what a handshake can be tricked into; not what needs an HTTP server.
    let words = ["--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--csvfile", &report];
    let checks = ["--protocols", "--std", "--renegotiation", "--crime", "--robot", "--sweet32", "--freak", "--drown"];
    Callbox::new("testssl").args(words).args(checks).arg(address.to_string()).run();
    let text = std::fs::read_to_string(&report).expect("a report");
    let rows: Vec<&str> = text.lines().skip(1).collect();
    for id in ["SSLv2", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3", "cipherlist_NULL", "secure_client_renego", "CRIME_TLS"] {
        assert!(rows.iter().any(|row| row.starts_with(&format!("\"{id}\""))), "nothing of {id}: {text}");
    }
    for row in rows {
        let severity = row.split("\",\"").nth(3).unwrap_or_default();
        assert!(!["LOW", "MEDIUM", "HIGH", "CRITICAL"].contains(&severity), "{row}");
    }
    server.drains();
}
