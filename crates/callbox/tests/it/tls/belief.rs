//! Who is believed, by both sides, and what is said of who is not.

use callbox::net::connect::ConnectOptions;
use callbox::net::tls::{
    ClientTls, ClientTlsOptions, Identity, Pin, Roots, ServerTls, ServerTlsOptions, TlsVersion, Trust, Versions,
};
use callbox::server::ServerOptions;
use callbox::{Addr, Client, Error, Kind, Stream};
use rcgen::date_time_ymd;

use crate::certificates::{AUTHORITY, Authority, local, self_signed, trusting};
use crate::ends::{serve, within};

/// Connects by the name that is typed and says a word, which comes back.
async fn meet(host: &str, server: &ServerTlsOptions, client: &ClientTlsOptions) -> Result<String, Error> {
    let tls = ServerTls::new(server).expect("good");
    let options = ServerOptions { tls: Some(tls), ..ServerOptions::default() };
    let (_running, addr) = serve(options, callbox::handle::echo::Echo).await;
    let tls = Some(ClientTls::new(client).expect("good"));
    let options = ConnectOptions { tls, ..ConnectOptions::default() };
    let addr = Addr::from_words(host, &addr.port().to_string()).expect("good");
    let mut stream = within("a handshake", Client::new(addr).expect("good").with_options(options).connect()).await?;
    stream.write_all(b"hello").await?;
    stream.shutdown().await?;
    let received = crate::ends::read_to_end(&mut stream).await?;
    Ok(String::from_utf8(received).expect("letters"))
}

/// A server with this certificate alone.
fn with(identity: Identity) -> ServerTlsOptions {
    ServerTlsOptions::new(identity)
}

async fn refused(host: &str, server: &ServerTlsOptions, client: &ClientTlsOptions) -> String {
    let error = meet(host, server, client).await.expect_err("not believed");
    assert_eq!(error.kind(), Kind::Tls, "{error}");
    error.cause()
}

#[tokio::test]
async fn names_and_addresses_are_verified_as_typed() {
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(meet(host, &local(), &trusting()).await.expect(host), "hello");
    }
    let other = with(AUTHORITY.issue(&["example.com", "*.example.org"], |_| {}));
    for host in ["localhost", "127.0.0.1"] {
        let message = refused(host, &other, &trusting()).await;
        let due = format!("the server's certificate is not for {host}, but for example.com, *.example.org; its pin is");
        assert!(message.starts_with(&due), "{message}");
    }
    let asking = ClientTlsOptions { server_name: Some("www.example.org".into()), ..trusting() };
    assert_eq!(meet("localhost", &other, &asking).await.expect("by the other name"), "hello");
}

#[tokio::test]
async fn dates_are_verified() {
    let expired = with(AUTHORITY.issue(&["localhost"], |params| params.not_after = date_time_ymd(2001, 2, 3)));
    let message = refused("localhost", &expired, &trusting()).await;
    assert!(message.starts_with("the server's certificate has expired on 2001-02-03; its pin is sha256:"), "{message}");
    let early = with(AUTHORITY.issue(&["localhost"], |params| params.not_before = date_time_ymd(2123, 4, 5)));
    let message = refused("localhost", &early, &trusting()).await;
    let due = "the server's certificate is not valid before 2123-04-05, if the clock is right; its pin is sha256:";
    assert!(message.starts_with(due), "{message}");
}

#[tokio::test]
async fn who_signs_is_verified() {
    let stranger = Authority::named("a stranger");
    let message = refused("localhost", &with(stranger.issue(&["localhost"], |_| {})), &trusting()).await;
    assert!(message.contains("signed by somebody who is not trusted (CN=a stranger)"), "{message}");
    let own = self_signed(&["localhost"], |_| {});
    let message = refused("localhost", &with(own.clone()), &trusting()).await;
    assert!(message.contains("self-signed"), "{message}");
    let message = refused("localhost", &with(own), &ClientTlsOptions::default()).await;
    assert!(message.contains("self-signed"), "by the platform's roots too: {message}");
}

#[tokio::test]
async fn a_certificate_is_for_one_use() {
    let client_only = AUTHORITY.issue(&["localhost"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let message = refused("localhost", &with(client_only), &trusting()).await;
    let due = "the server's certificate is not for servers (extended key usage); its pin is sha256:";
    assert!(message.starts_with(due), "{message}");
}

#[tokio::test]
async fn a_self_signed_certificate_that_is_given_is_believed_as_itself() {
    let authority = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    for is_ca in [rcgen::IsCa::NoCa, authority] {
        let own = self_signed(&["localhost"], |params| params.is_ca = is_ca);
        let client = ClientTlsOptions { roots: Roots::Only(own.chain().to_vec()), ..ClientTlsOptions::default() };
        assert_eq!(meet("localhost", &with(own.clone()), &client).await.expect("itself"), "hello");
        let message = refused("127.0.0.1", &with(own), &client).await;
        assert!(message.contains("is not for 127.0.0.1, but for localhost"), "{message}");
        let expired = self_signed(&["localhost"], |params| {
            params.is_ca = is_ca;
            params.not_after = date_time_ymd(2001, 2, 3);
        });
        let client = ClientTlsOptions { roots: Roots::Only(expired.chain().to_vec()), ..ClientTlsOptions::default() };
        assert!(refused("localhost", &with(expired), &client).await.contains("expired on 2001-02-03"));
    }
}

#[tokio::test]
async fn a_pin_decides_alone() {
    let own = self_signed(&["elsewhere"], |params| params.not_after = date_time_ymd(2001, 2, 3));
    let certificate = &own.chain()[0];
    let key = certificate.key_sha256().expect("there is one");
    for pin in [Pin::Certificate(certificate.sha256()), Pin::Key(key)] {
        let client = ClientTlsOptions { pins: vec![Pin::Key([0; 32]), pin], ..ClientTlsOptions::default() };
        assert_eq!(meet("localhost", &with(own.clone()), &client).await.expect("pinned"), "hello");
    }
    let client = ClientTlsOptions { pins: vec![Pin::Key(key)], ..trusting() };
    let message = refused("localhost", &local(), &client).await;
    assert!(message.starts_with("the server's certificate is none of those that are pinned, but sha256:"), "{message}");
}

#[tokio::test]
async fn insecure_believes_anybody() {
    let client = ClientTlsOptions { insecure: true, ..ClientTlsOptions::default() };
    let own = with(self_signed(&["elsewhere"], |_| {}));
    assert_eq!(meet("localhost", &own, &client).await.expect("anybody"), "hello");
}

#[tokio::test]
async fn clients_show_who_they_are_where_they_are_asked() {
    let own = self_signed(&["me"], |params| params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    let trusted = vec![AUTHORITY.certificate(), own.chain()[0].clone()];
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let server = ServerTlsOptions {
            client_ca: Some(trusted.clone()),
            versions: Versions { min: version, max: version },
            ..local()
        };
        for identity in [AUTHORITY.issue(&["client"], |_| {}), own.clone()] {
            let client = ClientTlsOptions { identity: Some(identity), ..trusting() };
            assert_eq!(meet("localhost", &server, &client).await.expect("known"), "hello");
        }
        // In TLS 1.3 the client is done before the server has looked.
        let error = meet("localhost", &server, &trusting()).await.expect_err("nobody");
        assert_eq!(error.kind(), Kind::Tls, "{version}: {error}");
        let due = ["it wants a certificate of ours", "wants a certificate of ours"];
        assert!(due.iter().any(|due| error.cause().contains(due)), "{version}: {error}");
        let stranger = ClientTlsOptions { identity: Some(self_signed(&["me"], |_| {})), ..trusting() };
        let error = meet("localhost", &server, &stranger).await.expect_err("a stranger");
        assert_eq!(error.kind(), Kind::Tls, "{version}: {error}");
    }
}

#[tokio::test]
async fn versions_and_protocols_are_agreed_on() {
    let only = |version| Versions { min: version, max: version };
    let old = ServerTlsOptions { versions: only(TlsVersion::Tls12), ..local() };
    let new = ClientTlsOptions { versions: only(TlsVersion::Tls13), ..trusting() };
    let message = refused("localhost", &old, &new).await;
    assert!(message.contains("versions of TLS"), "{message}");
    let h2 = ServerTlsOptions { alpn: vec!["h2".into()], ..local() };
    let other = ClientTlsOptions { alpn: vec!["imap".into()], ..trusting() };
    let message = refused("localhost", &h2, &other).await;
    assert!(message.contains("(ALPN)"), "{message}");
}

#[tokio::test]
async fn what_was_agreed_on_is_told_on_both_sides() {
    use callbox::bus::{Bus, Interest};
    use callbox::event::Event;
    use callbox::observers::Observers;

    let watched = || {
        let bus = Bus::new(Interest { data: false, talk: true, lossless: true, frames: false });
        (Observers::on_bus(&bus), bus)
    };
    let (server_watch, server_bus) = watched();
    let server = ServerTlsOptions { alpn: vec!["http/1.1".into()], ..local() };
    let options = ServerOptions { tls: Some(ServerTls::new(&server).expect("good")), ..ServerOptions::default() };
    let loopback = "127.0.0.1:0".parse::<Addr>().expect("good");
    let server = callbox::Server::bind_with(loopback, options, server_watch).await.expect("binds");
    let addr = server.local_addrs()[0].clone();
    let _running = server.spawn(|_, mut stream: Stream| async move { stream.chunk().await.map(drop) });
    let (client_watch, client_bus) = watched();
    let tls = ClientTlsOptions {
        alpn: vec!["h2".into(), "http/1.1".into()],
        server_name: Some("localhost".into()),
        ..trusting()
    };
    let options = ConnectOptions { tls: Some(ClientTls::new(&tls).expect("good")), ..ConnectOptions::default() };
    let client = Client::new(addr).expect("good").with_options(options).with_observers(client_watch);
    let _stream = client.connect().await.expect("connects");
    for (bus, certificates, trust) in [(client_bus, 1, Trust::Roots), (server_bus, 0, Trust::Nothing)] {
        let facts = loop {
            match within("the event", bus.next()).await.expect("open").1 {
                Event::Tls { facts, .. } => break facts,
                Event::Connected { phases: Some(phases), .. } => assert!(phases.tls > std::time::Duration::ZERO),
                _ => {}
            }
        };
        assert_eq!((facts.version, facts.alpn.as_deref()), (TlsVersion::Tls13, Some(&b"http/1.1"[..])));
        assert!(facts.suite.starts_with("TLS_AES_"), "{facts:?}");
        assert_eq!(facts.group.as_deref(), Some("X25519"));
        assert_eq!((facts.server_name.as_deref(), facts.resumed), (Some("localhost"), false));
        assert_eq!((facts.peer_chain.len(), facts.trust), (certificates, trust));
        for certificate in &facts.peer_chain {
            assert_eq!(certificate.names, ["localhost", "127.0.0.1", "::1"]);
            assert_eq!(certificate.subject, "CN=a test");
            assert!(certificate.issuer.contains("a test's authority"), "{certificate:?}");
            assert!(certificate.not_after > certificate.not_before);
        }
    }
}

#[tokio::test]
async fn the_secrets_are_told_to_who_asks() {
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let telling = told.clone();
    let keylog =
        callbox::net::tls::KeyLog::new(move |line: &str| telling.lock().expect("no panic").push(line.to_string()));
    let client = ClientTlsOptions { keylog: Some(keylog), ..trusting() };
    assert_eq!(meet("localhost", &local(), &client).await.expect("known"), "hello");
    let told = told.lock().expect("no panic");
    let line = told.iter().find(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")).expect("TLS 1.3's");
    let words: Vec<_> = line.split(' ').collect();
    assert_eq!((words.len(), words[1].len()), (3, 64), "{line}");
}

#[tokio::test]
async fn a_session_is_taken_up_again_by_who_shares_the_client() {
    use callbox::bus::{Bus, Interest};
    use callbox::event::Event;
    use callbox::observers::Observers;

    let options = ServerOptions { tls: Some(ServerTls::new(&local()).expect("good")), ..ServerOptions::default() };
    let (_running, addr) = serve(options, callbox::handle::echo::Echo).await;
    let tls = ClientTls::new(&trusting()).expect("good");
    for resumed in [false, true] {
        let bus = Bus::new(Interest { data: false, talk: true, lossless: true, frames: false });
        let options = ConnectOptions { tls: Some(tls.clone()), ..ConnectOptions::default() };
        let addr = Addr::from_words("localhost", &addr.port().to_string()).expect("good");
        let client = Client::new(addr).expect("good").with_options(options);
        let mut stream = client.with_observers(Observers::on_bus(&bus)).connect().await.expect("connects");
        stream.write_all(b"hello").await.expect("writes");
        stream.shutdown().await.expect("ends");
        assert_eq!(crate::ends::read_to_end(&mut stream).await.expect("an end of stream"), b"hello");
        let facts = loop {
            if let Event::Tls { facts, .. } = within("the event", bus.next()).await.expect("open").1 {
                break facts;
            }
        };
        assert_eq!((facts.resumed, facts.peer_chain.len(), facts.trust), (resumed, 1, Trust::Roots));
    }
}
