//! What each command does.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::admin::{auth, client, command_info, config, hello, info, pubsub};
use super::data::{Expiry, Full};
use super::session::Session;
use super::wire::Reply;

/// The databases that SELECT knows.
pub(super) const DATABASES: u8 = 16;

/// A command that this stand-in knows.
pub(super) struct Command {
    pub(super) name: &'static str,
    least: usize,
    most: usize,
    pub(super) run: fn(&mut Session, &[Bytes]) -> Reply,
}

impl Command {
    /// Whether it takes so many arguments.
    pub(super) fn takes(&self, count: usize) -> bool {
        (self.least..=self.most).contains(&count)
    }
}

const ANY: usize = usize::MAX;

/// Name, fewest and most arguments, and what it does. Those that change the connection
/// itself are done by the session.
pub(super) const COMMANDS: &[Command] = &[
    command("auth", 1, 2, auth),
    command("client", 1, ANY, client),
    command("command", 0, ANY, |_, args| command_info(args)),
    command("config", 1, ANY, config),
    command("dbsize", 0, 0, |it, _| Reply::count(it.server.data.keys(it.db, b"*").len())),
    command("del", 1, ANY, |it, keys| {
        Reply::count(keys.iter().filter_map(|key| it.server.data.remove(it.db, key)).count())
    }),
    command("discard", 0, 0, of_session),
    command("echo", 1, 1, |_, args| Reply::Bulk(args[0].clone())),
    command("exec", 0, 0, of_session),
    command("exists", 1, ANY, |it, keys| {
        Reply::count(keys.iter().filter_map(|key| it.server.data.get(it.db, key)).count())
    }),
    command("expire", 2, 3, |it, args| expire(it, args, 1000)),
    command("flushall", 0, 1, |it, _| clear(it, None)),
    command("flushdb", 0, 1, |it, _| clear(it, Some(it.db))),
    command("get", 1, 1, |it, args| value(it.server.data.get(it.db, &args[0]))),
    command("getdel", 1, 1, |it, args| value(it.server.data.remove(it.db, &args[0]))),
    command("hello", 0, ANY, hello),
    command("info", 0, ANY, |it, _| Reply::text(info(it))),
    command("keys", 1, 1, |it, args| Reply::Array(keys(it, &args[0]))),
    command("mget", 1, ANY, |it, keys| {
        Reply::Array(keys.iter().map(|key| value(it.server.data.get(it.db, key))).collect())
    }),
    command("multi", 0, 0, of_session),
    command("persist", 1, 1, |it, args| yes(it.server.data.expire(it.db, &args[0], None))),
    command("pexpire", 2, 3, |it, args| expire(it, args, 1)),
    command("ping", 0, 1, |_, args| {
        args.first().map_or(Reply::Simple("PONG"), |text| Reply::Bulk(text.clone()))
    }),
    command("psetex", 3, 3, |it, args| set_for(it, args, 1)),
    command("psubscribe", 1, ANY, of_session),
    command("pttl", 1, 1, |it, args| time_left(it, &args[0], |left| left.as_millis())),
    command("publish", 2, 2, |it, args| Reply::count(it.server.news.publish(&args[0], &args[1]))),
    command("pubsub", 1, ANY, pubsub),
    command("punsubscribe", 0, ANY, of_session),
    command("quit", 0, ANY, of_session),
    command("rename", 2, 2, rename),
    command("reset", 0, 0, of_session),
    command("scan", 1, ANY, scan),
    command("select", 1, 1, select),
    command("set", 2, ANY, set),
    command("setex", 3, 3, |it, args| set_for(it, args, 1000)),
    command("setnx", 2, 2, |it, args| {
        write(it, &args[0], &args[1], Expiry::None, |there| !there)
            .map_or_else(|full| full, |(done, _)| yes(done))
    }),
    command("strlen", 1, 1, |it, args| {
        Reply::count(it.server.data.get(it.db, &args[0]).map_or(0, |value| value.len()))
    }),
    command("subscribe", 1, ANY, of_session),
    command("ttl", 1, 1, |it, args| time_left(it, &args[0], |left| (left.as_millis() + 500) / 1000)),
    command("type", 1, 1, |it, args| {
        Reply::Simple(if it.server.data.get(it.db, &args[0]).is_some() { "string" } else { "none" })
    }),
    command("unlink", 1, ANY, |it, keys| {
        Reply::count(keys.iter().filter_map(|key| it.server.data.remove(it.db, key)).count())
    }),
    command("unsubscribe", 0, ANY, of_session),
    command("unwatch", 0, 0, of_session),
    command("watch", 1, ANY, of_session),
];

const fn command(
    name: &'static str,
    least: usize,
    most: usize,
    run: fn(&mut Session, &[Bytes]) -> Reply,
) -> Command {
    Command { name, least, most, run }
}

/// The command of this name, in lower case.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.binary_search_by(|it| it.name.cmp(name)).ok().map(|index| &COMMANDS[index])
}

/// The session does these itself; inside a transaction, where it does not, they are no
/// commands.
fn of_session(_: &mut Session, _: &[Bytes]) -> Reply {
    Reply::error("ERR Command not allowed inside a transaction")
}

fn value(value: Option<Bytes>) -> Reply {
    value.map_or(Reply::Null, Reply::Bulk)
}

fn yes(done: bool) -> Reply {
    Reply::Integer(done.into())
}

pub(super) fn syntax_error() -> Reply {
    Reply::error("ERR syntax error")
}

pub(super) fn number(text: &Bytes) -> Result<i64, Reply> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Reply::error("ERR value is not an integer or out of range"))
}

pub(super) fn word(text: &Bytes) -> String {
    String::from_utf8_lossy(text).to_ascii_lowercase()
}

/// So many units of `millis` from now.
fn after(amount: i64, millis: u64) -> Option<Instant> {
    let amount = u64::try_from(amount).ok()?.checked_mul(millis)?;
    Instant::now().checked_add(Duration::from_millis(amount))
}

fn clear(session: &Session, db: Option<u8>) -> Reply {
    session.server.data.clear(db);
    Reply::OK
}

fn write(
    session: &Session,
    key: &Bytes,
    value: &Bytes,
    expiry: Expiry,
    when: impl FnOnce(bool) -> bool,
) -> Result<(bool, Option<Bytes>), Reply> {
    session
        .server
        .data
        .set(session.db, key, value, expiry, when)
        .map_err(|Full| Reply::error("OOM command not allowed when used memory > 'maxmemory'."))
}

fn set(session: &mut Session, args: &[Bytes]) -> Reply {
    parse_set(session, args).unwrap_or_else(|error| error)
}

fn parse_set(session: &Session, args: &[Bytes]) -> Result<Reply, Reply> {
    let (mut expiry, mut only, mut get) = (None, None, false);
    let mut options = args[2..].iter();
    while let Some(option) = options.next() {
        let option = word(option);
        match option.as_str() {
            "nx" | "xx" if only.is_none() => only = Some(option == "xx"),
            "get" => get = true,
            "keepttl" if expiry.is_none() => expiry = Some(Expiry::Keep),
            "ex" | "px" if expiry.is_none() => {
                let amount = number(options.next().ok_or_else(syntax_error)?)?;
                let at = after(amount, if option == "ex" { 1000 } else { 1 }).filter(|_| amount > 0);
                expiry = Some(Expiry::At(at.ok_or_else(|| invalid_expiry("set"))?));
            }
            _ => return Err(syntax_error()),
        }
    }
    let when = |there: bool| only.is_none_or(|only_if_there| there == only_if_there);
    let (done, before) = write(session, &args[0], &args[1], expiry.unwrap_or(Expiry::None), when)?;
    Ok(match (get, done) {
        (true, _) => value(before),
        (false, true) => Reply::OK,
        (false, false) => Reply::Null,
    })
}

fn invalid_expiry(command: &str) -> Reply {
    Reply::error(format!("ERR invalid expire time in '{command}' command"))
}

fn set_for(session: &mut Session, args: &[Bytes], millis: u64) -> Reply {
    let amount = match number(&args[1]) {
        Ok(amount) => amount,
        Err(error) => return error,
    };
    let Some(at) = after(amount, millis).filter(|_| amount > 0) else {
        return invalid_expiry(if millis == 1 { "psetex" } else { "setex" });
    };
    write(session, &args[0], &args[2], Expiry::At(at), |_| true).map_or_else(|full| full, |_| Reply::OK)
}

fn expire(session: &mut Session, args: &[Bytes], millis: u64) -> Reply {
    if let Some(option) = args.get(2) {
        return Reply::error(format!("ERR Unsupported option {}", String::from_utf8_lossy(option)));
    }
    let amount = match number(&args[1]) {
        Ok(amount) => amount,
        Err(error) => return error,
    };
    let data = &session.server.data;
    if amount <= 0 {
        return yes(data.remove(session.db, &args[0]).is_some());
    }
    match after(amount, millis) {
        Some(at) => yes(data.expire(session.db, &args[0], Some(at))),
        None => invalid_expiry(if millis == 1 { "pexpire" } else { "expire" }),
    }
}

fn time_left(session: &Session, key: &Bytes, unit: impl Fn(Duration) -> u128) -> Reply {
    Reply::Integer(match session.server.data.time_left(session.db, key) {
        None => -2,
        Some(None) => -1,
        Some(Some(left)) => i64::try_from(unit(left)).unwrap_or(i64::MAX),
    })
}

fn rename(session: &mut Session, args: &[Bytes]) -> Reply {
    if session.server.data.rename(session.db, &args[0], &args[1]) {
        Reply::OK
    } else {
        Reply::error("ERR no such key")
    }
}

fn keys(session: &Session, pattern: &[u8]) -> Vec<Reply> {
    session.server.data.keys(session.db, pattern).into_iter().map(Reply::Bulk).collect()
}

/// All matching keys at once, which is a scan of one step.
fn scan(session: &mut Session, args: &[Bytes]) -> Reply {
    if number(&args[0]).is_err() {
        return Reply::error("ERR invalid cursor");
    }
    let (mut pattern, mut strings) = (Bytes::from_static(b"*"), true);
    for option in args[1..].chunks(2) {
        match (word(&option[0]).as_str(), option.get(1)) {
            ("match", Some(text)) => pattern = text.clone(),
            ("count", Some(count)) if number(count).is_ok_and(|it| it > 0) => {}
            ("type", Some(kind)) => strings = word(kind) == "string",
            _ => return syntax_error(),
        }
    }
    let found = if strings { keys(session, &pattern) } else { vec![] };
    Reply::Array(vec![Reply::text("0"), Reply::Array(found)])
}

fn select(session: &mut Session, args: &[Bytes]) -> Reply {
    match number(&args[0]) {
        Ok(db) => match u8::try_from(db).ok().filter(|db| *db < DATABASES) {
            Some(db) => {
                session.db = db;
                Reply::OK
            }
            None => Reply::error("ERR DB index is out of range"),
        },
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_sorted_for_the_search() {
        assert!(COMMANDS.is_sorted_by(|a, b| a.name < b.name));
        assert!(find("get").is_some() && find("gets").is_none());
    }
}
