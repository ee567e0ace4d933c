//! Spellings, valid and not.

use super::*;

fn tcp_at(host: Host, port: u16) -> Addr {
    Addr::Tcp { host, port }
}

fn ip(text: &str) -> Host {
    Host::Ip(text.parse().unwrap())
}

fn named(text: &str) -> Host {
    Host::Name(text.into())
}

#[test]
fn every_spelling_is_read_and_printed_canonically() {
    let table = [
        ("127.0.0.1:8848", tcp_at(ip("127.0.0.1"), 8848), "127.0.0.1:8848"),
        ("localhost:80", tcp_at(named("localhost"), 80), "localhost:80"),
        ("db_1.example.com.:0", tcp_at(named("db_1.example.com."), 0), "db_1.example.com.:0"),
        ("bücher.example:80", tcp_at(named("bücher.example"), 80), "bücher.example:80"),
        ("tcp://db:5432", tcp_at(named("db"), 5432), "db:5432"),
        ("tcp://[::1]:80", tcp_at(ip("::1"), 80), "[::1]:80"),
        ("[0:0::1]:80", tcp_at(ip("::1"), 80), "[::1]:80"),
        ("[fe80::1%eth0]:80", tcp_at(named("fe80::1%eth0"), 80), "[fe80::1%eth0]:80"),
        (":8848", tcp_at(Host::Loopback, 8848), ":8848"),
        ("8848", tcp_at(Host::Loopback, 8848), ":8848"),
        ("0", tcp_at(Host::Loopback, 0), ":0"),
        ("*:80", tcp_at(Host::Any, 80), "*:80"),
        ("tcp://fd:3", tcp_at(named("fd"), 3), "tcp://fd:3"),
        ("unix:/run/a b.sock", Addr::Unix("/run/a b.sock".into()), "unix:/run/a b.sock"),
        ("unix:80", Addr::Unix("80".into()), "unix:80"),
        ("fd:3", Addr::Fd(3), "fd:3"),
    ];
    for (text, addr, printed) in table {
        assert_eq!(one_word(text).as_ref(), Ok(&addr), "{text}");
        assert_eq!(addr.to_string(), printed);
    }
}

#[test]
fn two_words_need_no_brackets() {
    let table = [
        ("::1", "8848", tcp_at(ip("::1"), 8848)),
        ("[::1]", "8848", tcp_at(ip("::1"), 8848)),
        ("fe80::1%eth0", "80", tcp_at(named("fe80::1%eth0"), 80)),
        ("localhost", "80", tcp_at(named("localhost"), 80)),
        ("tcp://localhost", "80", tcp_at(named("localhost"), 80)),
        ("10.0.0.1", "80", tcp_at(ip("10.0.0.1"), 80)),
        ("*", "80", tcp_at(Host::Any, 80)),
    ];
    for (host, port, addr) in table {
        assert_eq!(two_words(host, port), Ok(addr), "{host} {port}");
    }
}

#[test]
fn a_bad_address_shows_the_one_meant() {
    let table = [
        ("", "empty", "127.0.0.1:8848"),
        ("localhost", "no port", "write localhost:8848"),
        ("localhost:", "no port", "write localhost:8848"),
        ("*", "no port", "write *:8848"),
        ("[::1]", "no port", "write [::1]:8848"),
        ("[::1]80", "no port", "write [::1]:8848"),
        ("::1", "brackets", "write [::1]:8848"),
        ("::1:80", "brackets", "write [::1]:80"),
        ("2001:db8::1", "brackets", "write [2001:db8::1]:8848"),
        ("fe80::1%eth0:80", "brackets", "write [fe80::1%eth0]:80"),
        ("a:b:80", "more than one colon", "host:port"),
        ("[::1:80", "not closed", "[::1]:8848"),
        ("[localhost]:80", "not an IPv6 address", "brackets are for"),
        ("[fe80::1%]:80", "not an IPv6 address", "brackets are for"),
        ("host:65536", "port 65536 is above 65535", "0 to 65535"),
        ("70000", "port 70000 is above 65535", "0 to 65535"),
        ("host:99999999999999999999", "is above 65535", "0 to 65535"),
        ("host:http", "\"http\" is not a port", "0 to 65535"),
        ("host:+80", "\"+80\" is not a port", "0 to 65535"),
        ("host:80/x", "\"80/x\" is not a port", "0 to 65535"),
        ("80:80", "80 is not a host", "localhost:8848"),
        ("ho st:80", "' ' in a host name", "host:port"),
        ("a/b:80", "'/' in a host name", "without a path"),
        ("a\x1b:80", "'\\x1b' in a host name", "host:port"),
        ("tls://db:443", "whether TLS is spoken", "write db:443"),
        ("http://db:80", "unknown scheme http", "tcp://host:port"),
        ("unix:", "no path", "unix:/path"),
        ("unix:@", "no name", "unix:@name"),
        ("unix:/a\0b", "NUL", "unix:/path"),
        ("fd:x", "no descriptor", "fd:3"),
        ("fd:-1", "no descriptor", "fd:3"),
        ("fd:2147483648", "no descriptor", "fd:3"),
    ];
    for (text, problem, advice) in table {
        let invalid = one_word(text).unwrap_err();
        assert!(invalid.problem.contains(problem), "{invalid}");
        assert!(invalid.instead.as_deref().unwrap_or_default().contains(advice), "{invalid}");
    }
}

#[test]
fn two_bad_words_are_refused() {
    let table = [
        ("localhost:80", "90", "first word"),
        ("[::1]:80", "90", "first word"),
        ("unix:/run/s", "90", "first word"),
        ("80", "90", "80 is not a host"),
        ("", "90", "no host"),
        ("localhost", "", "is not a port"),
        ("localhost", "70000", "above 65535"),
        ("tls://db", "443", "whether TLS is spoken"),
    ];
    for (host, port, problem) in table {
        let invalid = two_words(host, port).unwrap_err();
        assert!(invalid.problem.contains(problem), "{invalid}");
        assert_eq!(invalid.input, format!("{host} {port}"));
    }
}

#[test]
fn a_name_longer_than_dns_carries_is_refused() {
    assert!(one_word(&format!("{}:80", "a".repeat(253))).is_ok());
    assert!(one_word(&format!("{}:80", "a".repeat(254))).unwrap_err().problem.contains("254 bytes"));
}
