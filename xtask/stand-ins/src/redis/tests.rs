use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use local_cluster::logs::{LogKey, Logs};
use local_cluster::program::ClusterAccess;

struct Redis {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Exit>,
    _folder: tempfile::TempDir,
}

async fn redis(args: &[&str]) -> Redis {
    let folder = tempfile::tempdir().unwrap();
    let log = LogKey { namespace: "n".into(), pod: "p".into(), container: "c".into(), restart: 0 };
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let launch = Launch {
        namespace: "n".into(),
        pod: "p".into(),
        container: "c".into(),
        image: format!("{IMAGE}:v7.4.0"),
        command: vec![],
        args: args.iter().map(|&it| it.into()).collect(),
        env: std::collections::BTreeMap::new(),
        files: std::collections::BTreeMap::new(),
        ports: [(PORT, listener)].into(),
        log: Logs::new(folder.path()).start(log).unwrap(),
        stop: stop.clone(),
        cluster: ClusterAccess { server: String::new(), ca_pem: String::new(), token: String::new() },
        proxy: address,
    };
    Redis { address, stop, task: tokio::spawn(program().run(launch)), _folder: folder }
}

struct Client(TcpStream);

impl Redis {
    async fn client(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }
}

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads exactly what is expected.
    async fn expect(&mut self, expected: &str) {
        let mut read = vec![0; expected.len()];
        let reading = self.0.read_exact(&mut read);
        let result = tokio::time::timeout(Duration::from_secs(30), reading).await;
        let text = String::from_utf8_lossy(&read).into_owned();
        result.unwrap_or_else(|_| panic!("{expected:?} did not come")).unwrap();
        assert_eq!(text, expected);
    }

    async fn say(&mut self, line: &str, expected: &str) {
        self.send(&format!("{line}\r\n")).await;
        self.expect(expected).await;
    }

    async fn closed(&mut self) {
        let mut rest = vec![];
        let _ = self.0.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }
}

#[tokio::test]
async fn strings_are_kept_and_expire() {
    let redis = redis(&["redis-server", "--save", "", "--appendonly", "no"]).await;
    let mut client = redis.client().await;
    for (line, expected) in [
        ("PING", "+PONG\r\n"),
        ("ECHO hi", "$2\r\nhi\r\n"),
        ("GET a", "$-1\r\n"),
        ("SET a 1", "+OK\r\n"),
        ("GET a", "$1\r\n1\r\n"),
        ("SET a 2 NX", "$-1\r\n"),
        ("SET a 2 XX GET", "$1\r\n1\r\n"),
        ("SET b 1 EX 100", "+OK\r\n"),
        ("TTL b", ":100\r\n"),
        ("TTL a", ":-1\r\n"),
        ("TTL none", ":-2\r\n"),
        ("SET b 2 KEEPTTL", "+OK\r\n"),
        ("TTL b", ":100\r\n"),
        ("PERSIST b", ":1\r\n"),
        ("EXPIRE b 50", ":1\r\n"),
        ("EXPIRE none 50", ":0\r\n"),
        ("SET b 1 EX 0", "-ERR invalid expire time in 'set' command\r\n"),
        ("SET b 1 EX x", "-ERR value is not an integer or out of range\r\n"),
        ("SET b 1 EX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"),
        ("SET b 1 EX 1 PX 1", "-ERR syntax error\r\n"),
        ("SET b 1 EX", "-ERR syntax error\r\n"),
        ("SETNX b 1", ":0\r\n"),
        ("SETEX c 10 v", "+OK\r\n"),
        ("EXISTS a b none", ":2\r\n"),
        ("MGET a none", "*2\r\n$1\r\n2\r\n$-1\r\n"),
        ("RENAME a z", "+OK\r\n"),
        ("RENAME a z", "-ERR no such key\r\n"),
        ("TYPE z", "+string\r\n"),
        ("STRLEN z", ":1\r\n"),
        ("KEYS *", "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nz\r\n"),
        ("SCAN 0 MATCH z* COUNT 10", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nz\r\n"),
        ("SCAN x", "-ERR invalid cursor\r\n"),
        ("SELECT 1", "+OK\r\n"),
        ("DBSIZE", ":0\r\n"),
        ("SELECT 16", "-ERR DB index is out of range\r\n"),
        ("SELECT 0", "+OK\r\n"),
        ("DEL z none", ":1\r\n"),
        ("GETDEL c", "$1\r\nv\r\n"),
        ("FLUSHALL", "+OK\r\n"),
        ("DBSIZE", ":0\r\n"),
        ("LPUSH l v", "-ERR unknown command 'lpush', with args beginning with: 'l' 'v' \r\n"),
        ("GET", "-ERR wrong number of arguments for 'get' command\r\n"),
        ("PSETEX d 1 v", "+OK\r\n"),
    ] {
        client.say(line, expected).await;
    }
    // What has expired is gone.
    loop {
        client.send("EXISTS d\r\n").await;
        let mut read = [0; 4];
        client.0.read_exact(&mut read).await.unwrap();
        if &read == b":0\r\n" {
            break;
        }
    }
}

#[tokio::test]
async fn it_says_that_it_is_a_stand_in_in_both_protocols() {
    let redis = redis(&[]).await;
    let mut client = redis.client().await;
    let pairs = "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$14\r\n7.4.0+stand-in\r\n$5\r\nproto\r\n";
    client.say("HELLO", &format!("*14\r\n{pairs}:2\r\n")).await;
    client.say("PING", "$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n+PONG\r\n").await;
    client.send("HELLO 3 SETNAME me\r\n").await;
    client.expect(&format!("%7\r\n{pairs}:3\r\n$2\r\nid\r\n:1\r\n")).await;
    client
        .expect("$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n")
        .await;
    client.say("GET none", "_\r\n").await;
    client.say("CLIENT GETNAME", "$2\r\nme\r\n").await;
    client.say("CLIENT SETINFO LIB-NAME x", "+OK\r\n").await;
    client.say("CLIENT NONSENSE", "-ERR unknown subcommand 'nonsense'. Try CLIENT HELP.\r\n").await;
    client.say("HELLO 4", "-NOPROTO unsupported protocol version\r\n").await;
    client.say("COMMAND DOCS", "%0\r\n").await;
}

#[tokio::test]
async fn a_password_is_asked_for_and_never_told() {
    let redis = redis(&["--requirepass", "s3cret"]).await;
    let mut client = redis.client().await;
    client.say("GET a", "-NOAUTH Authentication required.\r\n").await;
    client.say("AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled.\r\n").await;
    client.say("AUTH default s3cret", "+OK\r\n").await;
    client.say("CONFIG GET requirepass", "*0\r\n").await;
    client.say("RESET", "+RESET\r\n").await;
    client.say("GET a", "-NOAUTH Authentication required.\r\n").await;
    client.send("HELLO 3 AUTH default s3cret\r\n").await;
    client.expect("%7\r\n").await;
}

#[tokio::test]
async fn options_that_it_does_not_have_end_it() {
    let redis = redis(&["redis-server", "--replicaof", "x"]).await;
    let exit = redis.task.await.unwrap();
    assert_eq!(exit, Exit::failure("Fatal config error: 'replicaof x': this stand-in does not do that"));
}

#[tokio::test]
async fn news_reach_who_listens() {
    let redis = redis(&[]).await;
    let (mut by_name, mut by_pattern, mut three) =
        (redis.client().await, redis.client().await, redis.client().await);
    by_name
        .say(
            "SUBSCRIBE a b",
            "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n",
        )
        .await;
    by_pattern.say("PSUBSCRIBE a*", "*3\r\n$10\r\npsubscribe\r\n$2\r\na*\r\n:1\r\n").await;
    three.send("HELLO 3\r\n").await;
    let mut hello = vec![];
    while !hello.ends_with(b"*0\r\n") {
        three.0.read_buf(&mut hello).await.unwrap();
    }
    three.say("SUBSCRIBE a", ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n").await;
    three.say("PUBLISH a x", ":3\r\n").await;
    three.expect(">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n").await;
    by_name.expect("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n").await;
    by_pattern.expect("*4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$1\r\na\r\n$1\r\nx\r\n").await;
    by_name.say("GET a", "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n").await;
    by_name.say("PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n").await;
    three.say("PUBSUB NUMSUB a b", "*4\r\n$1\r\na\r\n:2\r\n$1\r\nb\r\n:1\r\n").await;
    three.say("PUBSUB CHANNELS", "*2\r\n$1\r\na\r\n$1\r\nb\r\n").await;
    three.say("PUBSUB NUMPAT", ":1\r\n").await;
    by_name
        .say(
            "UNSUBSCRIBE",
            "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n",
        )
        .await;
    by_name.say("UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n").await;
    by_name.say("PING", "+PONG\r\n").await;
    drop(by_pattern);
    loop {
        three.send("PUBLISH apart x\r\n").await;
        let mut read = [0; 4];
        three.0.read_exact(&mut read).await.unwrap();
        if &read == b":0\r\n" {
            break;
        }
    }
}

#[tokio::test]
async fn transactions_happen_as_a_whole_or_not_at_all() {
    let redis = redis(&[]).await;
    let (mut client, mut other) = (redis.client().await, redis.client().await);
    for (line, expected) in [
        ("EXEC", "-ERR EXEC without MULTI\r\n"),
        ("MULTI", "+OK\r\n"),
        ("SET a 1", "+QUEUED\r\n"),
        ("GET a", "+QUEUED\r\n"),
        ("MULTI", "-ERR MULTI calls can not be nested\r\n"),
        ("EXEC", "*2\r\n+OK\r\n$1\r\n1\r\n"),
        ("MULTI", "+OK\r\n"),
        ("NONSENSE", "-ERR unknown command 'nonsense', with args beginning with: \r\n"),
        ("EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n"),
        ("WATCH a", "+OK\r\n"),
        ("MULTI", "+OK\r\n"),
        ("SET a 2", "+QUEUED\r\n"),
    ] {
        client.say(line, expected).await;
    }
    other.say("SET a 3", "+OK\r\n").await;
    client.say("EXEC", "*-1\r\n").await;
    client.say("GET a", "$1\r\n3\r\n").await;
    client.say("MULTI", "+OK\r\n").await;
    client.say("DISCARD", "+OK\r\n").await;
    client.say("DISCARD", "-ERR DISCARD without MULTI\r\n").await;
}

#[tokio::test]
async fn pipelines_are_answered_in_order_and_in_pieces() {
    let redis = redis(&[]).await;
    let mut client = redis.client().await;
    let all = "*1\r\n$4\r\nPING\r\n".repeat(100) + "SET a b\r\nGET a\r\n";
    for piece in all.as_bytes().chunks(7) {
        client.0.write_all(piece).await.unwrap();
    }
    client.expect(&("+PONG\r\n".repeat(100) + "+OK\r\n$1\r\nb\r\n")).await;
    client.say("QUIT", "+OK\r\n").await;
    client.closed().await;
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let redis = redis(&[]).await;
    for (garbage, answer) in [
        ("*1\r\n:1\r\n", "-ERR Protocol error: expected '$'\r\n"),
        ("*1000000\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        ("*1\r\n$1000000000\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        ("\"\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
        ("POST / HTTP/1.1\r\n", ""),
    ] {
        let mut client = redis.client().await;
        client.send(garbage).await;
        client.expect(answer).await;
        client.closed().await;
    }
    let mut client = redis.client().await;
    client.0.write_all(&[b'x'; 70_000]).await.unwrap();
    client.expect("-ERR Protocol error: too big inline request\r\n").await;
    let mut client = redis.client().await;
    client.say("PING", "+PONG\r\n").await;
}

#[tokio::test]
async fn memory_is_bounded() {
    let redis = redis(&[]).await;
    let mut client = redis.client().await;
    let value = "x".repeat(4 * 1024 * 1024);
    for n in 0..7 {
        client.say(&format!("*3\r\n$3\r\nSET\r\n$1\r\n{n}\r\n${}\r\n{value}", value.len()), "+OK\r\n").await;
    }
    let one_more = format!("*3\r\n$3\r\nSET\r\n$1\r\n9\r\n${}\r\n{value}", value.len());
    client.say(&one_more, "-OOM command not allowed when used memory > 'maxmemory'.\r\n").await;
    client.say("DEL 0", ":1\r\n").await;
    client.say(&one_more, "+OK\r\n").await;
    // A subscriber that never reads is cut off, and holds up nobody.
    let mut deaf = redis.client().await;
    deaf.say("SUBSCRIBE c", "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n").await;
    let message = "y".repeat(64 * 1024);
    loop {
        client.send(&format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n${}\r\n{message}\r\n", message.len())).await;
        let mut read = [0; 4];
        client.0.read_exact(&mut read).await.unwrap();
        if &read == b":0\r\n" {
            break;
        }
    }
}

#[tokio::test]
async fn sigterm_ends_it_with_its_connections() {
    let redis = redis(&[]).await;
    let mut client = redis.client().await;
    client.say("PING", "+PONG\r\n").await;
    redis.stop.cancel();
    assert_eq!(redis.task.await.unwrap(), Exit::success());
    client.closed().await;
}
