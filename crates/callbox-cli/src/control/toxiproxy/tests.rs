//! Statuses and bodies as toxiproxy's own tests and its clients expect them.

use serde_json::{Value, json};

use crate::control::fleet::Fleet;
use crate::control::reply::Reply;
use crate::control::route::{self, Asked};
use crate::control::tests::fleet;

async fn reply(fleet: &Fleet, method: &str, path: &str, body: &str) -> Reply {
    route::answer(fleet, &Asked { method, path, body: body.as_bytes(), ..Asked::default() }).await
}

async fn ask(fleet: &Fleet, method: &str, path: &str, body: impl ToString) -> (u16, Value) {
    let reply = reply(fleet, method, path, &body.to_string()).await;
    (reply.status, serde_json::from_str(&reply.body).unwrap_or(Value::Null))
}

fn error(status: u16, error: &str) -> (u16, Value) {
    (status, json!({"error": error, "status": status}))
}

/// A free port; somebody else may take it, but not while these tests hold it by a relay.
fn free() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("bound").port()
}

/// Makes the proxy `one`, and returns where it listens.
async fn one(fleet: &Fleet) -> String {
    let sent = json!({"name": "one", "listen": "localhost:0", "upstream": "localhost:20001"});
    let (status, view) = ask(fleet, "POST", "/proxies", sent).await;
    assert_eq!(status, 201, "{view}");
    view["listen"].as_str().expect("an address").to_owned()
}

#[tokio::test]
async fn proxies_are_made_shown_and_deleted() {
    let fleet = fleet(&[]);
    assert_eq!(ask(&fleet, "GET", "/proxies", "").await, (200, json!({})));
    let listen = one(&fleet).await;
    assert!(listen.starts_with("127.0.0.1:"), "{listen}");
    let made = reply(&fleet, "GET", "/proxies/one", "").await;
    let text =
        format!(r#"{{"name":"one","listen":"{listen}","upstream":"localhost:20001","enabled":true,"toxics":[]}}"#);
    assert_eq!((made.status, made.content_type, made.body.as_str()), (200, Some("application/json"), text.as_str()));
    assert_eq!(reply(&fleet, "GET", "/proxies", "").await.body, format!(r#"{{"one":{text}}}"#));
    assert_eq!(reply(&fleet, "DELETE", "/proxies/one", "").await, Reply::empty(204));
    assert_eq!(ask(&fleet, "DELETE", "/proxies/one", "").await, error(404, "proxy not found"));
    assert_eq!(ask(&fleet, "GET", "/proxies/one", "").await, error(404, "proxy not found"));
    assert_eq!(ask(&fleet, "GET", "/proxies", "").await, (200, json!({})));
}

#[tokio::test]
async fn what_is_wrong_with_a_new_proxy_is_said_as_toxiproxy_says_it() {
    let fleet = fleet(&[]);
    let listen = one(&fleet).await;
    let taken = format!("listen tcp {listen}: bind: address already in use");
    let cases = [
        (json!({"name": "", "upstream": ""}), 400, "missing required field: name"),
        (json!({}), 400, "missing required field: name"),
        (Value::Null, 400, "missing required field: name"),
        (json!({"name": "two", "upstream": ""}), 400, "missing required field: upstream"),
        (json!({"name": "one", "listen": "localhost:0", "upstream": "a:1"}), 409, "proxy already exists"),
        (json!({"name": "two", "listen": listen, "upstream": "a:1"}), 500, &taken),
        (
            json!({"name": "two", "listen": "local373", "upstream": "a:1"}),
            500,
            "listen tcp: address local373: missing port in address",
        ),
        (
            json!({"name": "two", "listen": "127.0.0.1:0", "upstream": "a:1", "enabled": "yes"}),
            400,
            "bad request body: json: cannot unmarshal string into Go struct field Proxy.enabled of type bool",
        ),
        (
            json!({"name": "two", "listen": "0.0.0.0:0", "upstream": "a:1"}),
            500,
            "listen tcp: 0.0.0.0:0: other machines could connect, which takes --compat-listen-any",
        ),
    ];
    for (sent, status, text) in cases {
        assert_eq!(ask(&fleet, "POST", "/proxies", &sent).await, error(status, text), "{sent}");
    }
    assert_eq!(ask(&fleet, "POST", "/proxies", "").await, error(400, "bad request body: EOF"));
    let reply = reply(&fleet, "POST", "/proxies", "").await;
    assert_eq!(reply.content_type, Some("text/plain; charset=utf-8"));
    assert!(reply.body.ends_with("}\n"), "{reply:?}");
    assert_eq!(fleet.list().await.len(), 1);
}

#[tokio::test]
async fn a_proxy_without_an_address_or_with_nulls_has_the_defaults() {
    let fleet = fleet(&[]);
    let sent = json!({"name": "a", "upstream": "localhost:3306", "listen": null, "enabled": null});
    let (status, view) = ask(&fleet, "POST", "/proxies", sent).await;
    assert_eq!((status, &view["enabled"]), (201, &json!(true)), "{view}");
    assert_ne!(view["listen"], json!("127.0.0.1:0"));
}

#[tokio::test]
async fn a_disabled_proxy_keeps_its_address_as_it_was_sent_until_it_is_enabled() {
    let fleet = fleet(&[]);
    let port = free();
    let sent = json!({
        "name": "a", "listen": format!("localhost:{port}"), "upstream": "localhost:1", "enabled": false, "toxics": null
    });
    let (_, view) = ask(&fleet, "POST", "/proxies", sent).await;
    assert_eq!((&view["listen"], &view["enabled"]), (&json!(format!("localhost:{port}")), &json!(false)));
    for method in ["POST", "PATCH"] {
        let (status, on) = ask(&fleet, method, "/proxies/a", json!({"enabled": true})).await;
        assert_eq!((status, &on["enabled"]), (200, &json!(true)));
        assert_eq!(on["listen"], json!(format!("127.0.0.1:{port}")));
        // What was read is sent back, as Go's client does.
        let back =
            json!({"name": "a", "listen": on["listen"], "upstream": "localhost:1", "enabled": false, "toxics": []});
        let (status, off) = ask(&fleet, method, "/proxies/a", back).await;
        assert_eq!((status, &off["enabled"]), (200, &json!(false)));
    }
}

#[tokio::test]
async fn updates_are_checked_before_anything_changes() {
    let fleet = fleet(&[]);
    let listen = one(&fleet).await;
    assert_eq!(ask(&fleet, "POST", "/proxies/two", "not json").await, error(404, "proxy not found"));
    let bad = error(400, "bad request body: invalid character 'o' in literal null (expecting 'u')");
    assert_eq!(ask(&fleet, "POST", "/proxies/one", "not json").await, bad);
    let unread = error(500, "address local373: missing port in address");
    assert_eq!(ask(&fleet, "PATCH", "/proxies/one", json!({"listen": "local373"})).await, unread);
    let (_, view) = ask(&fleet, "GET", "/proxies/one", "").await;
    assert_eq!((&view["listen"], &view["enabled"]), (&json!(listen), &json!(true)));
    let (status, view) = ask(&fleet, "POST", "/proxies/one", json!({"upstream": "somehost:12345"})).await;
    assert_eq!((status, &view["upstream"], &view["enabled"]), (200, &json!("somehost:12345"), &json!(true)));
    assert_eq!(view["listen"], json!(listen));
}

#[tokio::test]
async fn a_list_of_proxies_is_made_in_order() {
    let fleet = fleet(&[]);
    let sent = json!([
        {"name": "b", "listen": "localhost:0", "upstream": "localhost:7171"},
        {"name": "a", "listen": "localhost:0", "upstream": "localhost:7474", "enabled": false},
    ]);
    let (status, made) = ask(&fleet, "POST", "/populate", sent).await;
    assert_eq!((status, made.get("error")), (201, None));
    let names: Vec<_> = made["proxies"].as_array().expect("a list").iter().map(|proxy| &proxy["name"]).collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!((&made["proxies"][0]["enabled"], &made["proxies"][1]["enabled"]), (&json!(true), &json!(false)));
    assert_eq!(reply(&fleet, "POST", "/populate", "[]").await, Reply::json(201, &json!({"proxies": null})));
}

#[tokio::test]
async fn a_list_changes_only_what_differs() {
    let fleet = fleet(&[]);
    let listen = one(&fleet).await;
    ask(&fleet, "POST", "/proxies/one/toxics", json!({"type": "latency"})).await;
    let by_name = listen.replace("127.0.0.1", "localhost");
    let same = json!([{"name": "one", "listen": by_name, "upstream": "localhost:20001"}]);
    let (status, kept) = ask(&fleet, "POST", "/populate", same).await;
    assert_eq!((status, &kept["proxies"][0]["listen"]), (201, &json!(listen)));
    assert_eq!(kept["proxies"][0]["toxics"].as_array().map(Vec::len), Some(1));
    let other = json!([{"name": "one", "listen": by_name, "upstream": "localhost:20002"}]);
    let (status, replaced) = ask(&fleet, "POST", "/populate", other).await;
    assert_eq!((status, &replaced["proxies"][0]["upstream"]), (201, &json!("localhost:20002")));
    assert_eq!((&replaced["proxies"][0]["listen"], &replaced["proxies"][0]["toxics"]), (&json!(listen), &json!([])));
}

#[tokio::test]
async fn a_list_is_read_whole_before_and_made_up_to_the_first_failure() {
    let fleet = fleet(&[]);
    let good = json!({"name": "one", "listen": "localhost:0", "upstream": "localhost:7171"});
    let unnamed = json!([good, {"name": "", "listen": "", "enabled": true}]);
    let (status, said) = ask(&fleet, "POST", "/populate", unnamed).await;
    let expected = json!({"error": "missing required field: name at proxy 2", "status": 400, "proxies": null});
    assert_eq!((status, said), (400, expected));
    let aimless = json!([{"name": "one"}]);
    let (status, said) = ask(&fleet, "POST", "/populate", aimless).await;
    assert_eq!((status, &said["error"]), (400, &json!("missing required field: upstream at proxy 1")));
    assert_eq!(fleet.list().await, []);
    let broken = json!([
        good,
        {"name": "two", "listen": "local373", "upstream": "localhost:7474"},
        {"name": "three", "listen": "localhost:0", "upstream": "localhost:7676"},
    ]);
    let (status, said) = ask(&fleet, "POST", "/populate", broken).await;
    assert_eq!((status, &said["status"]), (500, &json!(500)));
    assert_eq!(said["error"], json!("listen tcp: address local373: missing port in address"));
    assert_eq!(said["proxies"].as_array().map(Vec::len), Some(1));
    assert_eq!(fleet.list().await.len(), 1);
    assert_eq!(ask(&fleet, "POST", "/populate", "{}").await.0, 400);
    assert_eq!(ask(&fleet, "POST", "/populate", "").await.1["error"], json!("bad request body: EOF"));
}

#[tokio::test]
async fn toxics_are_added_changed_and_removed() {
    let fleet = fleet(&[]);
    one(&fleet).await;
    let toxics = "/proxies/one/toxics";
    assert_eq!(ask(&fleet, "GET", toxics, "").await, (200, json!([])));
    let sent = json!({
        "name": "foobar", "type": "latency", "stream": "downstream", "toxicity": 1,
        "attributes": {"latency": 100, "jitter": 10, "unknown": "x"}
    });
    let added = reply(&fleet, "POST", toxics, &sent.to_string()).await;
    let text = r#"{"attributes":{"latency":100,"jitter":10},"name":"foobar","type":"latency","stream":"downstream","toxicity":1}"#;
    assert_eq!(added, Reply::typed(200, "application/json", text));
    assert_eq!(reply(&fleet, "GET", "/proxies/one/toxics/foobar", "").await.body, text);
    assert_eq!(reply(&fleet, "GET", toxics, "").await.body, format!("[{text}]"));
    for method in ["POST", "PATCH"] {
        let sent = json!({"toxicity": 0.5, "attributes": {"latency": 1000}, "name": "x", "type": "x", "stream": "x"});
        let (status, toxic) = ask(&fleet, method, "/proxies/one/toxics/foobar", sent).await;
        assert_eq!((status, &toxic["toxicity"], &toxic["name"]), (200, &json!(0.5), &json!("foobar")));
        assert_eq!(toxic["attributes"], json!({"latency": 1000, "jitter": 10}));
    }
    let (_, toxic) = ask(&fleet, "PATCH", "/proxies/one/toxics/foobar", json!({"attributes": {"latency": 500}})).await;
    assert_eq!((&toxic["toxicity"], &toxic["attributes"]), (&json!(0.5), &json!({"latency": 500, "jitter": 10})));
    let (_, toxic) = ask(&fleet, "PATCH", "/proxies/one/toxics/foobar", json!({"attributes": null})).await;
    assert_eq!(toxic["attributes"], json!({"latency": 500, "jitter": 10}));
    assert_eq!(reply(&fleet, "DELETE", "/proxies/one/toxics/foobar", "").await, Reply::empty(204));
    for method in ["GET", "DELETE", "POST", "PATCH"] {
        let gone = ask(&fleet, method, "/proxies/one/toxics/foobar", "x").await;
        assert_eq!(gone, error(404, "toxic not found"), "{method}");
    }
}

#[tokio::test]
async fn a_new_toxic_has_defaults_and_every_type_its_numbers() {
    let fleet = fleet(&[]);
    one(&fleet).await;
    let types = [
        ("latency", json!({"latency": 0, "jitter": 0})),
        ("bandwidth", json!({"rate": 0})),
        ("slow_close", json!({"delay": 0})),
        ("timeout", json!({"timeout": 0})),
        ("reset_peer", json!({"timeout": 0})),
        ("slicer", json!({"average_size": 0, "size_variation": 0, "delay": 0})),
        ("limit_data", json!({"bytes": 0})),
        ("noop", json!({})),
    ];
    for (name, attributes) in types {
        for stream in ["downstream", "upstream"] {
            let mut sent = json!({"type": name, "attributes": null, "toxicity": null});
            if stream == "upstream" {
                sent["stream"] = json!(stream);
            }
            let toxic = json!({
                "attributes": attributes, "name": format!("{name}_{stream}"), "type": name, "stream": stream, "toxicity": 1
            });
            assert_eq!(ask(&fleet, "POST", "/proxies/one/toxics", sent).await, (200, toxic));
        }
    }
    let (_, list) = ask(&fleet, "GET", "/proxies/one/toxics", "").await;
    let streams: Vec<_> = list.as_array().expect("a list").iter().map(|toxic| toxic["stream"].clone()).collect();
    assert_eq!(streams, [vec![json!("upstream"); 8], vec![json!("downstream"); 8]].concat());
    // One that does nothing is no fault.
    let faults = fleet.with("one", |member| Ok(member.plan().faults.len())).await;
    assert_eq!(faults, Ok(14));
}

#[tokio::test]
async fn what_is_wrong_with_a_toxic_is_said_in_toxiproxys_order() {
    let fleet = fleet(&[]);
    one(&fleet).await;
    ask(&fleet, "POST", "/proxies/one/toxics", json!({"name": "foobar", "type": "latency", "stream": "upstream"}))
        .await;
    let stream = "stream was invalid, can be either upstream or downstream";
    let unread = "bad request body: json: cannot unmarshal";
    let cases = [
        (json!({"type": "latency", "stream": "walrustream"}), 400, stream.to_owned()),
        (json!({"type": "nothing", "stream": ""}), 400, stream.to_owned()),
        (json!({"type": "nothing", "name": "foobar"}), 400, "invalid toxic type".to_owned()),
        (json!({}), 400, "invalid toxic type".to_owned()),
        (
            json!({"type": "latency", "name": "foobar", "attributes": {"latency": "x"}}),
            409,
            "toxic already exists".to_owned(),
        ),
        (
            json!({"type": "latency", "attributes": {"latency": "100"}}),
            400,
            format!("{unread} string into Go struct field .attributes.latency of type int64"),
        ),
        (
            json!({"type": "slicer", "attributes": {"delay": 1.5}}),
            400,
            format!("{unread} number 1.5 into Go struct field .attributes.delay of type int"),
        ),
        (json!([]), 400, format!("{unread} array into Go value of type toxiproxy.ToxicWrapper")),
    ];
    for (sent, status, text) in cases {
        assert_eq!(ask(&fleet, "POST", "/proxies/one/toxics", &sent).await, error(status, &text), "{sent}");
    }
    let unknown = error(404, "proxy not found");
    assert_eq!(ask(&fleet, "POST", "/proxies/two/toxics", json!({"type": "latency"})).await, unknown);
    assert_eq!(ask(&fleet, "GET", "/proxies/two/toxics", "").await, unknown);
    assert_eq!(ask(&fleet, "DELETE", "/proxies/two/toxics/foobar", "").await, unknown);
    let (_, list) = ask(&fleet, "GET", "/proxies/one/toxics", "").await;
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    // What could not be read has changed nothing.
    let bad = json!({"toxicity": 0.5, "attributes": {"latency": 7, "jitter": "x"}});
    assert_eq!(ask(&fleet, "POST", "/proxies/one/toxics/foobar", bad).await.0, 400);
    assert_eq!(ask(&fleet, "GET", "/proxies/one/toxics", "").await.1, list);
}

#[tokio::test]
async fn a_reset_enables_everything_and_removes_every_toxic() {
    let fleet = fleet(&[]);
    let listen = one(&fleet).await;
    ask(&fleet, "POST", "/proxies/one", json!({"enabled": false})).await;
    ask(&fleet, "POST", "/proxies/one/toxics", json!({"type": "latency"})).await;
    assert_eq!(reply(&fleet, "POST", "/reset", "").await, Reply::empty(204));
    let (_, view) = ask(&fleet, "GET", "/proxies/one", "").await;
    assert_eq!((&view["enabled"], &view["toxics"], &view["listen"]), (&json!(true), &json!([]), &json!(listen)));
}

#[tokio::test]
async fn paths_and_methods_are_those_of_toxiproxy() {
    let fleet = fleet(&[]);
    let version = Reply::typed(200, "application/json;charset=utf-8", "{\"version\": \"git\"}\n");
    assert_eq!(reply(&fleet, "GET", "/version", "").await, version);
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/not_found"),
        ("GET", "/proxies/"),
        ("GET", "/proxies/a/"),
        ("GET", "/proxies/a/toxics/"),
        ("GET", "/proxies/a/toxics/b/c"),
        ("GET", "/proxies/a/other"),
        ("POST", "/version/"),
    ] {
        assert_eq!(reply(&fleet, method, path, "").await, Reply::plain(404, "404 page not found\n"), "{path}");
    }
    for (method, path) in [
        ("GET", "/reset"),
        ("GET", "/populate"),
        ("HEAD", "/proxies"),
        ("PUT", "/proxies"),
        ("PUT", "/proxies/a"),
        ("DELETE", "/proxies/a/toxics"),
        ("PUT", "/proxies/a/toxics/b"),
        ("POST", "/version"),
    ] {
        assert_eq!(reply(&fleet, method, path, "").await, Reply::empty(405), "{method} {path}");
    }
    assert_eq!(reply(&fleet, "GET", "//proxies", "").await, Reply::moved("/proxies".into()));
}

#[tokio::test]
async fn names_may_have_anything_in_them() {
    let fleet = fleet(&[]);
    let sent = json!({"name": "a b<é>", "listen": "localhost:0", "upstream": "a:1"});
    assert_eq!(ask(&fleet, "POST", "/proxies", sent).await.0, 201);
    let reply = reply(&fleet, "GET", "/proxies/a%20b%3C%C3%A9%3E", "").await;
    assert!(reply.body.starts_with("{\"name\":\"a b\\u003cé\\u003e\","), "{reply:?}");
}

#[tokio::test]
async fn metrics_have_a_line_for_each_relay() {
    let fleet = fleet(&[]);
    let listen = one(&fleet).await;
    let reply = reply(&fleet, "GET", "/metrics", "").await;
    assert_eq!((reply.status, reply.content_type), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    let labels = format!("listener=\"{listen}\",proxy=\"one\",upstream=\"localhost:20001\"");
    for line in [
        "# TYPE toxiproxy_proxy_received_bytes_total counter".to_owned(),
        format!("toxiproxy_proxy_received_bytes_total{{direction=\"upstream\",{labels}}} 0"),
        format!("toxiproxy_proxy_sent_bytes_total{{direction=\"downstream\",{labels}}} 0"),
        format!("callbox_relay_sessions_total{{{labels}}} 0"),
    ] {
        assert!(reply.body.lines().any(|one| one == line), "{line}: {}", reply.body);
    }
}
