//! What each command does.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::resp::Reply;
use super::state::Server;

/// The commands that there are. go-redis greets with HELLO and CLIENT SETINFO (version 9)
/// or AUTH (version 8) and asks a subscription for signs of life with PING. argocd-server
/// keeps values with GET, SET, DEL and RENAME (`util/cache/redis.go`), and revoked tokens
/// with SET, SCAN, PUBLISH and SUBSCRIBE (`util/session/state.go`).
const COMMANDS: [&str; 11] =
    ["auth", "client", "del", "get", "hello", "ping", "publish", "rename", "scan", "set", "subscribe"];

/// A connection's state.
pub(super) struct Client<'a> {
    server: &'a Server,
    id: u64,
    pub(super) protocol: u8,
    /// It has said the password, or there is none.
    known: bool,
    /// What it is told without asking, once it listens.
    pub(super) news: Option<mpsc::Receiver<Reply>>,
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        self.server.state().leave(self.id);
    }
}

impl<'a> Client<'a> {
    pub(super) fn new(server: &'a Server, id: u64) -> Self {
        Self { server, id, protocol: 2, known: server.password.is_none(), news: None }
    }
}

/// The answer to a request. An empty one, which has no words, gets none.
pub(super) fn answer(client: &mut Client<'_>, words: &[Bytes]) -> Reply {
    let Some((name, args)) = words.split_first() else { return Reply::Several(vec![]) };
    run(client, &word(name), args).unwrap_or_else(Reply::Error)
}

fn run(client: &mut Client<'_>, name: &str, args: &[Bytes]) -> Result<Reply, String> {
    if !COMMANDS.contains(&name) {
        let quoted = args.iter().map(|it| format!("'{}' ", String::from_utf8_lossy(it)));
        let quoted: String = quoted.collect::<String>().chars().take(128).collect();
        return Err(format!("ERR unknown command '{name}', with args beginning with: {quoted}"));
    }
    if !client.known && !["auth", "hello"].contains(&name) {
        return Err("NOAUTH Authentication required.".to_owned());
    }
    let only_listens = client.news.is_some() && client.protocol == 2;
    if only_listens && !["subscribe", "ping"].contains(&name) {
        return Err(format!(
            "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
        ));
    }
    let server = client.server;
    Ok(match (name, args) {
        ("auth", [password]) => log_in(client, None, password).map(|()| Reply::OK)?,
        ("auth", [user, password]) => log_in(client, Some(user), password).map(|()| Reply::OK)?,
        ("client", [sub, option, _])
            if word(sub) == "setinfo" && ["lib-name", "lib-ver"].contains(&word(option).as_str()) =>
        {
            Reply::OK
        }
        ("client", [sub, ..]) => {
            return Err(format!("ERR unknown subcommand '{}'. Try CLIENT HELP.", word(sub)));
        }
        ("del", keys @ [_, ..]) => {
            let mut state = server.state();
            Reply::count(keys.iter().filter(|key| state.remove(key)).count())
        }
        ("get", [key]) => server.state().get(key).map_or(Reply::Null, Reply::Bulk),
        ("hello", args) => hello(client, args)?,
        ("ping", [] | [_]) if only_listens => {
            let text = args.first().cloned().unwrap_or_default();
            Reply::Array(vec![Reply::text("pong"), Reply::Bulk(text)])
        }
        ("ping", []) => Reply::Simple("PONG"),
        ("ping", [text]) => Reply::Bulk(text.clone()),
        ("publish", [channel, message]) => Reply::count(server.state().publish(channel, message)),
        ("rename", [from, to]) if server.state().rename(from, to) => Reply::OK,
        ("rename", [_, _]) => return Err("ERR no such key".to_owned()),
        ("scan", [cursor, options @ ..]) => scan(server, cursor, options)?,
        ("set", [key, value, options @ ..]) => set(server, key, value, options)?,
        ("subscribe", channels @ [_, ..]) => subscribe(client, channels)?,
        _ => return Err(format!("ERR wrong number of arguments for '{name}' command")),
    })
}

fn word(text: &Bytes) -> String {
    String::from_utf8_lossy(text).to_ascii_lowercase()
}

fn syntax_error() -> String {
    "ERR syntax error".to_owned()
}

fn number(text: &Bytes) -> Result<i64, String> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| "ERR value is not an integer or out of range".to_owned())
}

fn log_in(client: &mut Client<'_>, user: Option<&Bytes>, password: &Bytes) -> Result<(), String> {
    let right = match &client.server.password {
        Some(wanted) => wanted.as_bytes() == password,
        None if user.is_none() => {
            return Err(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?".to_owned(),
            );
        }
        // Without a password, the default user may say any.
        None => true,
    };
    if !right || user.is_some_and(|user| user != "default") {
        return Err("WRONGPASS invalid username-password pair or user is disabled.".to_owned());
    }
    client.known = true;
    Ok(())
}

fn hello(client: &mut Client<'_>, args: &[Bytes]) -> Result<Reply, String> {
    let protocol = match args.first().map(number) {
        None => client.protocol,
        Some(Ok(2)) => 2,
        Some(Ok(3)) => 3,
        Some(Ok(_)) => return Err("NOPROTO unsupported protocol version".to_owned()),
        Some(Err(_)) => return Err("ERR Protocol version is not an integer or out of range".to_owned()),
    };
    match args.get(1..).unwrap_or_default() {
        [] => {}
        [option, user, password] if word(option) == "auth" => log_in(client, Some(user), password)?,
        _ => return Err(syntax_error()),
    }
    if !client.known {
        return Err("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time".to_owned());
    }
    client.protocol = protocol;
    let pairs = [
        ("server", Reply::text("redis")),
        ("version", Reply::text(client.server.version.clone())),
        ("proto", Reply::Integer(protocol.into())),
        ("id", Reply::Integer(i64::try_from(client.id).unwrap_or(i64::MAX))),
        ("mode", Reply::text("standalone")),
        ("role", Reply::text("master")),
        ("modules", Reply::Array(vec![])),
    ];
    Ok(Reply::Map(pairs.into_iter().flat_map(|(name, value)| [Reply::text(name), value]).collect()))
}

fn set(server: &Server, key: &Bytes, value: &Bytes, options: &[Bytes]) -> Result<Reply, String> {
    let (mut expires, mut only_new) = (None, false);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let millis = match word(option).as_str() {
            "nx" => {
                only_new = true;
                continue;
            }
            "ex" if expires.is_none() => 1000,
            "px" if expires.is_none() => 1,
            _ => return Err(syntax_error()),
        };
        let amount = number(options.next().ok_or_else(syntax_error)?)?;
        let amount = u64::try_from(amount).ok().filter(|amount| *amount > 0);
        let from_now = amount.and_then(|amount| amount.checked_mul(millis)).map(Duration::from_millis);
        let at = from_now.and_then(|from_now| Instant::now().checked_add(from_now));
        expires = Some(at.ok_or("ERR invalid expire time in 'set' command")?);
    }
    let mut state = server.state();
    if only_new && state.get(key).is_some() {
        return Ok(Reply::Null);
    }
    match state.set(key, value, expires) {
        true => Ok(Reply::OK),
        false => Err("OOM command not allowed when used memory > 'maxmemory'.".to_owned()),
    }
}

/// All matching keys at once, which is a scan of one step.
fn scan(server: &Server, cursor: &Bytes, options: &[Bytes]) -> Result<Reply, String> {
    number(cursor).map_err(|_| "ERR invalid cursor")?;
    let mut start = Bytes::new();
    for option in options.chunks(2) {
        match (word(&option[0]).as_str(), option.get(1)) {
            ("match", Some(pattern)) => match pattern.strip_suffix(b"*") {
                Some(text) if !text.iter().any(|byte| b"*?[\\".contains(byte)) => {
                    start = pattern.slice_ref(text)
                }
                _ => return Err("ERR this stand-in matches the beginnings of keys only: TEXT*".to_owned()),
            },
            ("count", Some(count)) if number(count)? > 0 => {}
            _ => return Err(syntax_error()),
        }
    }
    let keys = server.state().keys(&start).into_iter().map(Reply::Bulk).collect();
    Ok(Reply::Array(vec![Reply::text("0"), Reply::Array(keys)]))
}

fn subscribe(client: &mut Client<'_>, channels: &[Bytes]) -> Result<Reply, String> {
    let mut state = client.server.state();
    client.news.get_or_insert_with(|| state.listen(client.id));
    let mut replies = vec![];
    for channel in channels {
        let count = state.subscribe(client.id, channel).ok_or("ERR too many subscriptions")?;
        let parts = vec![Reply::text("subscribe"), Reply::Bulk(channel.clone()), Reply::count(count)];
        replies.push(Reply::Push(parts));
    }
    Ok(Reply::Several(replies))
}
