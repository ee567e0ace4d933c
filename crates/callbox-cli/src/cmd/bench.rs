//! `callbox bench ADDR`

mod check;
mod found;
mod plan;
mod search;
mod watch;

use std::path::Path;
use std::time::{Duration, SystemTime};

use callbox::error::Kind;
use callbox::load::{Ending, Plan, Report, compare};
use callbox::workers::Workers;

use crate::args::{
    AddressArgs, ClientTlsArgs, FamilyArgs, LoadArgs, OutputArgs, ResultArgs, Sends, SocketArgs, TemplateArgs,
    ThroughArgs, WorkArgs, duration,
};
use crate::cmd::serve::program::raise_descriptor_limit;
use crate::exit::{self, Failure};
use crate::report::figures::count;
use crate::report::{compared as side_by_side, files, saved};
use crate::signal::{Ending as Signalled, Signals};
use found::Found;
use watch::Watching;

/// Put load on a server and measure it: exchanges, bytes or connections
#[derive(Debug, clap::Args)]
// What these flags of other commands mean here.
#[command(mut_args(|arg| match help_here(arg.get_id().as_str()) {
    Some(help) => arg.help(help),
    None => arg,
}))]
#[command(after_help = "Examples:
  callbox bench :6379 --send 'PING\\r\\n' --until '+PONG\\r\\n' -c 50
  callbox bench :8848 --send hello --verify echo --rate 1k/s -d 30s --fail-if 'p99>5ms'
  callbox bench :8080 --send 'GET / HTTP/1.0\\r\\n\\r\\n' --until end --find-rate 'p99<20ms'
  callbox bench :9000 --mode send -c 4
  callbox bench :8848 --send hello --until any --save a.json; callbox bench --compare a.json b.json")]
pub struct BenchArgs {
    #[command(flatten)]
    pub address: AddressArgs,
    #[command(flatten)]
    pub sends: Sends,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub load: LoadArgs,
    #[command(flatten)]
    pub result: ResultArgs,
    #[command(flatten)]
    pub framing: crate::args::FramingArgs,
    #[command(flatten)]
    pub template: TemplateArgs,
    #[command(flatten)]
    pub family: FamilyArgs,
    /// The limit for connecting, all addresses together; 0 is no limit
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10s", help_heading = "Connecting")]
    pub connect_timeout: Duration,
    #[command(flatten)]
    pub through: ThroughArgs,
    #[command(flatten)]
    pub tls: ClientTlsArgs,
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// Returns what a flag that other commands have too is for in this one.
fn help_here(flag: &str) -> Option<&'static str> {
    Some(match flag {
        "send" => {
            "Send this text as a request; \\n \\r \\t \\0 \\\\ \\xHH \\u{...} are escapes; repeatable: each exchange takes one of them"
        }
        "send_hex" => "Send these bytes as a request, such as '48 65 6c'; repeatable",
        "send_file" => "Send a file's bytes as a request, or standard input's for -; repeatable",
        "max_frame" => {
            "The largest frame; the exchange of a larger one is lost, and its connection closed [default: 1Mi]"
        }
        "checksum" => {
            "Append a checksum to each request and take that of answers off, which --verify checksum looks at: crc16-modbus, crc32, sum8, xor8 or lrc"
        }
        "encoding" => "The encoding of --send, --until and --verify, such as gbk, big5, shift_jis or utf-16le",
        "seed" => {
            "The number from which all that is random is drawn, so that it can be had again: templates, --weights, --poisson [default: drawn, and in the report]"
        }
        _ => return None,
    })
}

/// Makes the load and reports.
pub fn run(args: &BenchArgs, output: &OutputArgs) -> Result<u8, Failure> {
    if let [a, b] = args.result.compare.as_slice() {
        return found::print(&told(compared(args, a, b, output), output)?);
    }
    let plan = told(planned(args, output), output)?;
    raise_descriptor_limit();
    super::run_on_main(async {
        let mut signals = Signals::listen().map_err(|error| Failure::local("listen to signals", &error))?;
        let threads =
            args.load.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
        let workers = Workers::apart(threads.min(plan.connections))?;
        let watching = Watching::start(output, &args.result);
        let measured = match &args.load.find_rate {
            Some(condition) => search::search(&plan, &workers, condition, &watching, &mut signals).await,
            None => measure(plan, &workers, &watching, &mut signals).await,
        };
        watching.close();
        let found = told(measured.map_err(|failure| hinted(args, failure)), output)?;
        found.say_whom(args.tls.both.tls_expiry_warn, output);
        found.tell(&args.result, output, &mut signals).await
    })
}

fn planned(args: &BenchArgs, output: &OutputArgs) -> Result<Plan, Failure> {
    let plan = plan::read(args, output)?;
    check::results(&args.load, &args.result)?;
    Ok(plan)
}

/// Programs that read objects are told of a failure by one.
fn told<T>(result: Result<T, Failure>, output: &OutputArgs) -> Result<T, Failure> {
    if let (Err(failure), true) = (&result, output.json) {
        found::print_failure(failure);
    }
    result
}

/// Advises what there is here, where it is not the same as elsewhere.
fn hinted(args: &BenchArgs, failure: Failure) -> Failure {
    let Some(error) = failure.source.clone() else { return failure };
    match (error.operation(), error.kind()) {
        ("connect", Kind::Refused) => {
            let address = error.address().unwrap_or("ADDR");
            let hint = format!("`callbox wait {address}` waits until somebody answers there");
            Failure { hints: vec![hint], ..failure }
        }
        ("bind", Kind::AddressNotAvailable) if !args.load.source.is_empty() => {
            let hint = "--source is an address of this machine; `ip addr` lists them".to_owned();
            Failure { hints: vec![hint], ..failure }
        }
        _ => failure,
    }
}

/// Makes one run of a plan.
async fn measure(plan: Plan, workers: &Workers, watching: &Watching, signals: &mut Signals) -> Result<Found, Failure> {
    let begun = SystemTime::now();
    let mut signalled = None;
    let mut running = tokio::select! {
        biased;
        running = plan.start(workers) => running?,
        ending = signals.ending() => return Err(Failure::new(ending.code(), "ended before a connection was there")),
    };
    let mut looks = tokio::time::interval(watch::EVERY);
    let report = loop {
        tokio::select! {
            biased;
            report = running.report() => break report,
            ending = signals.ending() => {
                // The second one waits for no answer any more.
                signalled.get_or_insert(ending);
                running.stop();
            }
            _ = looks.tick() => watching.show(|| running.snapshot()),
        }
    };
    Ok(Found { report, begun, signalled, search: None, whom: running.whom().cloned() })
}

/// Reads two runs and compares them.
fn compared(args: &BenchArgs, a: &Path, b: &Path, output: &OutputArgs) -> Result<String, Failure> {
    if !args.address.words.is_empty() {
        return Err(Failure::usage("--compare: nothing is measured, so no ADDR goes with it"));
    }
    let (one, other) = (kept(a)?, kept(b)?);
    let comparison = compare(&one, &other, one.seed);
    let (a, b) = (a.display().to_string(), b.display().to_string());
    Ok(if output.json {
        format!("{}\n", side_by_side::value(&comparison, (&a, &b), SystemTime::now()))
    } else {
        side_by_side::render(&comparison, (&a, &b), found::look(output))
    })
}

/// Reads a run that was kept.
fn kept(path: &Path) -> Result<Report, Failure> {
    let text = files::read(path, saved::LONGEST)?;
    let kept =
        saved::read(&text).map_err(|problem| Failure::usage(format!("--compare: {}: {problem}", path.display())))?;
    Ok(kept.report)
}

/// Returns the exit code of a run and the reason for it, apart from what was asked of it.
fn code(report: &Report, signalled: Option<Signalled>) -> (u8, Option<String>) {
    let because = |code, reason: String| (code, Some(reason));
    match (signalled, report.ending) {
        (Some(ending), _) => (ending.code(), None),
        (None, Ending::ServerGone) => because(exit::LOST, "the server was gone in mid-run".into()),
        (None, Ending::NeverConnected) => because(exit::NO_CONNECTION, "no connection could be opened".into()),
        _ if report.wrong > 0 => because(exit::UNMET, format!("wrong answers: {}", count(report.wrong))),
        // Not one answer, of those that were awaited.
        _ if report.is_unanswered() => match report.errors.first() {
            Some(error) if error.kind != "timed_out" => {
                because(exit::LOST, format!("nothing was answered: {}", error.example))
            }
            _ => because(exit::TIMED_OUT, "nothing was answered".into()),
        },
        _ => (exit::DONE, None),
    }
}
