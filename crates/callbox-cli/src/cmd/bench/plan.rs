//! From the arguments to a plan.

use std::sync::Arc;
use std::time::Duration;

use callbox::addr::Endpoint;
use callbox::frame::Framing;
use callbox::handle::exchange::{Dialogue, Request, Requests, Until, Verify};
use callbox::load::{Plan, Schedule, Stop, Work};
use callbox::net::connect::ConnectOptions;
use callbox::pattern::Pattern;
use callbox::text::{Template, nearest};

use super::{BenchArgs, check};
use crate::args::{Mode, OutputArgs, Ready, file, optional, stdin};
use crate::exit::Failure;
use crate::report::figures::counted;

/// How long a run is, unless asked otherwise.
const DURATION: Duration = Duration::from_secs(10);
/// And how long each rate is tried.
const TRIAL: Duration = Duration::from_secs(3);
/// The size of a write or read, unless asked otherwise.
const SIZE: u64 = 512 << 10;
/// The largest write: what the kernel takes at once is less.
const MOST_SIZE: u64 = 16 << 20;

/// Reads the plan.
pub fn read(args: &BenchArgs, output: &OutputArgs) -> Result<Plan, Failure> {
    let Endpoint { addr, tls: scheme } = args.address.endpoint()?;
    let tls = args.tls.ready(scheme)?;
    let options = ConnectOptions {
        socket: args.socket.options(),
        timeout: optional(args.connect_timeout),
        family: args.family.family(),
        tls: tls.as_ref().map(|tls| tls.tls.clone()),
        ..ConnectOptions::default()
    };
    let options = args.through.through(options, std::slice::from_ref(&addr))?;
    check::sources(&args.load.source, &addr)?;
    let (seed, _) = args.framing.seed();
    let work = work(args)?;
    let load = &args.load;
    let schedule = match (&load.rate, load.poisson) {
        (None, _) => Schedule::Closed,
        (Some(schedule), false) => schedule.clone(),
        (Some(schedule), true) => {
            schedule.clone().poisson().map_err(|invalid| Failure::usage(format!("--poisson: {invalid}")))?
        }
    };
    let default = if load.find_rate.is_some() { TRIAL } else { DURATION };
    let stop = Stop {
        after: load
            .duration
            .and_then(optional)
            .or_else(|| (load.requests.is_none() && load.duration.is_none()).then_some(default)),
        count: load.requests,
    };
    let length = stop.after.map(|after| after + load.warm_up);
    schedule
        .starts(length, seed)
        .map_err(|invalid| Failure::usage(format!("--rate: {invalid}")).hint("-d says how long the run is"))?;
    if let Some(tls) = &tls {
        tls.say_plainly(!output.quiet && !output.json);
    }
    Ok(Plan {
        options,
        sources: load.source.clone(),
        schedule,
        stop,
        connections: load.connections as usize,
        renew_after: load.renew,
        think: load.think,
        warm_up: load.warm_up,
        give_up: optional(load.give_up),
        seed,
        ..Plan::new(addr, work)
    })
}

/// Reads what is to be done on the connections.
fn work(args: &BenchArgs) -> Result<Work, Failure> {
    let speaks = !args.sends.is_empty() || args.work.until.is_some() || args.work.verify.is_some();
    let mode = args.work.mode.unwrap_or(if speaks { Mode::Exchange } else { Mode::Connect });
    check::mode(args, mode, speaks)?;
    let asked = args.work.size.map_or(SIZE, |size| size.0);
    let size = usize::try_from(asked.clamp(1, MOST_SIZE)).unwrap_or(1);
    if asked != size as u64 {
        return Err(Failure::usage(format!("--size: a write is 1 byte to {} MiB", MOST_SIZE >> 20)));
    }
    Ok(match mode {
        Mode::Exchange => Work::Exchange(Arc::new(dialogue(args)?)),
        Mode::Send => Work::Send(size),
        Mode::Receive => Work::Receive(size),
        Mode::Both => Work::Both(size),
        Mode::Connect => Work::Connect,
        Mode::Idle => Work::Idle,
    })
}

fn dialogue(args: &BenchArgs) -> Result<Dialogue, Failure> {
    let of = |flag: &'static str| move |invalid: callbox::Invalid| Failure::usage(format!("{flag}: {invalid}"));
    let framing = args.framing.framing()?;
    let verify = args.work.verify.as_deref().map(|text| verify(args, text)).transpose()?;
    let until = match args.work.until.as_deref() {
        Some(text) => Until::parse_in(text, args.framing.encoding).map_err(of("--until"))?,
        None if !framing.is_none() => Until::Frame,
        None if matches!(verify, Some(Verify::Echo)) => Until::AsSent,
        None if args.work.finish => Until::End,
        None => Until::Any,
    };
    if matches!(until, Until::Frame) && framing.is_none() {
        return Err(Failure::usage("--until frame: nothing says what a frame is").hint("--frame line, say"));
    }
    let dialogue = Dialogue {
        requests: requests(args, &framing)?,
        framing,
        until,
        verify,
        finish: args.work.finish,
        answer_timeout: optional(args.work.answer_timeout),
    };
    if matches!(dialogue.until, Until::AsSent) && dialogue.requests.is_empty() {
        return Err(Failure::usage("--until as-sent: nothing is sent").hint("--send says what"));
    }
    dialogue.check().map_err(|invalid| Failure::usage(check::by_flag(&invalid.to_string())))?;
    Ok(dialogue)
}

fn verify(args: &BenchArgs, text: &str) -> Result<Verify, Failure> {
    Ok(match text {
        "echo" => Verify::Echo,
        "sequence" => Verify::Sequence,
        "checksum" => Verify::Checksum,
        text if text.starts_with("re:") => Verify::Pattern(
            Pattern::parse_in(text, args.framing.encoding)
                .map_err(|invalid| Failure::usage(format!("--verify: {invalid}")))?,
        ),
        text => {
            let failure =
                Failure::usage(format!("--verify: {text:?} is none of echo, sequence, checksum and re:REGEX"));
            let near = nearest(text, ["echo", "sequence", "checksum"]);
            return Err(match near {
                Some(word) => failure.hint(format!("did you mean {word}?")),
                None => failure.hint("a regex that an answer must meet is written re:^OK"),
            });
        }
    })
}

fn requests(args: &BenchArgs, framing: &Framing) -> Result<Requests, Failure> {
    let mut requests = Vec::new();
    // Framed when they are sent, so they are made ready without.
    for ready in args.sends.unframed(args.framing.encoding, args.template.template)? {
        let template = match ready {
            Ready::Template(template) => template,
            Ready::Bytes(bytes) => Template::literal(bytes),
            Ready::File(path) => Template::literal(file(&path)?),
            Ready::Stdin => Template::literal(stdin()?),
        };
        requests.push(Request { template, weight: 1 });
    }
    let weights = &args.work.weights;
    if !weights.is_empty() && weights.len() != requests.len() {
        let message = format!(
            "--weights: {} for {}",
            counted(weights.len() as u64, "number"),
            counted(requests.len() as u64, "request")
        );
        return Err(Failure::usage(message).hint("a number for each --send, in their order: --weights 3,1"));
    }
    requests.iter_mut().zip(weights).for_each(|(request, weight)| request.weight = *weight);
    Requests::new(requests, framing.clone()).map_err(|invalid| Failure::usage(invalid.to_string()))
}
