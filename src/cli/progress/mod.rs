//! What a run does, while it does it: a live view on a terminal, plain lines elsewhere.
//!
//! What is shown is a pure function of the run's state, the usual times and the time now (`view`, `lines`);
//! this file only decides when to draw.

mod lines;
pub mod view;

use std::{
    io::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use rustix::termios::tcgetwinsize;
use tokio::task::JoinHandle;

use view::{Usual, ViewOptions};

use crate::{
    clock,
    model::Event,
    run::{
        Observer,
        state::{RunState, Scope, seconds_between},
    },
};

/// A live view is drawn this often: seconds tick visibly, and the host has better things to do.
const REDRAW: Duration = Duration::from_millis(500);
/// In plain lines something is said at least this often, so that a CI log never looks dead.
const HEARTBEAT_SECONDS: f64 = 30.0;

/// Shows one run.
#[derive(Clone)]
pub struct Progress(Arc<Mutex<Inner>>);

struct Inner {
    state: RunState,
    usual: Usual,
    live: bool,
    colour: bool,
    drawn: usize,
    last_line: Timestamp,
    over: bool,
}

impl Progress {
    /// Live if `live`, else in plain lines.
    #[must_use]
    pub fn new(live: bool, colour: bool, usual: Usual) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            state: RunState::default(),
            usual,
            live,
            colour,
            drawn: 0,
            last_line: clock::now(),
            over: false,
        })))
    }

    /// What the engine tells of every event.
    #[must_use]
    pub fn observer(&self) -> Observer {
        let this = self.clone();
        Arc::new(move |scope, event| this.event(scope, event))
    }

    /// Draws again and again until the handle is aborted.
    #[must_use]
    pub fn ticks(&self) -> JoinHandle<()> {
        let this = self.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(REDRAW);
            loop {
                ticks.tick().await;
                this.tick(clock::now());
            }
        })
    }

    /// Says something between two drawings.
    pub fn say(&self, text: &str) {
        self.with(|inner| inner.print(&[text.to_owned()]));
    }

    /// Takes the live view away; nothing is drawn after it.
    pub fn finish(&self) {
        self.with(|inner| {
            inner.erase();
            inner.over = true;
        });
    }

    fn event(&self, scope: &Scope, event: &Event) {
        self.with(|inner| {
            inner.state.apply(scope, event);
            if inner.live {
                // Only what stays worth reading after the view is gone; the rest is drawn by the next tick.
                if let Some(line) = lines::lasting(scope, event, &inner.state) {
                    inner.print(&[line]);
                }
            } else if let Some(line) = lines::of(scope, event, &inner.state) {
                inner.print(&[line]);
            }
        });
    }

    fn tick(&self, now: Timestamp) {
        self.with(|inner| {
            if inner.over {
            } else if inner.live {
                inner.draw(now);
            } else if seconds_between(inner.last_line, now) >= HEARTBEAT_SECONDS {
                let beat = lines::heartbeat(&inner.state, &inner.usual, now);
                inner.print(&beat);
            }
        });
    }

    fn with(&self, act: impl FnOnce(&mut Inner)) {
        // A view that panicked once is no reason to stop a run.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Inner {
    fn print(&mut self, lines: &[String]) {
        self.erase();
        for line in lines {
            // A stderr that is gone is no reason to stop a run.
            let _ = writeln!(io::stderr().lock(), "{line}");
        }
        self.last_line = clock::now();
        if self.live && !self.over {
            self.draw(self.last_line);
        }
    }

    fn draw(&mut self, now: Timestamp) {
        let (width, height) = tcgetwinsize(io::stderr())
            .ok()
            .filter(|size| size.ws_col > 0 && size.ws_row > 0)
            .map_or((80, 24), |size| {
                (usize::from(size.ws_col), usize::from(size.ws_row))
            });
        let options = ViewOptions {
            // A line as wide as the terminal would wrap on some, and the view would climb.
            width: width - 1,
            height: height.saturating_sub(2),
            colour: self.colour,
        };
        let lines = view::lines(&self.state, &self.usual, now, &options);
        let mut out = self.up();
        for line in &lines {
            out.push_str(line);
            out.push('\n');
        }
        let _ = io::stderr().lock().write_all(out.as_bytes());
        self.drawn = lines.len();
    }

    fn erase(&mut self) {
        if self.drawn > 0 {
            let _ = io::stderr().lock().write_all(self.up().as_bytes());
            self.drawn = 0;
        }
    }

    /// To the view's first line, and everything below cleared.
    fn up(&self) -> String {
        match self.drawn {
            0 => String::new(),
            lines => format!("\u{1b}[{lines}A\r\u{1b}[J"),
        }
    }
}
