//! Sockets that a service manager has opened and passed: `LISTEN_FDS`, `LISTEN_PID`, `LISTEN_FDNAMES`.

use callbox::Addr;
use callbox::text::safe;

use crate::exit::{Failure, NO_CONNECTION};

/// Passed descriptors are numbered from here on (sd_listen_fds(3)).
pub const FIRST_PASSED: u32 = 3;

/// More passed descriptors than anybody has; a greater number is a mistake.
const MOST_PASSED: u32 = 4096;

/// How a descriptor is called that was given no name.
const NAMELESS: &str = "unknown";

/// The sockets that were passed to this process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// Each with its name.
    sockets: Vec<(u32, String)>,
    /// Why there are none, where the environment says something all the same.
    left_alone: Option<String>,
}

impl Passed {
    /// Reads the environment.
    pub fn from_environment() -> Passed {
        let read = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Passed::of(std::process::id(), (read("LISTEN_PID"), read("LISTEN_FDS"), read("LISTEN_FDNAMES")))
    }

    fn of(own: u32, (pid, count, names): (Option<String>, Option<String>, Option<String>)) -> Passed {
        let none = |why: String| Passed { sockets: Vec::new(), left_alone: Some(why) };
        let (pid, count) = match (pid, count) {
            (None, None) => return Passed::default(),
            (Some(pid), Some(count)) => (pid, count),
            (None, Some(_)) => return none("LISTEN_FDS is there without LISTEN_PID, and is left alone".into()),
            (Some(_), None) => return none("LISTEN_PID is there without LISTEN_FDS, and is left alone".into()),
        };
        if pid.parse() != Ok(own) {
            let pid = safe(&pid);
            return none(format!("LISTEN_PID is {pid} and not {own}: the sockets of LISTEN_FDS are for that process"));
        }
        let count = match count.parse::<u32>() {
            Ok(count) if count <= MOST_PASSED => count,
            _ => return none(format!("LISTEN_FDS is {}, which is no number of sockets", safe(&count))),
        };
        let names: Vec<&str> = names.as_deref().map_or_else(Vec::new, |names| names.split(':').collect());
        let name = |index: u32| names.get(index as usize).filter(|name| !name.is_empty()).copied();
        let socket = |index| (FIRST_PASSED + index, name(index).unwrap_or(NAMELESS).to_owned());
        Passed { sockets: (0..count).map(socket).collect(), left_alone: None }
    }

    /// Returns the sockets of this name, or all.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn find(&self, name: Option<&str>) -> Result<Vec<Addr>, Failure> {
        let wanted = |(_, known): &&(u32, String)| name.is_none_or(|name| name == known);
        let found: Vec<Addr> = self.sockets.iter().filter(wanted).map(|(number, _)| Addr::Fd(*number)).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let message = match (name, &self.left_alone, self.sockets.is_empty()) {
            (_, Some(why), _) => format!("no socket was passed: {why}"),
            (Some(name), None, false) => {
                let names: Vec<&str> = self.sockets.iter().map(|(_, name)| name.as_str()).collect();
                format!("no socket named {name} was passed, but {}", names.join(", "))
            }
            _ => "no socket was passed: LISTEN_FDS is not set, or 0".to_owned(),
        };
        let failure = Failure::new(NO_CONNECTION, message);
        Err(failure.hint("a service manager passes sockets, see docs/systemd.md; fd:3 is a descriptor by its number"))
    }

    /// Says what was left alone: sockets for others, and those that nobody listens at.
    pub fn notices(&self, used: &[Addr]) -> Vec<String> {
        let idle = |(number, _): &&(u32, String)| !used.contains(&Addr::Fd(*number));
        let idle: Vec<String> =
            self.sockets.iter().filter(idle).map(|(number, name)| format!("fd:{number} ({})", safe(name))).collect();
        let idle = (!idle.is_empty()).then(|| format!("passed, and not listened at: {}", idle.join(", ")));
        self.left_alone.clone().into_iter().chain(idle).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(pid: &str, count: &str, names: &str) -> Passed {
        let some = |text: &str| (text != "-").then(|| text.to_owned());
        Passed::of(7, (some(pid), some(count), some(names)))
    }

    #[test]
    fn row_118_what_the_environment_says() {
        let table = [
            ("-", "-", "-", "", ""),
            ("7", "1", "-", "3=unknown", ""),
            ("7", "2", "http:admin", "3=http 4=admin", ""),
            ("7", "2", "http", "3=http 4=unknown", ""),
            ("7", "3", ":x", "3=unknown 4=x 5=unknown", ""),
            ("7", "0", "-", "", ""),
            ("8", "1", "-", "", "LISTEN_PID is 8 and not 7"),
            ("07x", "1", "-", "", "LISTEN_PID is 07x"),
            ("-", "1", "-", "", "without LISTEN_PID"),
            ("7", "-", "-", "", "without LISTEN_FDS"),
            ("7", "-1", "-", "", "no number of sockets"),
            ("7", "9999999", "-", "", "no number of sockets"),
        ];
        for (pid, count, names, sockets, why) in table {
            let found = passed(pid, count, names);
            let list: Vec<String> = found.sockets.iter().map(|(number, name)| format!("{number}={name}")).collect();
            assert_eq!(list.join(" "), sockets, "{pid} {count} {names}");
            let said = found.left_alone.unwrap_or_default();
            assert!(said.contains(why) && said.is_empty() == why.is_empty(), "{pid} {count} {names}: {said}");
        }
    }

    #[test]
    fn sockets_are_found_by_name_and_the_others_are_named() {
        let found = passed("7", "3", "http:admin:http");
        assert_eq!(found.find(Some("http")).expect("two"), [Addr::Fd(3), Addr::Fd(5)]);
        assert_eq!(found.find(None).expect("all").len(), 3);
        assert_eq!(found.notices(&[Addr::Fd(3), Addr::Fd(5)]), ["passed, and not listened at: fd:4 (admin)"]);
        let failure = found.find(Some("ftp")).expect_err("none");
        assert_eq!(failure.message, "no socket named ftp was passed, but http, admin, http");
        assert!(passed("-", "-", "-").find(None).expect_err("none").message.contains("LISTEN_FDS is not set"));
        assert!(passed("8", "1", "-").find(None).expect_err("none").message.contains("LISTEN_PID is 8"));
    }
}
