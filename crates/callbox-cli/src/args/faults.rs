//! Faults, alike on all commands that carry bytes.

use std::path::PathBuf;

use callbox::frame::Framing;
use callbox::pattern::Pattern;
use callbox::pipe::fault::{Fault, FaultKind};
use callbox::pipe::plan::{Clipped, Faults, Plan};
use callbox::text::unescape;

use crate::config;
use crate::exit::Failure;

/// Faults on the way of the bytes.
#[derive(Debug, Clone, clap::Args)]
pub struct FaultArgs {
    /// Do to the bytes what a network or a peer can: latency=100ms+-20ms, throttle=1MB/s, cut@1460:reset, corrupt=0.1%, stall ...; limited by direction=to_client, p=50%, session=2, every=3, frame=4, from=, to= or match=PATTERN; repeatable, met in this order
    ///
    /// Of bytes: latency, throttle, slice, coalesce, corrupt, replace, duplicate, discard, stall, cut, reset, reset-peer, half-close, slow-close, limit, timeout. Of a listener: refuse, accept-delay, accept-then-close, backlog-full. docs/reference/faults.md says what each does
    #[arg(long, value_name = "SPEC", help_heading = "Faults")]
    pub fault: Vec<Fault>,
    /// Faults from a file in TOML, met after those of --fault
    #[arg(long, value_name = "FILE", help_heading = "Faults")]
    pub faults: Option<PathBuf>,
    /// Replace what a regex on bytes matches, also where the match lies in two chunks, in both directions; repeatable, met after the other faults
    #[arg(long, num_args = 2, value_names = ["REGEX", "TEXT"], action = clap::ArgAction::Append, allow_hyphen_values = true, help_heading = "Faults")]
    pub replace: Vec<String>,
}

impl FaultArgs {
    /// Returns the faults, each with its name.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is not right, a bad regex, a bad escape.
    pub fn named(&self) -> Result<Vec<(String, Fault)>, Failure> {
        let mut named: Vec<(String, Fault)> = Vec::new();
        for fault in self.fault.iter().cloned().chain(self.replacements()?) {
            named.push((free_name(&named, fault.kind.name()), fault));
        }
        if let Some(path) = &self.faults {
            let at = self.fault.len();
            let of_file = config::faults(&path.display().to_string(), &config::read(path)?)?;
            for (index, (name, fault)) in of_file.into_iter().enumerate() {
                let name = free_name(&named, &name);
                named.insert(at + index, (name, fault));
            }
        }
        Ok(named)
    }

    fn replacements(&self) -> Result<Vec<Fault>, Failure> {
        let one = |pair: &[String]| {
            let (regex, text) = (&pair[0], &pair[1]);
            let of = |invalid: callbox::Invalid| Failure::usage(format!("--replace: {invalid}"));
            let regex = if regex.starts_with("re:") { regex.clone() } else { format!("re:{regex}") };
            let (pattern, text) = (regex.parse::<Pattern>().map_err(of)?, unescape(text).map_err(of)?);
            Ok(Fault::new(FaultKind::Replace { pattern, text }))
        };
        self.replace.chunks(2).map(one).collect()
    }

    /// Returns the faults as one command has them, numbered from 1; `None` where there are none.
    ///
    /// # Errors
    ///
    /// As [`FaultArgs::named`]; also a fault on a frame where nothing says what a frame is.
    pub fn clipped(&self, framing: &Framing, seed: u64) -> Result<Option<Faults>, Failure> {
        let named = self.named()?;
        if named.is_empty() {
            return Ok(None);
        }
        let clip = |(id, (name, fault))| Clipped { id, name, fault };
        let plan = Plan { seed, framing: framing.clone(), faults: (1..).zip(named).map(clip).collect(), rate: None };
        plan.check().map_err(|invalid| Failure::usage(format!("--fault: {invalid}")))?;
        Ok(Some(Faults::new(plan)))
    }
}

/// Returns a name that no other fault has.
pub fn free_name(taken: &[(String, Fault)], name: &str) -> String {
    let is_free = |name: &String| taken.iter().all(|(taken, _)| taken != name);
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
}
