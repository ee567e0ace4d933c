//! Flags that mean nothing together. Whoever measures is to know what was measured, so none is passed over in silence.

use std::net::IpAddr;

use callbox::addr::{Addr, Host};

use super::BenchArgs;
use crate::args::{LoadArgs, Mode, ResultArgs};
use crate::exit::Failure;
use crate::report::files;

/// Refuses flags that the mode has no use for.
pub fn mode(args: &BenchArgs, mode: Mode, speaks: bool) -> Result<(), Failure> {
    let (work, load) = (&args.work, &args.load);
    let of_exchange = [
        ("--send", !args.sends.is_empty()),
        ("--until", work.until.is_some()),
        ("--verify", work.verify.is_some()),
        ("--finish", work.finish),
        ("--weights", !work.weights.is_empty()),
        ("--template", args.template.template),
        ("--answer-timeout", !work.answer_timeout.is_zero()),
        ("--frame", !args.framing.frame.is_none()),
        ("--checksum", args.framing.checksum.is_some()),
    ];
    if mode != Mode::Exchange
        && let Some(flag) = given(&of_exchange)
    {
        let failure = Failure::usage(format!("{flag}: there are no requests in mode {}", name(mode)));
        return Err(failure.hint(match work.mode {
            None => "--send says what is asked of the server; without it connections are opened and closed",
            Some(_) => "--mode exchange has them, and is the default where --send says what is asked",
        }));
    }
    if mode == Mode::Exchange && !speaks {
        let failure = Failure::usage("--mode exchange: nothing is asked and nothing awaited");
        return Err(failure.hint("--send says what is sent, --until where the answer ends"));
    }
    let of_rate = [
        ("--rate", load.rate.is_some()),
        ("-n", load.requests.is_some()),
        ("--find-rate", load.find_rate.is_some()),
        ("--think", !load.think.is_zero()),
        ("--renew", load.renew.is_some()),
    ];
    if !matches!(mode, Mode::Exchange | Mode::Connect)
        && let Some(flag) = given(&of_rate)
    {
        let failure = Failure::usage(format!("{flag}: there are no exchanges in mode {}", name(mode)));
        return Err(failure.hint("-d says how long it lasts, -c on how many connections"));
    }
    if mode == Mode::Connect && load.renew.is_some() {
        return Err(Failure::usage("--renew: in mode connect each connection is a new one anyway"));
    }
    if work.finish && load.renew.is_some_and(|renew| renew > 1) {
        return Err(Failure::usage("--finish: each exchange has a connection of its own, so --renew is 1"));
    }
    if !matches!(mode, Mode::Send | Mode::Receive | Mode::Both) && work.size.is_some() {
        return Err(Failure::usage("--size: it is that of a write or read in the modes send, receive and both"));
    }
    Ok(())
}

/// Refuses what would be noticed only when all is measured: results that go nowhere, trials without an end.
pub fn results(load: &LoadArgs, result: &ResultArgs) -> Result<(), Failure> {
    if load.find_rate.is_some() && load.duration.is_some_and(|duration| duration.is_zero()) {
        return Err(Failure::usage("--find-rate: each rate is tried for -d, and 0 has no end").hint("-d 3s, say"));
    }
    if result.html.is_some() && result.html == result.save {
        return Err(Failure::usage("--save: --html writes to the same file"));
    }
    [&result.html, &result.save].into_iter().flatten().try_for_each(|path| files::check(path))
}

/// Refuses sources from which the server can never be reached.
pub fn sources(sources: &[IpAddr], addr: &Addr) -> Result<(), Failure> {
    let server = match addr {
        Addr::Tcp { host: Host::Ip(ip), .. } => *ip,
        Addr::Tcp { .. } => return Ok(()),
        _ if sources.is_empty() => return Ok(()),
        _ => return Err(Failure::usage(format!("--source: {addr} is reached without addresses"))),
    };
    match sources.iter().find(|source| source.is_ipv4() != server.is_ipv4()) {
        Some(source) => {
            let failure = Failure::usage(format!("--source: {source} is of another family than {addr}"));
            Err(failure.hint("`ip addr` lists this machine's addresses"))
        }
        None => Ok(()),
    }
}

/// Returns what is wrong with a dialogue by the flag that says it.
pub fn by_flag(invalid: &str) -> String {
    let flag = match invalid.split(' ').nth(1) {
        Some("verify") => "--verify",
        Some("until") => "--until",
        _ => "--send",
    };
    format!("{flag}: {invalid}")
}

fn given(flags: &[(&'static str, bool)]) -> Option<&'static str> {
    flags.iter().find(|(_, given)| *given).map(|(flag, _)| *flag)
}

fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Exchange => "exchange",
        Mode::Send => "send",
        Mode::Receive => "receive",
        Mode::Both => "both",
        Mode::Connect => "connect",
        Mode::Idle => "idle",
    }
}
