//! What happens in one run, all of it drawn from the seed.

use std::rc::Rc;
use std::time::Duration;

use callbox::rng::Rng;

use crate::wire::Habits;

/// One run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Client to bridge, bridge to client, bridge to server, server to bridge.
    pub(crate) lanes: [Habits; 4],
    pub(crate) client: Rc<Script>,
    pub(crate) server: Rc<Script>,
}

/// What one side does.
#[derive(Debug)]
pub(crate) struct Script {
    /// What it sends, unless it resets before.
    pub(crate) bytes: Vec<u8>,
    /// Bytes given to one write, at most.
    pub(crate) most_sent: usize,
    /// Before the first byte.
    pub(crate) start: Duration,
    /// From this offset on it sends only once the other's direction has ended, and this much later: a late answer.
    pub(crate) late: Option<(usize, Duration)>,
    /// Of a hundred writes and reads, how many are followed by a pause, and how long that is, at most.
    pub(crate) pauses: (u64, Duration),
    /// Between its last byte and its end of stream.
    pub(crate) before_fin: Duration,
    pub(crate) reset: Option<Reset>,
}

/// When a side resets.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reset {
    /// Having sent so much.
    Sent(usize),
    /// Having received so much.
    Received(usize),
    /// After this time, whatever it is doing.
    At(Duration),
}

/// How wide everything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// From a byte at a time.
    Any,
    /// Not narrow anywhere.
    Bulk,
    /// More at once than one turn carries.
    Flood,
}

impl Size {
    /// Of what is done at once, the smallest possible limit as a power of two.
    fn least_bits(self) -> u64 {
        match self {
            Size::Any => 0,
            Size::Bulk => 12,
            Size::Flood => 15,
        }
    }

    /// Likewise of what fits on the way.
    fn least_capacity_bits(self) -> u64 {
        if self == Size::Flood { 20 } else { 0 }
    }
}

impl Plan {
    pub(crate) fn draw(rng: &mut Rng) -> Plan {
        // One narrow place makes all of it narrow, so some runs have none.
        let size = [Size::Flood, Size::Bulk, Size::Bulk, Size::Any][rng.below(10).min(3) as usize];
        let lanes = [(); 4].map(|()| habits(rng, size));
        let grain = |lanes: [&Habits; 2]| {
            let grains = lanes.map(|lane| lane.capacity.min(lane.most_written).min(lane.most_read));
            grains[0].min(grains[1])
        };
        let (there, back) = (grain([&lanes[0], &lanes[2]]), grain([&lanes[3], &lanes[1]]));
        let mut client = Script::draw(rng, there, size);
        let mut server = Script::draw(rng, back, size);
        // Who waits for the other's end; never both, or neither would come.
        let script = [&mut client, &mut server].into_iter().nth(rng.below(2) as usize).expect("one of two");
        if rng.below(3) == 0 {
            let from = rng.below(script.bytes.len() as u64 + 1) as usize;
            let late = [0, 1_500, 30_000, 59_000][rng.below(4) as usize];
            script.late = Some((from, Duration::from_millis(late)));
        }
        for _ in 0..2 {
            // Half of all runs have no reset at all.
            if rng.below(4) == 0 {
                let other = server.bytes.len();
                client.reset = Some(reset(rng, client.bytes.len(), other));
            }
            std::mem::swap(&mut client, &mut server);
        }
        Plan { lanes, client: Rc::new(client), server: Rc::new(server) }
    }
}

impl Script {
    fn draw(rng: &mut Rng, grain: usize, size: Size) -> Script {
        let most: u64 = match rng.below(100) {
            0..10 => 1,
            10..40 => 100,
            40..80 => 20_000,
            80..95 => 300_000,
            _ => 3_000_000,
        };
        let most = if size == Size::Flood { 3_000_000 } else { most };
        let mut bytes = vec![0; (rng.below(most) as usize).min(grain * 200)];
        rng.fill(&mut bytes);
        Script {
            bytes,
            most_sent: log_uniform(rng, size.least_bits(), 17),
            start: some_time(rng),
            late: None,
            pauses: ([0, 0, 1, 5][rng.below(4) as usize], some_time(rng)),
            before_fin: some_time(rng),
            reset: None,
        }
    }
}

fn habits(rng: &mut Rng, size: Size) -> Habits {
    let least_bits = size.least_bits();
    Habits {
        // More than a turn carries, at times.
        capacity: log_uniform(rng, least_bits.max(size.least_capacity_bits()), 20),
        most_written: log_uniform(rng, least_bits, 17),
        most_read: log_uniform(rng, least_bits, 19),
        delay: some_time(rng) / 4,
        ends_empty: rng.below(4) == 0,
        hiccups: if size == Size::Flood { 0 } else { [0, 0, 1, 20][rng.below(4) as usize] },
    }
}

fn reset(rng: &mut Rng, sent: usize, received: usize) -> Reset {
    match rng.below(3) {
        0 => Reset::Sent(rng.below(sent as u64 + 1) as usize),
        1 => Reset::Received(rng.below(received as u64 + 1) as usize),
        _ => Reset::At(some_time(rng) * 2),
    }
}

/// Returns a number up to two to the power of `most`, small ones as likely as large ones.
fn log_uniform(rng: &mut Rng, least: u64, most: u64) -> usize {
    let bits = least + rng.below(most - least + 1);
    (1 << bits) - rng.below(1 << bits.saturating_sub(1)) as usize
}

/// Returns no time at all, or up to two seconds.
fn some_time(rng: &mut Rng) -> Duration {
    let most = [1, 1, 1_000, 50_000, 2_000_000][rng.below(5) as usize];
    Duration::from_micros(rng.below(most))
}
