//! Commands about the connection and the server: who it is, and who asks.

use bytes::Bytes;

use super::commands::{self, DATABASES, number, syntax_error, word};
use super::data::MOST_BYTES;
use super::glob;
use super::session::Session;
use super::wire::Reply;

pub(super) fn auth(session: &mut Session, args: &[Bytes]) -> Reply {
    let (user, password) = match args {
        [password] => (None, password),
        [user, password, ..] => (Some(user), password),
        [] => return syntax_error(),
    };
    if let Err(error) = log_in(session, user, password) {
        return error;
    }
    Reply::OK
}

fn log_in(session: &mut Session, user: Option<&Bytes>, password: &Bytes) -> Result<(), Reply> {
    let default = user.is_none_or(|user| user == "default");
    let right = match &session.server.password {
        Some(wanted) => wanted.as_bytes() == password,
        None if user.is_none() => {
            return Err(Reply::error(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
            ));
        }
        // Without a password, the default user may say any.
        None => true,
    };
    if !(default && right) {
        return Err(Reply::error("WRONGPASS invalid username-password pair or user is disabled."));
    }
    session.known = true;
    Ok(())
}

pub(super) fn hello(session: &mut Session, args: &[Bytes]) -> Reply {
    let mut protocol = session.protocol;
    if let Some(version) = args.first() {
        protocol = match number(version) {
            Ok(2) => 2,
            Ok(3) => 3,
            Ok(_) => return Reply::error("NOPROTO unsupported protocol version"),
            Err(_) => return Reply::error("ERR Protocol version is not an integer or out of range"),
        };
    }
    let mut options = args.iter().skip(1);
    while let Some(option) = options.next() {
        match (word(option).as_str(), options.next(), &mut options) {
            ("auth", Some(user), rest) => {
                let Some(password) = rest.next() else { return syntax_error() };
                if let Err(error) = log_in(session, Some(user), password) {
                    return error;
                }
            }
            ("setname", Some(name), _) => session.name = Bytes::copy_from_slice(name),
            _ => return syntax_error(),
        }
    }
    if !session.known {
        return Reply::error(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        );
    }
    session.protocol = protocol;
    let id = i64::try_from(session.id).unwrap_or(i64::MAX);
    let pairs = [
        ("server", Reply::text("redis")),
        ("version", Reply::text(session.server.version.clone())),
        ("proto", Reply::Integer(protocol.into())),
        ("id", Reply::Integer(id)),
        ("mode", Reply::text("standalone")),
        ("role", Reply::text("master")),
        ("modules", Reply::Array(vec![])),
    ];
    Reply::Map(pairs.into_iter().map(|(key, value)| (Reply::text(key), value)).collect())
}

pub(super) fn client(session: &mut Session, args: &[Bytes]) -> Reply {
    match (word(&args[0]).as_str(), &args[1..]) {
        ("id", []) => Reply::Integer(i64::try_from(session.id).unwrap_or(i64::MAX)),
        ("getname", []) if session.name.is_empty() => Reply::Null,
        ("getname", []) => Reply::Bulk(session.name.clone()),
        ("setname", [name]) => {
            session.name = Bytes::copy_from_slice(name);
            Reply::OK
        }
        ("setinfo", [option, _]) if ["lib-name", "lib-ver"].contains(&word(option).as_str()) => Reply::OK,
        (other, _) => Reply::error(format!("ERR unknown subcommand '{other}'. Try CLIENT HELP.")),
    }
}

pub(super) fn command_info(args: &[Bytes]) -> Reply {
    match args.first().map(word).as_deref() {
        Some("count") => Reply::count(commands::COMMANDS.len()),
        Some("docs") => Reply::Map(vec![]),
        // What a client learns from it are the places of keys in a cluster.
        _ => Reply::Array(vec![]),
    }
}

pub(super) fn config(_: &mut Session, args: &[Bytes]) -> Reply {
    match (word(&args[0]).as_str(), &args[1..]) {
        ("get", wanted @ [_, ..]) => {
            let all = [
                ("appendonly", "no".to_owned()),
                ("databases", DATABASES.to_string()),
                ("maxmemory", MOST_BYTES.to_string()),
                ("maxmemory-policy", "noeviction".to_owned()),
                ("save", String::new()),
            ];
            let asked =
                |name: &str| wanted.iter().any(|it| glob::matches(word(it).as_bytes(), name.as_bytes()));
            let asked = all.into_iter().filter(|(name, _)| asked(name));
            Reply::Map(asked.map(|(name, value)| (Reply::text(name), Reply::text(value))).collect())
        }
        (other, _) => Reply::error(format!("ERR unknown subcommand '{other}'. Try CONFIG HELP.")),
    }
}

pub(super) fn pubsub(session: &mut Session, args: &[Bytes]) -> Reply {
    let news = &session.server.news;
    match (word(&args[0]).as_str(), &args[1..]) {
        ("channels", [] | [_]) => {
            let pattern = args.get(1).map_or(&b"*"[..], |it| it);
            Reply::Array(news.channels(pattern).into_iter().map(Reply::Bulk).collect())
        }
        ("numsub", channels) => {
            let of = |channel: &Bytes| [Reply::Bulk(channel.clone()), Reply::count(news.listeners(channel))];
            Reply::Array(channels.iter().flat_map(of).collect())
        }
        ("numpat", []) => Reply::count(news.patterns()),
        (other, _) => Reply::error(format!("ERR unknown subcommand '{other}'. Try PUBSUB HELP.")),
    }
}

pub(super) fn info(session: &Session) -> String {
    let server = &session.server;
    let mut text = format!(
        "# Server\r\nredis_version:{}\r\nredis_mode:standalone\r\nstand_in:yes\r\n\r\n\
         # Memory\r\nused_memory:{}\r\nmaxmemory:{MOST_BYTES}\r\nmaxmemory_policy:noeviction\r\n\r\n\
         # Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n# Keyspace\r\n",
        server.version,
        server.data.bytes(),
    );
    for db in 0..DATABASES {
        let keys = server.data.keys(db, b"*");
        if !keys.is_empty() {
            let expires =
                keys.iter().filter(|key| matches!(server.data.time_left(db, key), Some(Some(_)))).count();
            text.push_str(&format!("db{db}:keys={},expires={expires}\r\n", keys.len()));
        }
    }
    text
}
