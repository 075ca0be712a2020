//! Ctrl-C, SIGTERM and SIGHUP: the first asks, the second kills what runs, the third
//! leaves at once. A thread of its own hears them, so that nothing that blocks, cleaning
//! up least of all, keeps one from being heard. What runs is known by its process group.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, mpsc};
use std::{io, thread};

use crate::mutex::lock;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::{Error, Result};

static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());
static HEARD: AtomicBool = AtomicBool::new(false);

fn groups() -> MutexGuard<'static, Vec<Pid>> {
    lock(&GROUPS)
}

/// A process group that a signal is handed on to while this lives: for as long as the
/// number cannot become somebody else's.
#[derive(Debug)]
pub struct Group(Pid);

impl Group {
    /// The group of a leader that nobody has waited for yet.
    pub fn of(leader: Pid) -> Self {
        groups().push(leader);
        Self(leader)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut groups = groups();
        if let Some(place) = groups.iter().position(|group| *group == self.0) {
            groups.swap_remove(place);
        }
    }
}

/// Sends a signal to a group, as long as its number is nobody else's.
pub fn tell(leader: Pid, signal: Signal) {
    let groups = groups();
    if groups.contains(&leader) {
        let _ = kill_process_group(leader, signal);
    }
}

fn hand_on(signal: Signal) {
    for group in groups().iter() {
        let _ = kill_process_group(*group, signal);
    }
}

/// Whether there was an interrupt by now.
pub fn heard() -> bool {
    HEARD.load(Ordering::Acquire)
}

/// Listens from now on. What is given comes about at the first interrupt; `leave` is
/// called at the third, and does not come back.
///
/// # Errors
/// This system has no signals.
pub fn listen(leave: impl FnOnce() + Send + 'static) -> Result<impl Future<Output = ()>> {
    let (ask, asked) = oneshot::channel();
    let (listening, is_listening) = mpsc::channel();
    thread::spawn(move || match hear(&listening, ask, leave) {
        Ok(()) => {}
        Err(error) => drop(listening.send(Err(error))),
    });
    let listening = is_listening.recv().map_err(io::Error::other).and_then(|listening| listening);
    listening.map_err(|error| Error::environment(format!("no signals: {error}")))?;
    Ok(async move {
        if asked.await.is_err() {
            // Nobody listens any more, so none will come.
            std::future::pending::<()>().await;
        }
    })
}

fn hear(
    listening: &mpsc::Sender<io::Result<()>>,
    ask: oneshot::Sender<()>,
    leave: impl FnOnce(),
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let _ = listening.send(Ok(()));
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        };
        next().await;
        HEARD.store(true, Ordering::Release);
        // First whoever waits for a program: that it ends now is no failure of its own.
        let _ = ask.send(());
        hand_on(Signal::INT);
        next().await;
        hand_on(Signal::KILL);
        next().await;
        hand_on(Signal::KILL);
        leave();
        Ok(())
    })
}
