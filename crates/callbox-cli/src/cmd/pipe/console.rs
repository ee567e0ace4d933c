//! The console of `connect` and `listen`: lines become sends, commands steer the one session.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use callbox::frame::Framing;
use callbox::net::stream::Probe;
use callbox::session::Session;
use callbox::termination::Termination;
use callbox::text::Template;
use callbox::units::show_duration;
use callbox::{Invalid, Stream};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::console::command::{self, Command, Side};
use crate::console::outgoing::{Changed, Outgoing, lock};
use crate::console::voice::{Manner, Voice};
use crate::console::{Console, Typed, Wish, read_payload};

/// Sends that may wait for the peer to read.
const SENDS: usize = 64;
/// How long a line that is typed waits for its place among them. A program's waits for ever: it can.
const PATIENCE: Duration = Duration::from_secs(1);
/// Read from a file at once.
const FILE_BYTES: usize = 64 * 1024;

/// A console at work on one session.
pub struct Seat<'a> {
    console: &'a mut Console,
    outgoing: Arc<Mutex<Outgoing>>,
    voice: Arc<Voice>,
    session: Session,
    probe: Probe,
    /// Gone when our direction is to end.
    sends: Option<mpsc::Sender<Send>>,
    /// The last one found no place.
    crowded: bool,
    repeating: Vec<JoinHandle<()>>,
}

enum Send {
    Bytes(Bytes),
    File(PathBuf, Framing),
}

impl<'a> Seat<'a> {
    /// Takes over the console for a session; the receiver is what the session sends.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub fn take(
        console: &'a mut Console,
        outgoing: Outgoing,
        stream: &Stream,
        manner: Manner,
    ) -> io::Result<(Seat<'a>, mpsc::Receiver<io::Result<Bytes>>)> {
        let (sends, queue) = mpsc::channel(SENDS);
        // Little is ahead of what the peer takes, so that a reset or a quit is not behind it.
        let (input, receiver) = mpsc::channel(1);
        let voice = Arc::new(Voice::start(console.screen().clone(), manner)?);
        tokio::spawn(feed(queue, input, voice.clone()));
        let seat = Seat {
            console,
            outgoing: Arc::new(Mutex::new(outgoing)),
            voice,
            session: stream.session().clone(),
            probe: stream.probe(),
            sends: Some(sends),
            crowded: false,
            repeating: Vec::new(),
        };
        Ok((seat, receiver))
    }

    /// Returns what it answers with.
    pub fn voice(&self) -> Arc<Voice> {
        self.voice.clone()
    }

    /// Obeys until the command is to end. Cancel safe: a line that was taken is carried out at once.
    pub async fn obey(&mut self) -> Wish {
        loop {
            match self.console.next().await {
                Typed::Line(line) => match command::parse_bytes(&line, Side::Connect) {
                    Ok(Some(Command::Quit)) => {
                        // What was typed before it is sent first.
                        self.end();
                        return Wish::Quit;
                    }
                    Ok(Some(command)) => {
                        if let Err(invalid) = self.carry_out(command).await {
                            self.voice.say(format!("callbox: {invalid}"));
                        }
                    }
                    Ok(None) => {}
                    Err(invalid) => self.voice.say(format!("callbox: {invalid}")),
                },
                Typed::Notice(notice) => self.voice.talk(notice),
                Typed::Leave => return Wish::Leave,
                Typed::End => {
                    self.end();
                    return std::future::pending().await;
                }
            }
        }
    }

    async fn carry_out(&mut self, command: Command) -> Result<(), Invalid> {
        if let Some(changed) = lock(&self.outgoing).change(&command) {
            match changed? {
                Changed::Said(said) => self.voice.talk(said),
                Changed::Nothing(answer) => self.voice.answer(answer),
                Changed::Framing(framing, said) => {
                    self.session.recut(&framing);
                    self.voice.talk(said);
                }
            }
            return Ok(());
        }
        match command {
            Command::Send(text) => {
                let line = lock(&self.outgoing).line(&text)?;
                self.send(Send::Bytes(line)).await;
            }
            Command::SendBytes(bytes) => {
                let line = lock(&self.outgoing).line_bytes(bytes)?;
                self.send(Send::Bytes(line)).await;
            }
            Command::Hex(bytes) => {
                let payload = lock(&self.outgoing).payload(&bytes)?;
                self.send(Send::Bytes(payload)).await;
            }
            Command::File(path) => {
                let framing = lock(&self.outgoing).framing().clone();
                self.send(Send::File(path, framing)).await;
            }
            Command::Every { period, template } => {
                let template = lock(&self.outgoing).template(&template)?;
                self.repeat(period, template);
            }
            Command::EveryOff => self.repeating.drain(..).for_each(|task| task.abort()),
            Command::Eof => self.end(),
            Command::Reset => self.session.stop(Termination::Aborted),
            Command::Stats => self.voice.answer(self.stats()),
            _ => {}
        }
        Ok(())
    }

    /// Queues a send; waits while the peer takes nothing. At a prompt not for long: Ctrl-C and `/reset` come behind it.
    async fn send(&mut self, send: Send) {
        let Some(sends) = &self.sends else {
            return self.voice.say("callbox: our end of stream is sent, nothing can follow it");
        };
        if !self.console.is_edited() {
            return drop(sends.send(send).await);
        }
        let patience = if self.crowded { Duration::ZERO } else { PATIENCE };
        self.crowded = matches!(sends.send_timeout(send, patience).await, Err(SendTimeoutError::Timeout(_)));
        if self.crowded {
            let whom = self.session.role().other().name();
            self.voice.say(format!("callbox: not sent: {SENDS} sends wait already, the {whom} takes nothing"));
        }
    }

    fn repeat(&mut self, period: Duration, template: Template) {
        let Some(sends) = self.sends.clone() else {
            return self.voice.say("callbox: our end of stream is sent, nothing can follow it");
        };
        if let Some(said) = lock(&self.outgoing).seed_of(&template) {
            self.voice.talk(said);
        }
        let (outgoing, voice, session) = (self.outgoing.clone(), self.voice.clone(), self.session.clone());
        self.repeating.push(tokio::spawn(async move {
            let peer = session.peer().to_string();
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            for n in 1.. {
                ticks.tick().await;
                let line = lock(&outgoing).expand(&template, n, session.id().0, &peer);
                match line {
                    // Where the peer takes nothing, the next one waits rather than many of them later.
                    Ok(line) => drop(sends.send(Send::Bytes(line)).await),
                    Err(invalid) => return voice.say(format!("callbox: {invalid}")),
                }
            }
        }));
    }

    /// Ends our direction once what is queued is sent.
    fn end(&mut self) {
        self.repeating.drain(..).for_each(|task| task.abort());
        self.sends = None;
    }

    fn stats(&self) -> String {
        let (session, meter) = (&self.session, self.session.meter());
        let mut text = format!("{} for {}", session.peer(), show_duration(session.age()));
        for (name, direction) in [("sent", session.role().outbound()), ("received", session.role().inbound())] {
            let (bytes, chunks) = (meter.bytes(direction), meter.chunks(direction));
            text.push_str(&format!("\n{name}: {bytes} B in {chunks} chunk{}", if chunks == 1 { "" } else { "s" }));
            if let Some(frames) = session.frame_report().map(|report| *report.of(direction))
                && frames.frames > 0
            {
                text.push_str(&format!("; {frames}"));
            }
        }
        if let Some(tcp) = self.probe.tcp() {
            text.push_str(&format!(
                "\nround trip {}, {} sent again",
                show_duration(tcp.round_trip),
                tcp.retransmissions
            ));
        }
        text
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Hands sends to the session one after the other.
async fn feed(mut queue: mpsc::Receiver<Send>, input: mpsc::Sender<io::Result<Bytes>>, voice: Arc<Voice>) {
    while let Some(send) = queue.recv().await {
        let (path, framing) = match send {
            Send::Bytes(bytes) => {
                if input.send(Ok(bytes)).await.is_err() {
                    return;
                }
                continue;
            }
            Send::File(path, framing) => (path, framing),
        };
        let input = input.clone();
        let name = path.display().to_string();
        let (done, read) = tokio::sync::oneshot::channel();
        // A thread, for a file may be a pipe that never ends; never joined.
        let spawned = std::thread::Builder::new().name("callbox-file".into()).spawn(move || {
            let _ = done.send(send_file(&path, &framing, &input));
        });
        let result = match spawned {
            Ok(_) => read.await.unwrap_or(Ok(())),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            voice.say(format!("callbox: /file {name}: {}", callbox::error::plain(&error)));
        }
    }
}

fn send_file(path: &PathBuf, framing: &Framing, input: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    if !framing.is_none() || framing.checksum.is_some() {
        let _ = input.blocking_send(Ok(read_payload(path, framing)?));
        return Ok(());
    }
    let mut file = File::open(path)?;
    let mut buffer = vec![0; FILE_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            read if input.blocking_send(Ok(Bytes::copy_from_slice(&buffer[..read]))).is_err() => return Ok(()),
            _ => {}
        }
    }
}
