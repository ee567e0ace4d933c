//! A timer that is on time: tokio's are to the millisecond.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, Sleep, sleep_until};

/// Wakes a task at a moment, again and again.
#[derive(Debug)]
pub(crate) enum Timer {
    /// The kernel's own, to some tens of microseconds: a `timerfd` in the event loop.
    #[cfg(target_os = "linux")]
    Precise {
        /// Fires by being readable.
        timer: AsyncFd<OwnedFd>,
        /// What it is set to.
        armed: Option<Instant>,
    },
    /// The runtime's, to the millisecond, never early; it follows a paused clock.
    Coarse(Pin<Box<Sleep>>),
}

impl Timer {
    /// Makes one on the current runtime, as precise as the system has it.
    pub(crate) fn precise() -> io::Result<Timer> {
        #[cfg(target_os = "linux")]
        {
            use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            Ok(Timer::Precise { timer: crate::net::sys::register(timer, tokio::io::Interest::READABLE)?, armed: None })
        }
        #[cfg(not(target_os = "linux"))]
        Ok(Timer::coarse())
    }

    /// Makes one of the runtime's.
    pub(crate) fn coarse() -> Timer {
        Timer::Coarse(Box::pin(sleep_until(Instant::now())))
    }

    /// Waits until then; asked for another moment it waits for that one.
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, moment: Instant) -> Poll<()> {
        match self {
            #[cfg(target_os = "linux")]
            Timer::Precise { timer, armed } => poll_kernel(timer, armed, cx, moment),
            Timer::Coarse(sleep) => {
                if sleep.deadline() != moment {
                    sleep.as_mut().reset(moment);
                }
                sleep.as_mut().poll(cx)
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn poll_kernel(
    timer: &AsyncFd<OwnedFd>,
    armed: &mut Option<Instant>,
    cx: &mut Context<'_>,
    moment: Instant,
) -> Poll<()> {
    use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
    loop {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Poll::Ready(());
        }
        if *armed != Some(moment) {
            let value =
                Timespec { tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
            // It fails for values out of range alone, and nanoseconds of a duration are in range.
            if timerfd_settime(timer, TimerfdTimerFlags::empty(), &once).is_err() {
                return Poll::Ready(());
            }
            *armed = Some(moment);
        }
        let Ok(mut guard) = ready!(timer.poll_read_ready(cx)) else { return Poll::Ready(()) };
        let mut fired = [0; 8];
        match guard.try_io(|timer| Ok(rustix::io::read(timer, &mut fired)?)) {
            // Fired, perhaps for an earlier moment that it was set to before.
            Ok(_) => *armed = None,
            Err(_would_block) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    async fn waits(mut timer: Timer) {
        let begun = Instant::now();
        for millis in [3, 1, 2] {
            let moment = Instant::now() + Duration::from_millis(millis);
            poll_fn(|cx| timer.poll_until(cx, moment)).await;
            assert!(Instant::now() >= moment, "never early");
        }
        assert!(begun.elapsed() >= Duration::from_millis(6));
        // Changed before it fired, to later and to earlier.
        let (late, soon) = (Instant::now() + Duration::from_secs(3600), Instant::now() + Duration::from_millis(1));
        poll_fn(|cx| {
            assert!(timer.poll_until(cx, late).is_pending());
            timer.poll_until(cx, soon)
        })
        .await;
        assert!(Instant::now() >= soon);
    }

    #[tokio::test]
    async fn the_kernels_timer_is_never_early_and_can_be_changed() {
        waits(Timer::precise().expect("a timer")).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_runtimes_timer_follows_a_paused_clock() {
        waits(Timer::coarse()).await;
    }
}
