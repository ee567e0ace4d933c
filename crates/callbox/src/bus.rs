//! The queue between those who emit events and the one who shows them.
//!
//! A lossy bus never makes anybody wait: when its reader does not keep up, events are dropped and counted. A lossless
//! one holds the *bytes* back instead (never the facts, of which there are few); it is for pipes whose own data is
//! the report.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::direction::Direction;
use crate::event::{Event, FrameFacts, Mirrored};
use crate::frame::FrameKind;
use crate::frames::Seen;
use crate::report::SessionId;

use crate::tap::Tap;

/// How many events may wait. At 100,000 events a second this is a pause of the reader of 0.6 s.
pub const QUEUE_EVENTS: usize = 65_536;

/// How many payload bytes may wait in events: what a reader works off in well under a second.
pub const QUEUE_BYTES: usize = 8 << 20;

/// What a bus takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interest {
    /// Bytes, as [`Event::Data`].
    pub data: bool,
    /// Who came and went; without it only failures and the state of listeners are taken.
    pub talk: bool,
    /// Hold bytes back rather than drop events.
    pub lossless: bool,
    /// Bytes come as the frames that the observers' framer finds, not as chunks.
    pub frames: bool,
}

/// A bounded queue of events with one reader.
pub struct Bus {
    interest: Interest,
    state: Mutex<State>,
    ready: Condvar,
    lost: AtomicU64,
    /// Whether the last look found no room for bytes: then a chunk is not even copied, nor the queue locked.
    full: AtomicBool,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Instant, Event)>,
    bytes: usize,
    /// Whether the reader sleeps: only then is waking it worth a system call.
    reader_waits: bool,
    reader: Option<Waker>,
    writers: Vec<Waker>,
    closed: bool,
}

impl State {
    /// Tells whether it is less than half full: of bytes or, where frames are small, of events.
    fn has_room(&self) -> bool {
        self.bytes < QUEUE_BYTES / 2 && self.queue.len() < QUEUE_EVENTS / 2
    }
}

impl Bus {
    /// Makes an empty bus.
    pub fn new(interest: Interest) -> Arc<Bus> {
        Arc::new(Bus {
            interest,
            state: Mutex::default(),
            ready: Condvar::new(),
            lost: AtomicU64::new(0),
            full: AtomicBool::new(false),
        })
    }

    /// Tells whether bytes are wanted as events.
    pub fn wants_data(&self) -> bool {
        self.interest.data
    }

    /// Tells whether the facts of single sessions are wanted.
    pub fn wants_talk(&self) -> bool {
        self.interest.talk
    }

    /// Returns how many events were dropped so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an event, or drops and counts it. Never waits.
    pub fn emit(&self, at: Instant, event: Event) {
        let same = matches!(event, Event::Mirror { outcome: Mirrored::Same, .. });
        let talk = same || matches!(event, Event::Connected { .. } | Event::Closed(_) | Event::End { .. });
        if talk && !self.interest.talk {
            return;
        }
        let size = match &event {
            Event::Data { bytes, .. } => bytes.len(),
            _ => 0,
        };
        let mut state = self.state();
        // One that is bigger than all the room still fits an empty queue: frames may be.
        let crowded = size > 0 && state.bytes > 0 && state.bytes + size > QUEUE_BYTES;
        let full = state.queue.len() >= QUEUE_EVENTS || crowded;
        if full && !self.interest.lossless {
            self.lost.fetch_add(1, Relaxed);
            self.full.store(true, Relaxed);
            return;
        }
        state.bytes += size;
        state.queue.push_back((at, event));
        if state.reader_waits {
            state.reader_waits = false;
            self.ready.notify_one();
            if let Some(reader) = state.reader.take() {
                reader.wake();
            }
        }
    }

    /// Tells whether bytes have a chance to be queued; counts them as lost where not.
    fn takes(&self, size: usize) -> bool {
        let takes = size > 0 && !self.full.load(Relaxed);
        if !takes && size > 0 {
            self.lost.fetch_add(1, Relaxed);
        }
        takes
    }

    /// Returns the next event, waiting for it on this thread; `None` once the bus is closed and empty, or after `patience`.
    pub fn wait(&self, patience: Option<Duration>) -> Option<(Instant, Event)> {
        let mut state = self.state();
        loop {
            if let Some(event) = self.take(&mut state) {
                return Some(event);
            }
            if state.closed {
                return None;
            }
            state.reader_waits = true;
            state = match patience {
                None => self.ready.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let waited = self.ready.wait_timeout(state, patience);
                    let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                    if timeout.timed_out() {
                        state.reader_waits = false;
                        return self.take(&mut state);
                    }
                    state
                }
            };
        }
    }

    /// Returns the next event if one is there.
    pub fn try_next(&self) -> Option<(Instant, Event)> {
        self.take(&mut self.state())
    }

    /// Returns the next event; `None` once the bus is closed and empty.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&self) -> Option<(Instant, Event)> {
        std::future::poll_fn(|cx| {
            let mut state = self.state();
            if let Some(event) = self.take(&mut state) {
                return Poll::Ready(Some(event));
            }
            if state.closed {
                return Poll::Ready(None);
            }
            state.reader_waits = true;
            state.reader = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Tells whether the bus is closed and nothing is left in it.
    pub fn is_over(&self) -> bool {
        let state = self.state();
        state.closed && state.queue.is_empty()
    }

    /// Lets the reader finish: what is queued is still handed out, then `None`.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        self.ready.notify_all();
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    fn take(&self, state: &mut State) -> Option<(Instant, Event)> {
        let Some((at, event)) = state.queue.pop_front() else {
            self.full.store(false, Relaxed);
            return None;
        };
        if let Event::Data { bytes, .. } = &event {
            state.bytes -= bytes.len();
        }
        // Half empty before anybody is woken, so that a writer does not wake for every single event.
        if state.has_room() {
            self.full.store(false, Relaxed);
            state.writers.drain(..).for_each(Waker::wake);
        }
        Some((at, event))
    }
}

impl Tap for Bus {
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.interest.lossless {
            return Poll::Ready(());
        }
        let mut state = self.state();
        if state.has_room() {
            return Poll::Ready(());
        }
        if !state.writers.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.writers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn bytes(&self, at: Instant, session: SessionId, direction: Direction, bytes: &[u8]) {
        self.show_bytes(at, session, direction, bytes, false);
    }

    fn frame(&self, at: Instant, session: SessionId, direction: Direction, seen: &Seen<'_>) {
        self.show_frame(at, session, direction, seen, false);
    }
}

/// A bus as the tap on the far side of a relay.
pub(crate) struct FarTap(pub(crate) Arc<Bus>);

impl Tap for FarTap {
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_ready(cx)
    }

    fn bytes(&self, at: Instant, session: SessionId, direction: Direction, bytes: &[u8]) {
        self.0.show_bytes(at, session, direction, bytes, true);
    }

    fn frame(&self, at: Instant, session: SessionId, direction: Direction, seen: &Seen<'_>) {
        self.0.show_frame(at, session, direction, seen, true);
    }
}

impl Bus {
    fn show_bytes(&self, at: Instant, session: SessionId, direction: Direction, bytes: &[u8], far: bool) {
        if !self.interest.frames && self.takes(bytes.len()) {
            let bytes = Bytes::copy_from_slice(bytes);
            self.emit(at, Event::Data { session, direction, bytes, frame: None, far });
        }
    }

    fn show_frame(&self, at: Instant, session: SessionId, direction: Direction, seen: &Seen<'_>, far: bool) {
        let frame = &seen.frame;
        // Between frames there is nothing to show.
        if !self.interest.frames || frame.kind == FrameKind::Gap || !self.takes(frame.whole.len()) {
            return;
        }
        let bytes = Bytes::copy_from_slice(frame.whole);
        let facts = || FrameFacts {
            number: seen.number,
            payload: frame.part_of(&bytes),
            kind: frame.kind,
            checksum: frame.checksum,
        };
        let frame = (frame.kind != FrameKind::Chunk).then(|| Box::new(facts()));
        self.emit(at, Event::Data { session, direction, bytes, frame, far });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bus(lossless: bool) -> Arc<Bus> {
        Bus::new(Interest { data: true, talk: true, lossless, frames: false })
    }

    fn fill(bus: &Bus, chunks: usize) {
        let chunk = vec![0; 1 << 20];
        for _ in 0..chunks {
            bus.bytes(Instant::now(), SessionId(1), Direction::ToServer, &chunk);
        }
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let bus = bus(false);
        fill(&bus, 20);
        bus.close();
        let mut seen = 0;
        while bus.wait(None).is_some() {
            seen += 1;
        }
        assert_eq!((seen, bus.lost()), (8, 12));
    }

    #[tokio::test]
    async fn a_lossless_bus_holds_the_bytes_back_until_half_is_read() {
        let bus = bus(true);
        fill(&bus, 4);
        let room = std::future::poll_fn(|cx| bus.poll_ready(cx));
        tokio::pin!(room);
        assert!(futures_poll(room.as_mut()).await.is_pending());
        bus.next().await.expect("four were queued");
        room.await;
        assert_eq!(bus.lost(), 0);
    }

    #[tokio::test]
    async fn a_lossless_bus_holds_the_bytes_back_however_small_its_events_are() {
        let bus = bus(true);
        let mut events = 0;
        while futures_poll(std::pin::pin!(std::future::poll_fn(|cx| bus.poll_ready(cx)))).await.is_ready() {
            bus.bytes(Instant::now(), SessionId(1), Direction::ToServer, b"\n");
            events += 1;
            assert!(events <= QUEUE_EVENTS, "as many as a lossy one holds");
        }
        let room = std::future::poll_fn(|cx| bus.poll_ready(cx));
        tokio::pin!(room);
        assert!(futures_poll(room.as_mut()).await.is_pending());
        for _ in 0..events {
            bus.next().await.expect("queued");
        }
        room.await;
    }

    async fn futures_poll(future: std::pin::Pin<&mut impl Future<Output = ()>>) -> Poll<()> {
        let mut future = Some(future);
        std::future::poll_fn(move |cx| Poll::Ready(future.take().expect("polled once").poll(cx))).await
    }

    #[test]
    fn facts_of_single_sessions_are_dropped_unseen_where_nobody_asked() {
        let bus = Bus::new(Interest { data: false, talk: false, lossless: false, frames: false });
        bus.emit(Instant::now(), Event::End { session: SessionId(1), direction: Direction::ToServer });
        bus.emit(Instant::now(), Event::Suspended);
        bus.close();
        assert!(matches!(bus.wait(None), Some((_, Event::Suspended))));
        assert!(bus.wait(None).is_none());
        assert_eq!(bus.lost(), 0);
    }
}
