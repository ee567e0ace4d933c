//! What `/v1/` answers.

use callbox::fixture;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::control::route;
use crate::control::tests::{fleet, wanted};

async fn ask(fleet: &Fleet, method: &str, path: &str, body: &str) -> (u16, Value) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let asked = Asked { method, path, query, content_type: "application/json; charset=utf-8", body: body.as_bytes() };
    let reply = route::answer(fleet, &asked).await;
    assert!(reply.body.is_empty() || reply.content_type == Some("application/json"), "{reply:?}");
    (reply.status, serde_json::from_str(&reply.body).unwrap_or(Value::Null))
}

/// A fault as it is printed.
fn printed(text: &str) -> String {
    text.parse::<Fault>().expect("good").to_string()
}

#[tokio::test]
async fn faults_are_added_changed_and_taken_away_as_they_are_written() {
    let fleet = fleet(&[]);
    fleet.create(wanted("127.0.0.1:9")).await.expect("made");
    let faults = "/v1/relays/a/faults";
    let slow = json!({"name": "slow", "fault": printed("latency=100ms,direction=to_client"), "toxic": false});
    let sent = r#"{"name": "slow", "fault": "latency=100ms,direction=to_client"}"#;
    assert_eq!(ask(&fleet, "POST", faults, sent).await, (201, slow.clone()));
    let taken = json!({"error": "fault already exists", "status": 409});
    assert_eq!(ask(&fleet, "POST", faults, sent).await, (409, taken));
    assert_eq!(ask(&fleet, "GET", faults, "").await, (200, json!({"faults": [slow]})));
    let changed = json!({"name": "slow", "fault": printed("stall"), "toxic": false});
    let one = "/v1/relays/a/faults/slow";
    assert_eq!(ask(&fleet, "PATCH", one, r#"{"fault": "stall"}"#).await, (200, changed.clone()));
    assert_eq!(ask(&fleet, "GET", one, "").await, (200, changed));
    assert_eq!(ask(&fleet, "DELETE", one, "").await, (204, Value::Null));
    assert_eq!(ask(&fleet, "DELETE", one, "").await.0, 404);
    let (status, unnamed) = ask(&fleet, "POST", faults, r#"{"fault": "stall"}"#).await;
    assert_eq!(status, 201);
    assert_eq!(unnamed["name"], json!("stall_1"));
    assert_eq!(ask(&fleet, "POST", faults, r#"{"fault": "stall"}"#).await.1["name"], json!("stall_2"));
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let fleet = fleet(&[]);
    fleet.create(wanted("127.0.0.1:9")).await.expect("made");
    let wrong = [
        ("GET", "/v1/relays/b", "", 404),
        ("GET", "/v1/relays/b/sessions", "", 404),
        ("GET", "/v1/relays/a/sessions/1", "", 404),
        ("DELETE", "/v1/relays/a/sessions/1", "", 404),
        ("DELETE", "/v1/relays/a/sessions/one", "", 404),
        ("DELETE", "/v1/relays/a/sessions/1?how=softly", "", 400),
        ("POST", "/v1/relays/a/faults", r#"{"fault": "gravity"}"#, 400),
        ("POST", "/v1/relays/a/faults", r#"{"fault": "stall", "when": "now"}"#, 400),
        ("POST", "/v1/relays/a/faults", "{", 400),
        ("PATCH", "/v1/relays/a/faults/x", r#"{"fault": "stall"}"#, 404),
        ("PUT", "/v1/relays", "", 405),
        ("DELETE", "/v1/relays/a/faults", "", 405),
        ("GET", "/v1", "", 404),
        ("GET", "/v1/other", "", 404),
    ];
    for (method, path, body, status) in wrong {
        let (answered, said) = ask(&fleet, method, path, body).await;
        assert_eq!((answered, &said["status"]), (status, &json!(status)), "{method} {path} {body}: {said}");
        assert!(said["error"].is_string(), "{method} {path} {body}: {said}");
    }
}

#[tokio::test]
async fn a_body_that_a_page_could_send_unasked_is_not_read() {
    let fleet = fleet(&[]);
    fleet.create(wanted("127.0.0.1:9")).await.expect("made");
    for content_type in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let body = br#"{"fault": "stall"}"#;
        let asked = Asked { method: "POST", path: "/v1/relays/a/faults", query: "", content_type, body };
        assert_eq!(route::answer(&fleet, &asked).await.status, 415, "{content_type}");
    }
}

#[tokio::test]
async fn a_toxic_is_seen_as_a_fault_and_changed_as_a_toxic() {
    let fleet = fleet(&[]);
    fleet.create(wanted("127.0.0.1:9")).await.expect("made");
    let sent = r#"{"type": "slow_close", "attributes": {"delay": 7}}"#;
    assert_eq!(ask(&fleet, "POST", "/proxies/a/toxics", sent).await.0, 200);
    let (_, relay) = ask(&fleet, "GET", "/v1/relays/a", "").await;
    let fault = printed("slow-close=7ms,direction=to_client");
    let fault = json!({"name": "slow_close_downstream", "fault": fault, "toxic": true});
    assert_eq!(relay["faults"], json!([fault]));
    let one = "/v1/relays/a/faults/slow_close_downstream";
    assert_eq!(ask(&fleet, "DELETE", one, "").await.0, 409);
    assert_eq!(ask(&fleet, "PATCH", one, r#"{"fault": "stall"}"#).await.0, 409);
}

#[tokio::test]
async fn sessions_are_listed_closed_and_reset() {
    let (server, fleet) = (fixture::Server::reply("thank you !"), fleet(&[]));
    let listen = fleet.create(wanted(server.addr())).await.expect("made").listen;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(&listen).await.expect("connects");
        stream.write_all(b"hello").await.expect("writes");
        stream.read_exact(&mut [0; 11]).await.expect("reads");
        streams.push(stream);
    }
    let (_, list) = ask(&fleet, "GET", "/v1/relays/a/sessions", "").await;
    let sessions = list["sessions"].as_array().expect("a list");
    assert_eq!(sessions.len(), 2);
    assert_eq!((&sessions[0]["to_server_bytes"], &sessions[0]["to_client_bytes"]), (&json!(5), &json!(11)));
    assert_eq!((&sessions[0]["state"], &sessions[1]["session"]), (&json!("open"), &json!(2)));
    assert_eq!(sessions[0]["peer"], json!(streams[0].local_addr().expect("connected").to_string()));
    let (_, relays) = ask(&fleet, "GET", "/v1/relays", "").await;
    assert_eq!(relays["relays"][0]["open"], json!(2), "{relays}");
    assert_eq!(ask(&fleet, "DELETE", "/v1/relays/a/sessions/1?how=close", "").await.0, 204);
    assert_eq!(ask(&fleet, "DELETE", "/v1/relays/a/sessions/2?how=reset", "").await.0, 204);
    assert_eq!(streams[0].read(&mut [0; 1]).await.expect("an end of stream"), 0);
    let error = streams[1].read(&mut [0; 1]).await.expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}
