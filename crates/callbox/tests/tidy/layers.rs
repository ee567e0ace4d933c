//! Who may import whom: lib.rs lists modules under layer headings, and a module uses only what is in lower layers.
//!
//! ```text
//! // ---- layer 3: net ----
//! pub mod net;
//! // ---- layer 3: observe ----
//! pub mod record;
//! ```
//!
//! Headings of the same layer are siblings that never use each other. Modules under one heading may use each other, but not
//! in a circle (rustfmt sorts them, so that their order in lib.rs says nothing). No file of the folder `handle` uses another
//! handler's.

use std::collections::{HashMap, HashSet};

use crate::Finding;
use crate::files::Found;
use crate::source::{line_of, positions};

const HANDLERS: &str = "handle";

/// Where a module is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    layer: usize,
    heading: String,
}

/// One module using another under the same heading.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge {
    from: String,
    to: String,
    /// File and line.
    place: String,
}

/// The map that lib.rs draws.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    modules: HashMap<String, Place>,
    /// Names that lib.rs re-exports, and the module each comes from.
    exports: HashMap<String, String>,
    homeless: Vec<(usize, String)>,
}

impl Layers {
    /// Reads lib.rs.
    pub(crate) fn read(text: &str) -> Layers {
        let mut layers = Layers::default();
        let mut heading = None;
        for (index, line) in text.lines().enumerate() {
            if let Some(found) = heading_of(line) {
                heading = Some(found);
            }
            let Some(name) = module_in(line) else { continue };
            let Some((layer, title)) = heading.clone() else {
                layers.homeless.push((index + 1, name.to_owned()));
                continue;
            };
            layers.modules.insert(name.to_owned(), Place { layer, heading: title });
        }
        let code = crate::source::Source::read(text).product_code;
        for at in positions(&code, "use") {
            for path in paths(&code[at + "use".len()..]) {
                let path: Vec<_> = path.into_iter().skip_while(|name| name == "crate" || name == "self").collect();
                if let ([module, ..], Some(name)) = (path.as_slice(), path.last()) {
                    layers.exports.insert(name.clone(), module.clone());
                }
            }
        }
        layers
    }

    /// Returns what is wrong with lib.rs itself.
    pub(crate) fn findings(&self, path: &str) -> Vec<Finding> {
        let mut findings: Vec<_> = self
            .homeless
            .iter()
            .map(|(line, name)| format!("{path}:{line}: module {name} is listed under no layer heading"))
            .collect();
        if self.modules.is_empty() {
            findings
                .push(format!("{path}:1: no module is listed under a heading such as `// ---- layer 0: words ----`"));
        }
        findings
    }

    /// Checks a file; `modules` are the paths of all modules there are.
    pub(crate) fn check(&self, file: &Found, modules: &[Vec<String>]) -> Vec<Finding> {
        let from = module_of(&file.path);
        if from.is_empty() || from.iter().any(|name| name == "tests") {
            return Vec::new();
        }
        let mut findings = Vec::new();
        if !self.modules.contains_key(&from[0]) {
            findings.push(format!("{}:1: module {} is not listed in lib.rs", file.path, from[0]));
            return findings;
        }
        for (at, path) in uses(&file.source.product_code, &from) {
            if let Some(problem) = self.problem(&from, &path, modules) {
                findings.push(format!("{}:{}: {problem}", file.path, line_of(&file.text, at)));
            }
        }
        findings
    }

    /// Says what is wrong with module `from` using `to`.
    fn problem(&self, from: &[String], to: &[String], modules: &[Vec<String>]) -> Option<String> {
        let target = self.module_named(to.first()?)?;
        let (own, other) = (self.modules.get(&from[0])?, self.modules.get(target)?);
        let edge = format!("({} -> {target})", from[0]);
        if from[0] == *target {
            let (mine, theirs) = (from.get(1)?, to.get(1)?);
            let is_module = modules.iter().any(|module| module.get(..2) == Some(&[target.clone(), theirs.clone()]));
            let apart = target == HANDLERS && mine != theirs && is_module;
            return apart.then(|| format!("no handler may use another ({HANDLERS}::{mine} -> {HANDLERS}::{theirs})"));
        }
        if other.layer > own.layer {
            return Some(format!("layer {} may not use layer {} {edge}", own.layer, other.layer));
        }
        if other.layer < own.layer {
            return None;
        }
        if own.heading != other.heading {
            return Some(format!("{} and {} may not use each other {edge}", own.heading, other.heading));
        }
        None
    }

    /// Finds modules under one heading that use each other in a circle.
    pub(crate) fn circles<'a>(&self, files: impl Iterator<Item = &'a Found>) -> Vec<Finding> {
        let edges: Vec<Edge> = files.flat_map(|file| self.edges(file)).collect();
        let closes = |edge: &&Edge| reachable(&edges, &edge.to).contains(&*edge.from);
        let show = |edge: &Edge| {
            format!(
                "{}: modules of one layer may not use each other in a circle ({} -> {})",
                edge.place, edge.from, edge.to
            )
        };
        edges.iter().filter(closes).map(show).collect()
    }

    fn edges(&self, file: &Found) -> Vec<Edge> {
        let from = module_of(&file.path);
        let Some(own) = from.first().and_then(|name| self.modules.get(name)) else { return Vec::new() };
        let edge = |(at, path): (usize, Vec<String>)| {
            let to = self.module_named(path.first()?)?;
            let place = format!("{}:{}", file.path, line_of(&file.text, at));
            let sibling = *to != from[0] && self.modules.get(to) == Some(own);
            sibling.then(|| Edge { from: from[0].clone(), to: to.clone(), place })
        };
        uses(&file.source.product_code, &from).into_iter().filter_map(edge).collect()
    }

    /// Returns the module that a name at the root of the crate belongs to.
    fn module_named<'a>(&'a self, name: &'a String) -> Option<&'a String> {
        if self.modules.contains_key(name) { Some(name) } else { self.exports.get(name) }
    }
}

/// Returns the modules that `start` uses, directly or not.
fn reachable<'a>(edges: &'a [Edge], start: &'a str) -> HashSet<&'a str> {
    let mut seen = HashSet::new();
    let mut open = vec![start];
    while let Some(module) = open.pop() {
        if seen.insert(module) {
            open.extend(edges.iter().filter(|edge| edge.from == module).map(|edge| &*edge.to));
        }
    }
    seen
}

/// Returns the module that a file of the library is, empty for lib.rs.
pub(crate) fn module_of(path: &str) -> Vec<String> {
    let inside = path.split_once("/src/").map_or(path, |(_, inside)| inside);
    let names = inside.trim_end_matches(".rs").split('/').filter(|name| !matches!(*name, "mod" | "lib"));
    names.map(str::to_owned).collect()
}

fn heading_of(line: &str) -> Option<(usize, String)> {
    let inner = line.trim().strip_prefix("// ---- layer ")?.strip_suffix(" ----")?;
    let (number, title) = inner.split_once(": ")?;
    Some((number.parse().ok()?, title.to_owned()))
}

fn module_in(line: &str) -> Option<&str> {
    let line = line.trim();
    let line = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub ")).unwrap_or(line);
    line.strip_prefix("mod ")?.strip_suffix(';')
}

/// Returns every path that begins with `crate::` or `super::`, from the root of the crate.
fn uses(code: &str, from: &[String]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for at in positions(code, "crate") {
        if let Some(rest) = code[at + "crate".len()..].trim_start().strip_prefix("::") {
            found.extend(paths(rest).into_iter().map(|path| (at, path)));
        }
    }
    for at in positions(code, "super") {
        let continues = code[..at].trim_end().ends_with("super::");
        let mut rest = &code[at..];
        let mut base = from.to_vec();
        while let Some(after) = rest.strip_prefix("super").map(str::trim_start).and_then(|rest| rest.strip_prefix("::"))
        {
            base.pop();
            rest = after.trim_start();
        }
        if !continues && rest.len() < code.len() - at {
            found.extend(paths(rest).into_iter().map(|path| (at, [base.clone(), path].concat())));
        }
    }
    found
}

/// Expands the path or use tree that `text` begins with: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(text: &str) -> Vec<Vec<String>> {
    tree(&mut text.trim_start())
}

fn tree(text: &mut &str) -> Vec<Vec<String>> {
    *text = text.trim_start();
    if let Some(inner) = text.strip_prefix('{') {
        *text = inner;
        let mut all = Vec::new();
        loop {
            *text = text.trim_start().trim_start_matches(',').trim_start();
            if let Some(after) = text.strip_prefix('}') {
                *text = after;
                return all;
            }
            let before = text.len();
            all.extend(tree(text));
            if text.len() == before {
                return all;
            }
        }
    }
    let length = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    if length == 0 {
        *text = text.strip_prefix('*').unwrap_or(text);
        return vec![Vec::new()];
    }
    let name = text[..length].to_owned();
    *text = &text[length..];
    let after = text.trim_start();
    if let Some(more) = after.strip_prefix("::") {
        *text = more;
        return tree(text).into_iter().map(|path| [vec![name.clone()], path].concat()).collect();
    }
    if let Some(alias) = after.strip_prefix("as ") {
        let alias = alias.trim_start();
        *text = alias.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    }
    vec![vec![name]]
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = "\
// ---- layer 0: words ----
pub mod addr;
pub mod error;
pub use error::{Error, Result};
// ---- layer 2: facts ----
mod session;
pub mod event;
pub mod meter;
// ---- layer 3: net ----
pub mod net;
pub use net::stream::Stream;
// ---- layer 3: observe ----
pub mod record;
// ---- layer 5: handle ----
pub mod handle;
";

    fn check(path: &str, text: &str) -> Vec<Finding> {
        let modules = ["handle/echo.rs", "handle/reply.rs", "net/sys.rs"].map(module_of);
        Layers::read(LIB).check(&Found::new(&format!("crates/callbox/src/{path}"), text), &modules)
    }

    #[test]
    fn a_higher_layer_is_refused_with_file_and_line() {
        let due = ["crates/callbox/src/session.rs:2: layer 2 may not use layer 3 (session -> net)"];
        assert_eq!(check("session.rs", "//! x\nuse crate::net::Stream;"), due);
        assert_eq!(check("session.rs", "//! x\nfn a(s: crate::net::Stream) {}"), due);
        assert_eq!(check("session.rs", "\nuse crate::{error::Error, net::{Stream, sys}};").len(), 2);
        assert_eq!(check("session.rs", "\nuse super::net::Stream;"), due);
        assert_eq!(check("net/sys.rs", "use super::super::handle::Handler;").len(), 1);
        assert_eq!(check("addr.rs", "use crate::Stream;").len(), 1, "lib.rs takes it from net");
    }

    #[test]
    fn siblings_do_not_use_each_other() {
        assert!(check("net/sys.rs", "use crate::record::Tap;")[0].contains("net and observe may not use each other"));
        assert!(check("record.rs", "use crate::net::Stream;")[0].contains("observe and net may not use each other"));
        assert!(check("handle/echo.rs", "use crate::handle::reply::Reply;")[0].contains("no handler may use another"));
        assert!(check("handle/echo.rs", "use super::reply::Reply;")[0].contains("no handler may use another"));
    }

    #[test]
    fn circles_are_found_and_chains_are_not() {
        let file = |name: &str, text: &str| Found::new(&format!("crates/callbox/src/{name}.rs"), text);
        let circles = |files: &[Found]| Layers::read(LIB).circles(files.iter());
        let chain =
            [file("session", "use crate::event::Event;"), file("event", "use crate::meter::Meter;"), file("meter", "")];
        assert_eq!(circles(&chain), [""; 0]);
        let circle = [chain[0].clone(), chain[1].clone(), file("meter", "\nfn a(session: crate::session::Session) {}")];
        let found = circles(&circle);
        assert_eq!(found.len(), 3);
        let due =
            "crates/callbox/src/meter.rs:2: modules of one layer may not use each other in a circle (meter -> session)";
        assert_eq!(found[2], due);
    }

    #[test]
    fn what_is_allowed_passes() {
        assert!(check("event.rs", "use crate::session::Session; use crate::{Error, Result};").is_empty());
        assert!(
            check("net/stream.rs", "use crate::net::sys; use super::sys::raw; use crate::event::Event as E;")
                .is_empty()
        );
        assert!(check("handle/echo.rs", "use crate::handle::Handler; use super::Handler; use crate::net;").is_empty());
        assert!(
            check("session.rs", "// use crate::net;\n/// [`crate::net`]\nconst A: &str = \"crate::net\";").is_empty()
        );
        assert!(check("session.rs", "#[cfg(test)]\nmod tests { use crate::net::Stream; }").is_empty());
    }

    #[test]
    fn modules_without_a_place_are_refused() {
        assert_eq!(check("stray.rs", "").len(), 1);
        assert_eq!(Layers::read("pub mod a;\n").findings("lib.rs").len(), 2);
        assert!(Layers::read(LIB).findings("lib.rs").is_empty());
    }
}
