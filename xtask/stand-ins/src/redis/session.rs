//! One connection: reads requests, answers them in order, passes news on.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::Server;
use super::commands::{self, Command};
use super::news::{Kind, UNREAD};
use super::wire::{self, Garbage, Reply};

/// How many commands a transaction, and subscriptions a connection, may have.
const MOST: usize = 1024;
/// Replies are written out when they have grown to this.
const WRITE: usize = 64 * 1024;

/// A connection's state.
pub(super) struct Session {
    pub(super) server: Arc<Server>,
    pub(super) id: u64,
    pub(super) name: Bytes,
    pub(super) protocol: u8,
    pub(super) db: u8,
    /// It has said the password, or there is none.
    pub(super) known: bool,
    transaction: Option<Transaction>,
    /// Keys since WATCH: database, key, version.
    watched: Vec<(u8, Bytes, u64)>,
    news: Option<mpsc::Receiver<Reply>>,
    pub(super) quit: bool,
}

/// What came since MULTI.
#[derive(Default)]
struct Transaction {
    commands: Vec<(&'static Command, Vec<Bytes>)>,
    spoilt: bool,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.server.news.leave(self.id);
    }
}

impl Session {
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self {
            id: server.next_id.fetch_add(1, Ordering::Relaxed),
            known: server.password.is_none(),
            server,
            name: Bytes::new(),
            protocol: 2,
            db: 0,
            transaction: None,
            watched: vec![],
            news: None,
            quit: false,
        }
    }

    /// Talks until the client goes, breaks the protocol, or cannot follow.
    pub(super) async fn talk(mut self, stream: TcpStream) {
        // An error here is the client's: it went away.
        let _ = self.exchange(stream).await;
    }

    async fn exchange(&mut self, mut stream: TcpStream) -> io::Result<()> {
        let mut input = BytesMut::new();
        loop {
            // What came in one piece is answered in one piece.
            let mut output = vec![];
            while !self.quit {
                match wire::request(&mut input) {
                    Ok(Some(words)) => self.answer(&words, &mut output),
                    Ok(None) => break,
                    Err(Garbage(why)) => {
                        Reply::error(format!("ERR Protocol error: {why}")).write(self.protocol, &mut output);
                        self.quit = true;
                    }
                }
                if output.len() > WRITE {
                    stream.write_all(&output).await?;
                    output.clear();
                }
            }
            stream.write_all(&output).await?;
            if self.quit {
                return stream.shutdown().await;
            }
            let told = async {
                match &mut self.news {
                    Some(news) => news.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                read = stream.read_buf(&mut input) => if read? == 0 { return Ok(()) },
                told = told => {
                    // None: it has left too much unread and was cut off.
                    let Some(told) = told else { return Ok(()) };
                    let mut output = vec![];
                    told.write(self.protocol, &mut output);
                    stream.write_all(&output).await?;
                }
            }
        }
    }

    fn answer(&mut self, words: &[Bytes], out: &mut Vec<u8>) {
        let Some((name, args)) = words.split_first() else { return };
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if name == "post" || name == "host:" {
            // A browser that was talked into this: whatever follows is not for a database.
            self.server
                .log
                .line("# Possible SECURITY ATTACK detected: HTTP on this port. Connection aborted.");
            self.quit = true;
            return;
        }
        let reply = match self.allowed(&name, args) {
            Ok(command) => self.run(command, args, out),
            Err(message) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.spoilt = true;
                }
                Some(Reply::Error(message))
            }
        };
        if let Some(reply) = reply {
            reply.write(self.protocol, out);
        }
    }

    /// The command, if this connection may give it now and with so many arguments.
    fn allowed(&self, name: &str, args: &[Bytes]) -> Result<&'static Command, String> {
        let Some(command) = commands::find(name) else {
            let quoted = args.iter().map(|it| format!("'{}' ", String::from_utf8_lossy(it)));
            let quoted: String = quoted.collect::<String>().chars().take(128).collect();
            return Err(format!("ERR unknown command '{name}', with args beginning with: {quoted}"));
        };
        if !command.takes(args.len()) {
            return Err(format!("ERR wrong number of arguments for '{name}' command"));
        }
        if !self.known && !["auth", "hello", "quit", "reset"].contains(&name) {
            return Err("NOAUTH Authentication required.".to_owned());
        }
        let news = ["subscribe", "psubscribe", "unsubscribe", "punsubscribe", "ping", "quit", "reset"];
        if self.listens() && self.protocol == 2 && !news.contains(&name) {
            return Err(format!(
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
            ));
        }
        if self.transaction.is_some() && (news[..4].contains(&name) || name == "hello") {
            return Err("ERR Command not allowed inside a transaction".to_owned());
        }
        Ok(command)
    }

    fn listens(&self) -> bool {
        self.news.is_some()
    }

    fn run(&mut self, command: &'static Command, args: &[Bytes], out: &mut Vec<u8>) -> Option<Reply> {
        if let Some(transaction) = &mut self.transaction
            && !["multi", "exec", "discard", "watch", "quit", "reset"].contains(&command.name)
        {
            if transaction.commands.len() == MOST {
                transaction.spoilt = true;
                return Some(Reply::error("ERR too many commands in a transaction"));
            }
            transaction.commands.push((command, args.to_vec()));
            return Some(Reply::Simple("QUEUED"));
        }
        let reply = match command.name {
            "subscribe" => return self.subscribe(Kind::Channel, args, out),
            "psubscribe" => return self.subscribe(Kind::Pattern, args, out),
            "unsubscribe" => return self.unsubscribe(Kind::Channel, args, out),
            "punsubscribe" => return self.unsubscribe(Kind::Pattern, args, out),
            "multi" if self.transaction.is_some() => Reply::error("ERR MULTI calls can not be nested"),
            "multi" => {
                self.transaction = Some(Transaction::default());
                Reply::OK
            }
            "exec" => self.exec(),
            "discard" if self.transaction.take().is_none() => Reply::error("ERR DISCARD without MULTI"),
            "discard" | "unwatch" => {
                self.watched.clear();
                Reply::OK
            }
            "watch" if self.transaction.is_some() => Reply::error("ERR WATCH inside MULTI is not allowed"),
            "watch" => {
                let room = MOST.saturating_sub(self.watched.len());
                let (db, data) = (self.db, &self.server.data);
                let keys = args.iter().take(room);
                self.watched.extend(keys.map(|key| (db, Bytes::copy_from_slice(key), data.version(db, key))));
                Reply::OK
            }
            "reset" => {
                self.reset();
                Reply::Simple("RESET")
            }
            "quit" => {
                self.quit = true;
                Reply::OK
            }
            "ping" if self.listens() && self.protocol == 2 => {
                let text = args.first().cloned().unwrap_or_default();
                Reply::Array(vec![Reply::text("pong"), Reply::Bulk(text)])
            }
            _ => {
                let server = self.server.clone();
                let _turn = server.turn.lock().unwrap_or_else(PoisonError::into_inner);
                (command.run)(self, args)
            }
        };
        Some(reply)
    }

    fn exec(&mut self) -> Reply {
        let Some(Transaction { commands, spoilt }) = self.transaction.take() else {
            return Reply::error("ERR EXEC without MULTI");
        };
        let watched = std::mem::take(&mut self.watched);
        if spoilt {
            return Reply::error("EXECABORT Transaction discarded because of previous errors.");
        }
        let server = self.server.clone();
        // Nobody else's command comes in between.
        let _turn = server.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.iter().any(|(db, key, version)| server.data.version(*db, key) != *version) {
            return Reply::NoArray;
        }
        Reply::Array(commands.into_iter().map(|(command, args)| (command.run)(self, &args)).collect())
    }

    fn subscribe(&mut self, kind: Kind, names: &[Bytes], out: &mut Vec<u8>) -> Option<Reply> {
        let word = if kind == Kind::Channel { "subscribe" } else { "psubscribe" };
        for name in names {
            let news = &self.server.news;
            if news.count(self.id) >= MOST {
                return Some(Reply::error("ERR too many subscriptions"));
            }
            if self.news.is_none() {
                let (sender, receiver) = mpsc::channel(UNREAD);
                news.join(self.id, sender);
                self.news = Some(receiver);
            }
            let count = news.subscribe(self.id, kind, name);
            let parts = vec![Reply::text(word), Reply::Bulk(name.clone()), Reply::count(count)];
            Reply::Push(parts).write(self.protocol, out);
        }
        None
    }

    fn unsubscribe(&mut self, kind: Kind, names: &[Bytes], out: &mut Vec<u8>) -> Option<Reply> {
        let word = if kind == Kind::Channel { "unsubscribe" } else { "punsubscribe" };
        let all = self.server.news.of(self.id, kind);
        let names = if names.is_empty() { &all[..] } else { names };
        let mut tell = |name: Reply, count: usize, protocol: u8| {
            Reply::Push(vec![Reply::text(word), name, Reply::count(count)]).write(protocol, out);
        };
        if names.is_empty() {
            tell(Reply::Null, self.server.news.count(self.id), self.protocol);
        }
        for name in names {
            let count = self.server.news.unsubscribe(self.id, kind, name);
            tell(Reply::Bulk(name.clone()), count, self.protocol);
        }
        if self.server.news.count(self.id) == 0 {
            self.stop_listening(out);
        }
        None
    }

    /// Passes on what was told before, and listens no more.
    fn stop_listening(&mut self, out: &mut Vec<u8>) {
        self.server.news.leave(self.id);
        if let Some(mut news) = self.news.take() {
            while let Ok(told) = news.try_recv() {
                told.write(self.protocol, out);
            }
        }
    }

    fn reset(&mut self) {
        self.stop_listening(&mut vec![]);
        self.transaction = None;
        self.watched.clear();
        (self.db, self.protocol, self.name) = (0, 2, Bytes::new());
        self.known = self.server.password.is_none();
    }
}
