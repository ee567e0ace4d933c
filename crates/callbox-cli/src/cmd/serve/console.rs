//! The console of `serve`: one person, or one program, and many sessions.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use callbox::Invalid;
use callbox::handle::answer::{Desk, Order, Refused};
use callbox::observers::Observers;
use callbox::report::SessionId;
use callbox::server::Running;
use callbox::text::Template;
use callbox::units::show_duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::list;
use crate::console::command::{self, Command, Side};
use crate::console::outgoing::{Changed, Outgoing, lock};
use crate::console::voice::{Manner, Voice};
use crate::console::{Console, Typed, Wish, read_payload};
use crate::ui::traffic::SharedStyle;

/// How often rates are taken and the list of sessions for Tab is made.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A console at work on a server.
pub struct Head {
    console: Console,
    outgoing: Arc<Mutex<Outgoing>>,
    voice: Arc<Voice>,
    desk: Arc<Desk>,
    observers: Observers,
    style: SharedStyle,
    watched: Option<SessionId>,
    repeating: Vec<JoinHandle<()>>,
    rates: list::Rates,
    looks: Interval,
    /// Nothing more is typed.
    silent: bool,
}

impl Head {
    /// Opens the console.
    ///
    /// # Errors
    ///
    /// The system has no thread left, or no terminal.
    pub fn open(
        outgoing: Outgoing,
        desk: Arc<Desk>,
        observers: Observers,
        style: SharedStyle,
        manner: Manner,
    ) -> io::Result<Head> {
        let console = Console::open(Side::Serve, "> ")?;
        let voice = Arc::new(Voice::start(console.screen().clone(), manner)?);
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Head {
            console,
            outgoing: Arc::new(Mutex::new(outgoing)),
            voice,
            desk,
            observers,
            style,
            watched: None,
            repeating: Vec::new(),
            rates: list::Rates::default(),
            looks,
            silent: false,
        })
    }

    /// Clients that have ended their stream wait for nobody any more.
    pub fn dismiss(&self) {
        self.desk.dismiss();
    }

    /// Says what is left to say and returns the console, to be kept open until the last line is shown.
    pub async fn into_console(mut self) -> Console {
        self.repeating.drain(..).for_each(|task| task.abort());
        self.voice.finish().await;
        self.console
    }

    /// Obeys until the server is to end. Cancel safe: a line that was taken is carried out at once.
    pub async fn obey(&mut self, running: &Running) -> Wish {
        loop {
            tokio::select! {
                biased;
                typed = self.console.next(), if !self.silent => match typed {
                    Typed::Line(line) => match command::parse_bytes(&line, Side::Serve) {
                        Ok(Some(Command::Quit)) => return Wish::Quit,
                        Ok(Some(command)) => self.carry_out(command, running),
                        Ok(None) => {}
                        Err(invalid) => self.trouble(&invalid),
                    },
                    Typed::Notice(notice) => self.voice.talk(notice),
                    Typed::Leave => return Wish::Leave,
                    // At a prompt that means "enough"; the end of a program's commands does not end the server.
                    Typed::End => {
                        self.silent = true;
                        if self.console.is_edited() {
                            return Wish::Quit;
                        }
                    }
                },
                _ = self.looks.tick() => self.look(),
            }
        }
    }

    fn look(&mut self) {
        let seats = self.desk.list();
        self.rates.take(&seats, Instant::now());
        self.console.sessions().set(seats.iter().map(|seat| seat.session.id().0));
    }

    fn trouble(&self, invalid: &Invalid) {
        self.voice.say(format!("callbox: {invalid}"));
    }

    fn carry_out(&mut self, command: Command, running: &Running) {
        let changed = lock(&self.outgoing).change(&command);
        match changed {
            Some(Ok(Changed::Said(said))) => return self.voice.talk(said),
            Some(Ok(Changed::Nothing(answer))) => return self.voice.answer(answer),
            Some(Ok(Changed::Framing(framing, said))) => {
                self.observers.recut(&framing);
                self.desk.list().iter().for_each(|seat| seat.session.recut(&framing));
                if self.desk.recut(&framing) > 0 {
                    self.voice.say("callbox: sessions that take nothing are answered by the frames of before");
                }
                return self.voice.talk(said);
            }
            Some(Err(invalid)) => return self.trouble(&invalid),
            None => {}
        }
        match command {
            Command::List => self.list(),
            Command::Stats => self.voice.answer(stats(running)),
            Command::Watch(session) => self.watch(session),
            Command::Suspend => running.suspend(),
            Command::Accept => running.resume(),
            Command::Close(session) => self.order(session, Order::Close),
            Command::Pause(session) => self.order(session, Order::Pause),
            Command::Resume(session) => self.order(session, Order::Resume),
            Command::ResetSession(session) => self.reset(SessionId(session)),
            Command::Reset => self.with_watched(|head, session| head.reset(session)),
            Command::Eof => self.with_watched(|head, session| head.order(session.0, Order::End)),
            Command::EveryOff => self.repeating.drain(..).for_each(|task| task.abort()),
            command => {
                if let Err(invalid) = self.say(command) {
                    self.trouble(&invalid);
                }
            }
        }
    }

    /// The commands that send something.
    fn say(&mut self, command: Command) -> Result<(), Invalid> {
        match command {
            Command::To { session, text } => {
                let line = lock(&self.outgoing).line(&text)?;
                self.order(session, Order::Send(line));
            }
            Command::All(text) => {
                let line = lock(&self.outgoing).line(&text)?;
                let (taken, refused) = self.desk.order_all(&Order::Send(line));
                self.voice.talk(match refused {
                    0 => format!("sent to {taken} session{}", if taken == 1 { "" } else { "s" }),
                    _ => format!("sent to {taken} sessions; {refused} take nothing"),
                });
            }
            Command::Send(text) => {
                let line = lock(&self.outgoing).line(&text)?;
                self.to_watched(line);
            }
            Command::SendBytes(bytes) => {
                let line = lock(&self.outgoing).line_bytes(bytes)?;
                self.to_watched(line);
            }
            Command::Hex(bytes) => {
                let payload = lock(&self.outgoing).payload(&bytes)?;
                self.to_watched(payload);
            }
            Command::File(path) => self.with_watched(|head, session| head.file(session, path)),
            Command::Every { period, template } => {
                let template = lock(&self.outgoing).template(&template)?;
                self.repeat(period, template);
            }
            _ => {}
        }
        Ok(())
    }

    fn order(&self, session: u64, order: Order) {
        if let Err(refused) = self.desk.order(SessionId(session), order) {
            self.refused(SessionId(session), refused);
        }
    }

    /// Sends a file. What is no plain file may never end, and is read by a thread; what is typed next may overtake it.
    fn file(&self, session: SessionId, path: PathBuf) {
        let framing = lock(&self.outgoing).framing().clone();
        let (desk, voice) = (self.desk.clone(), self.voice.clone());
        let plain = path.metadata().map_or(true, |about| about.is_file());
        let send = move || match read_payload(&path, &framing) {
            Ok(bytes) => {
                if let Err(refused) = desk.order(session, Order::Send(bytes)) {
                    say_refused(&voice, session, refused);
                }
            }
            Err(error) => {
                voice.say(format!("callbox: /file {}: {}", path.display(), callbox::error::plain(&error)));
            }
        };
        if plain {
            return send();
        }
        // Never joined: it may wait for ever.
        if let Err(error) = std::thread::Builder::new().name("callbox-file".into()).spawn(send) {
            self.voice.say(format!("callbox: /file: {}", callbox::error::plain(&error)));
        }
    }

    fn reset(&self, session: SessionId) {
        if let Err(refused) = self.desk.reset(session) {
            self.refused(session, refused);
        }
    }

    fn refused(&self, session: SessionId, refused: Refused) {
        say_refused(&self.voice, session, refused);
    }

    fn with_watched(&self, act: impl FnOnce(&Head, SessionId)) {
        match self.watched {
            Some(session) => act(self, session),
            None => self.voice.say(
                "callbox: no session is watched, so nobody knows whom that is for; write /watch 3, /to 3 TEXT or /all TEXT",
            ),
        }
    }

    fn to_watched(&self, bytes: Bytes) {
        self.with_watched(|head, session| head.order(session.0, Order::Send(bytes)));
    }

    fn watch(&mut self, session: Option<u64>) {
        let session = session.map(SessionId);
        if let Some(session) = session
            && !self.desk.sessions().contains(&session)
        {
            return self.refused(session, Refused::Gone);
        }
        self.watched = session;
        self.style.lock().unwrap_or_else(PoisonError::into_inner).watch = session;
        self.voice.talk(match session {
            Some(session) => format!("watching {session}: what you type goes to it; /watch shows all again"),
            None => "showing all sessions".into(),
        });
    }

    fn list(&mut self) {
        let seats = self.desk.list();
        self.voice.answer(list::table(&seats, &self.rates, self.watched));
    }

    /// Sends a template again and again: to the watched session, else to all.
    fn repeat(&mut self, period: Duration, template: Template) {
        if let Some(said) = lock(&self.outgoing).seed_of(&template) {
            self.voice.talk(said);
        }
        let (outgoing, voice, desk) = (self.outgoing.clone(), self.voice.clone(), self.desk.clone());
        let watched = self.watched;
        self.repeating.push(tokio::spawn(async move {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            // Whoever takes nothing is told of once, and misses what does not fit.
            let mut full: HashMap<SessionId, u64> = HashMap::new();
            for n in 1.. {
                ticks.tick().await;
                let seats = desk.list();
                if watched.is_some_and(|watched| seats.iter().all(|seat| seat.session.id() != watched)) {
                    return voice.say("callbox: /every has nobody left to send to");
                }
                for seat in seats {
                    let session = seat.session.id();
                    if watched.is_some_and(|watched| watched != session) {
                        continue;
                    }
                    let peer = seat.session.peer().to_string();
                    let line = lock(&outgoing).expand(&template, n, session.0, &peer);
                    let sent = match line {
                        Ok(line) => desk.order(session, Order::Send(line)),
                        Err(invalid) => return voice.say(format!("callbox: {invalid}")),
                    };
                    let misses = full.entry(session).or_default();
                    if sent == Err(Refused::Full) {
                        *misses += 1;
                        if *misses == 1 {
                            voice.say(format!("callbox: {session} takes nothing and misses what /every sends"));
                        }
                    }
                }
            }
        }));
    }
}

fn say_refused(voice: &Voice, session: SessionId, refused: Refused) {
    voice.say(format!("callbox: {session}: {refused}; /list shows who is there"));
}

fn stats(running: &Running) -> String {
    let snapshot = running.snapshot();
    let report = &snapshot.report;
    let mut text = format!(
        "{} open of {} in {}; {} B to server, {} B to client",
        snapshot.sessions.len(),
        report.sessions,
        show_duration(report.duration),
        report.to_server_bytes,
        report.to_client_bytes,
    );
    if report.frames.to_server.frames > 0 {
        text.push_str(&format!("\nreceived {}", report.frames.to_server));
    }
    for (limit, times) in &report.limits {
        text.push_str(&format!("\n{limit} hit {times} time{}", if *times == 1 { "" } else { "s" }));
    }
    if !snapshot.accepting {
        text.push_str("\nnot accepting; /accept does again");
    }
    text
}
