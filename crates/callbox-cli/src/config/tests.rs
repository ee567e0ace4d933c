//! What files say, and what is said of those that say it wrong.

use super::*;

fn message<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    let failure = result.expect_err("it is wrong");
    assert_eq!(failure.code, crate::exit::USAGE);
    failure.message
}

#[test]
fn relays_are_read_from_toml() {
    let text = r#"
# Two of them.
[[relay]]
name = "db"
listen = "127.0.0.1:5433"
upstream = ["db1:5432", "unix:/run/db"]
fault = ["latency=100ms,direction=to_client", "stall"]

[[relay]]
name = "web"
listen = ":8080"
upstream = "localhost:80"
enabled = false
"#;
    let relays = relays("relays.toml", text).expect("good");
    let lines: Vec<String> = relays
        .iter()
        .map(|relay| {
            let faults: Vec<_> = relay.faults.iter().map(|(name, _)| name.as_str()).collect();
            format!("{} {} {:?} {:?} {}", relay.name, relay.listen, relay.leads.servers().len(), faults, relay.enabled)
        })
        .collect();
    assert_eq!(lines, [r#"db 127.0.0.1:5433 2 ["latency_1", "stall_2"] true"#, "web :8080 1 [] false"]);
    assert!(super::relays("empty.toml", "").expect("nothing is good too").is_empty());
}

#[test]
fn relays_are_read_from_toxiproxys_json_as_it_is() {
    let text = r#"[
      {"name": "a", "listen": "[::]:22220", "upstream": "127.0.0.1:6379", "enabled": true, "toxics": []},
      {"name": "b", "listen": "127.0.0.1:22221", "upstream": "b:1", "enabled": false},
      {"name": "c", "upstream": "c:1", "enabled": null}
    ]"#;
    for file in ["toxiproxy.json", "-", "toxiproxy.conf"] {
        let relays = relays(file, text).expect("good");
        let lines: Vec<_> = relays.iter().map(|one| format!("{} {} {}", one.name, one.listen, one.enabled)).collect();
        assert_eq!(lines, ["a [::]:22220 true", "b 127.0.0.1:22221 false", "c 127.0.0.1:0 true"]);
    }
    assert!(super::relays("-", " [ ]").expect("good").is_empty());
}

#[test]
fn an_error_names_its_place() {
    let base = "[[relay]]\nname = \"db\"\n";
    let cases = [
        (format!("{base}listen = \"localhost\"\nupstream = \"a:1\""), "relays.toml:3:10: "),
        (format!("{base}listen = \":1\"\nupstream = [\"a:1\", \"b\"]"), "relays.toml:4:20: "),
        (format!("{base}listen = \":1\"\nupstream = []"), "relays.toml:4:12: no address"),
        (format!("{base}listen = \":1\"\nupstream = \"a:1\"\nfault = [\"gravity\"]"), "relays.toml:5:10: "),
        (format!("{base}listen = \":1\"\nupstream = \"a:1\"\ncolour = 1"), "relays.toml:5:1: unknown field `colour`"),
        (format!("{base}listen = \":1\""), "relays.toml:1:1: missing field `upstream`"),
        ("[[relay]]\nname = \"\"".to_owned(), "relays.toml:2:8: a name is not empty"),
        ("[[relays]]".to_owned(), "relays.toml:1:3: unknown field `relays`"),
        ("relay = 1".to_owned(), "relays.toml:1:9: invalid type"),
        ("[[relay]\n".to_owned(), "relays.toml:1:"),
    ];
    for (text, expected) in cases {
        let said = message(relays("relays.toml", &text));
        assert!(said.starts_with(expected), "{text}\n{said}");
    }
    let json = [
        ("[{\"name\": \"a\",\n  \"listen\": \"x\", \"upstream\": \"a:1\"}]", "-:2:15: invalid address"),
        ("[{\"name\": \"a\",\n \"upstream\": 7}]", "-:2:14: invalid type"),
        ("[{\"name\": \"a\"", "-:1:13: EOF"),
        ("{}", "-:1:1: invalid type: map"),
    ];
    for (text, expected) in json {
        let said = message(relays("-", text));
        assert!(said.starts_with(expected), "{text}\n{said}");
        assert!(!said.contains(" at line "), "{said}");
    }
}

#[test]
fn no_two_have_the_same_name() {
    let twice = "[[relay]]\nname = \"a\"\nlisten = \":1\"\nupstream = \"a:1\"\n".repeat(2);
    assert_eq!(message(relays("r.toml", &twice)), "r.toml:6:8: two relays are called a");
    let twice = r#"[{"name": "a", "upstream": "a:1"}, {"name": "a", "upstream": "a:2"}]"#;
    assert_eq!(message(relays("r.json", twice)), "r.json: two relays are called a");
    let twice = "[[fault]]\nname = \"a\"\nspec = \"stall\"\n".repeat(2);
    assert_eq!(message(faults("f.toml", &twice)), "f.toml:5:8: two faults are called a");
}

#[test]
fn faults_are_read_whole_or_key_by_key() {
    let text = r#"
[[fault]]
spec = "latency=100ms,direction=to_client"

[[fault]]
name = "slow end"
kind = "slow-close"
value = "7ms"
direction = "to_server"
"#;
    let read = faults("faults.toml", text).expect("good");
    let lines: Vec<_> = read.iter().map(|(name, fault)| (name.as_str(), fault.to_string())).collect();
    let printed = |text: &str| text.parse::<Fault>().expect("good").to_string();
    let first = printed("latency=100ms,direction=to_client");
    let second = printed("slow-close=7ms,direction=to_server");
    assert_eq!(lines, [("latency_1", first), ("slow end", second)]);
}

#[test]
fn what_is_wrong_with_a_fault_is_said() {
    let cases = [
        ("[[fault]]\nspec = \"stall\"\np = 0.5", "`spec` says all of it"),
        ("[[fault]]\nspec = \"stall\"\nkind = \"stall\"", "`spec` says all of it"),
        ("[[fault]]\nvalue = 1", "a fault needs `spec` or `kind`"),
        ("[[fault]]\nkind = \"cut\"\nvalue = 1\nat = 2", "`value` and `at` exclude each other"),
        ("[[fault]]\nkind = \"gravity\"", "invalid fault"),
        ("[[fault]]\nkind = \"stall\"\nweight = 1", "unknown field `weight`"),
    ];
    for (text, expected) in cases {
        let said = message(faults("f.toml", text));
        assert!(said.starts_with("f.toml:") && said.contains(expected), "{text}\n{said}");
    }
    let placed = [
        ("[[fault]]\nname = \"a\"\nspec = \"cut@12:x\"", "f.toml:3:8: invalid fault"),
        ("[[fault]]\nspec = \"stall\"\n\n[[fault]]\np = \"x\"\nkind = \"stall\"", "f.toml:6:8: invalid fault"),
        ("[[fault]]\nspec = \"stall\"\n\n[[fault]]\nvalue = 1", "f.toml:4:1: a fault needs"),
        ("[[fault]]\nkind = \"stall\"\nfrom = true", "f.toml:3:8: a text or a number is wanted here"),
    ];
    for (text, expected) in placed {
        let said = message(faults("f.toml", text));
        assert!(said.starts_with(expected), "{text}\n{said}");
    }
}

#[test]
fn a_file_has_a_limit() {
    let folder = std::env::temp_dir().join(format!("callbox-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("long.toml");
    std::fs::write(&path, "#".repeat(1 << 20)).expect("writes");
    assert_eq!(read(&path).expect("as long as may be").len(), 1 << 20);
    std::fs::write(&path, "#".repeat((1 << 20) + 1)).expect("writes");
    assert!(message(read(&path)).ends_with("longer than 1 MiB"));
    std::fs::write(&path, b"\xff").expect("writes");
    assert!(message(read(&path)).ends_with("not UTF-8"));
    assert_eq!(read(&folder.join("none")).expect_err("not there").code, crate::exit::LOCAL);
    std::fs::remove_dir_all(&folder).expect("is ours");
}
