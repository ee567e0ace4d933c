//! What SIGHUP has read again: each a closure that replaces what was read before, as a whole or not at all.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::exit::Failure;

/// Reads something again and puts it in place; says so in a line. When it fails, what was there stays.
type Reload = Box<dyn Fn() -> Result<String, Failure> + Send + Sync>;
type Outcomes = Vec<Result<String, Failure>>;

/// All that can be read again.
#[derive(Default)]
pub struct Reloads {
    all: Vec<Arc<Reload>>,
    reading: Option<JoinHandle<Outcomes>>,
    /// Asked for once more while it was being read.
    again: bool,
}

impl Reloads {
    /// Adds something.
    pub fn add(&mut self, reload: impl Fn() -> Result<String, Failure> + Send + Sync + 'static) {
        self.all.push(Arc::new(Box::new(reload)));
    }

    /// Tells whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Tells whether something is being read.
    pub fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Begins to read, on a thread of its own: files may hang, and sessions go on.
    pub fn start(&mut self) {
        if self.reading.is_some() {
            self.again = true;
            return;
        }
        let all = self.all.clone();
        self.reading = Some(tokio::task::spawn_blocking(move || all.iter().map(|reload| reload()).collect()));
    }

    /// Waits until all is read; for ever where nothing is being read.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn done(&mut self) -> Outcomes {
        let Some(reading) = &mut self.reading else {
            return std::future::pending().await;
        };
        let outcomes = reading.await.unwrap_or_default();
        self.reading = None;
        if std::mem::take(&mut self.again) {
            self.start();
        }
        outcomes
    }
}
