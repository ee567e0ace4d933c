//! Faults that come while bytes flow, and resets under faults.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::bridge::{Passage, bridge};
use crate::direction::Role;
use crate::frame::Framing;
use crate::net::stream::Stream;
use crate::pipe::plan::{Clipped, Faults, Plan};

/// A client and a server in memory, with a bridge in between whose faults may change.
struct Bent {
    client: Stream,
    server: Stream,
    faults: Faults,
    over: JoinHandle<Passage>,
}

/// Numbers faults from `first` on.
pub(super) fn clipped(first: u64, specs: &[&str]) -> Vec<Clipped> {
    let clip = |(id, spec): (u64, &&str)| Clipped {
        id,
        name: (*spec).to_owned(),
        fault: spec.parse().unwrap_or_else(|invalid| panic!("{invalid}")),
    };
    (first..).zip(specs).map(clip).collect()
}

impl Bent {
    fn new(specs: &[&str]) -> Bent {
        let ((client, near), (far, server)) = (Stream::pair(), Stream::pair());
        let faults = Faults::new(Plan { seed: 7, framing: Framing::none(), faults: clipped(1, specs), rate: None });
        let known = faults.clone();
        let over = tokio::spawn(async move {
            let session = near.session().clone();
            bridge(&session, &near, &far, Some(&known)).await
        });
        Bent { client, server, faults, over }
    }

    /// Goes over to other faults, which count with the next byte.
    fn change(&self, first: u64, specs: &[&str]) {
        self.faults.change(|plan| plan.faults = clipped(first, specs));
    }

    /// Has the client say something, and returns so many bytes of what the server receives.
    async fn pass(&mut self, bytes: &[u8], count: usize) -> Vec<u8> {
        self.client.write_all(bytes).await.expect("writes");
        let mut received = vec![0; count];
        let mut filled = 0;
        while filled < count {
            let read = self.server.read(&mut received[filled..]).await.expect("reads");
            assert!(read > 0, "an end of stream after {filled} of {count} bytes");
            filled += read;
        }
        received
    }
}

#[tokio::test]
async fn a_fault_that_comes_late_knows_what_went_around_it() {
    let mut bent = Bent::new(&[]);
    bent.pass(&[b'x'; 1000], 1000).await;
    bent.change(1, &["discard=1001..1002"]);
    assert_eq!(bent.pass(b"abc", 2).await, b"ac");
    bent.change(2, &[]);
    bent.pass(&[b'x'; 998], 998).await;
    bent.change(3, &["discard=2001..2002"]);
    assert_eq!(bent.pass(b"abc", 2).await, b"ac");
    bent.change(4, &["cut@2010"]);
    bent.pass(&[b'x'; 1000], 8).await;
    assert_eq!(bent.over.await.expect("no panic"), Passage::Closed);
    assert_eq!(bent.server.chunk().await.expect("an end of stream"), None, "2010 bytes had passed");
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_comes_late_counts_its_time_from_then() {
    for (spec, passage) in [("reset=2s", Passage::Reset), ("timeout=2s,direction=to_client", Passage::Closed)] {
        let mut bent = Bent::new(&[]);
        bent.pass(b"hello", 5).await;
        sleep(Duration::from_secs(10)).await;
        let changed = Instant::now();
        bent.change(1, &[spec]);
        assert_eq!(bent.pass(b"a", 1).await, b"a", "{spec}");
        assert_eq!(bent.over.await.expect("no panic"), passage);
        let elapsed = changed.elapsed();
        assert!(elapsed >= Duration::from_secs(2) && elapsed < Duration::from_secs(3), "{spec}: {elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_does_not_wait_for_a_fault_that_is_due_some_day() {
    for spec in ["cut@1h", "latency=1ms,from=1h", "corrupt=1,to=1h"] {
        let mut bent = Bent::new(&[spec]);
        bent.pass(b"hello", 5).await;
        let Bent { client, over, server: _server, .. } = bent;
        let reset = Instant::now();
        client.reset();
        assert_eq!(over.await.expect("no panic"), Passage::Broken(Role::Client), "{spec}");
        assert!(reset.elapsed() < Duration::from_secs(5), "{spec}: {:?}", reset.elapsed());
    }
}
