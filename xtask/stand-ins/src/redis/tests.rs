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
    };
    Redis { address, stop, task: tokio::spawn(program().run(launch)), _folder: folder }
}

struct Client(TcpStream);

/// What HELLO is answered with.
fn greeting(map: &str, protocol: u8, id: u8) -> String {
    format!(
        "{map}\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$14\r\n7.4.0+stand-in\r\n$5\r\nproto\r\n:{protocol}\r\n\
         $2\r\nid\r\n:{id}\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n"
    )
}

/// These words as clients send them.
fn request(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let bulks: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{bulks}", words.len())
}

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

    /// Sends these words as one request.
    async fn ask(&mut self, line: &str) {
        self.send(&request(line)).await;
    }

    async fn say(&mut self, line: &str, expected: &str) {
        self.ask(line).await;
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
        ("PING hi", "$2\r\nhi\r\n"),
        ("GET a", "$-1\r\n"),
        ("SET a 1", "+OK\r\n"),
        ("get a", "$1\r\n1\r\n"),
        ("SET a 2 NX", "$-1\r\n"),
        ("SET b 1 EX 100", "+OK\r\n"),
        ("SET b 1 PX 100000 NX", "$-1\r\n"),
        ("SET c v EX 10 NX", "+OK\r\n"),
        ("SET b 1 EX 0", "-ERR invalid expire time in 'set' command\r\n"),
        ("SET b 1 EX x", "-ERR value is not an integer or out of range\r\n"),
        ("SET b 1 EX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"),
        ("SET b 1 EX 1 PX 1", "-ERR syntax error\r\n"),
        ("SET b 1 EX", "-ERR syntax error\r\n"),
        ("RENAME a z", "+OK\r\n"),
        ("RENAME a z", "-ERR no such key\r\n"),
        ("GET z", "$1\r\n1\r\n"),
        ("SCAN 0", "*2\r\n$1\r\n0\r\n*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nz\r\n"),
        ("SCAN 0 MATCH z* COUNT 10", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nz\r\n"),
        ("SCAN 0 MATCH *z", "-ERR this stand-in matches the beginnings of keys only: TEXT*\r\n"),
        ("SCAN 0 MATCH z?*", "-ERR this stand-in matches the beginnings of keys only: TEXT*\r\n"),
        ("SCAN 0 COUNT 0", "-ERR syntax error\r\n"),
        ("SCAN x", "-ERR invalid cursor\r\n"),
        ("DEL z c none", ":2\r\n"),
        ("GET c", "$-1\r\n"),
        ("LPUSH l v", "-ERR unknown command 'lpush', with args beginning with: 'l' 'v' \r\n"),
        ("GET", "-ERR wrong number of arguments for 'get' command\r\n"),
        ("SET d v PX 1", "+OK\r\n"),
    ] {
        client.say(line, expected).await;
    }
    // What has expired is gone.
    loop {
        client.ask("SCAN 0 MATCH d*").await;
        let mut read = [0; 15];
        client.0.read_exact(&mut read).await.unwrap();
        if &read == b"*2\r\n$1\r\n0\r\n*0\r\n" {
            break;
        }
        client.expect("$1\r\nd\r\n").await;
    }
    client.say("RENAME d e", "-ERR no such key\r\n").await;
    client.say("DEL d", ":0\r\n").await;
}

/// How each version of go-redis that an argocd-server was built with begins (v8.3.2 in
/// v2.1, v9.0.5 in v2.8, v9.8.0 in v3.3, v9.20.1 in v3.5), and what argocd-server asks then.
#[tokio::test]
async fn the_clients_of_every_release_are_answered() {
    let hello = greeting("%7", 3, 1);
    for (password, begins) in [
        ("", vec![]),
        ("", vec![("hello 3", &*hello)]),
        ("s3cret", vec![("auth s3cret", "+OK\r\n")]),
        (
            "s3cret",
            vec![
                ("hello 3 auth default s3cret", &hello),
                (
                    "client maint_notifications on moving-endpoint-type none",
                    "-ERR unknown subcommand 'maint_notifications'. Try CLIENT HELP.\r\n",
                ),
                ("client setinfo LIB-NAME go-redis(,go1.26.0)", "+OK\r\n"),
                ("client setinfo LIB-VER 9.20.1", "+OK\r\n"),
            ],
        ),
    ] {
        let redis = redis(&["--requirepass", password]).await;
        let (mut client, mut news) = (redis.client().await, redis.client().await);
        for (line, expected) in &begins {
            client.say(line, expected).await;
            news.say(line, &expected.replace("id\r\n:1", "id\r\n:2")).await;
        }
        let third = begins.iter().any(|(line, _)| line.starts_with("hello 3"));
        // A login of v2.1, kept in the cache; a token that is revoked.
        let (push, null, pong) = if third {
            (">", "_\r\n", "+PONG\r\n")
        } else {
            ("*", "$-1\r\n", "*2\r\n$4\r\npong\r\n$0\r\n\r\n")
        };
        let begin = format!("{push}3\r\n$9\r\nsubscribe\r\n$17\r\nnew-revoked-token\r\n:1\r\n");
        news.say("subscribe new-revoked-token", &begin).await;
        news.say("ping", pong).await;
        client.say("get app|resources-tree|x|1.8.3.gz", null).await;
        client.say("set oidc|state|1.8.3 {} ex 180", "+OK\r\n").await;
        client.say("get oidc|state|1.8.3", "$2\r\n{}\r\n").await;
        client.say("del oidc|state|1.8.3", ":1\r\n").await;
        client.say("set revoked-token|h  px 86399001", "+OK\r\n").await;
        client.say("publish new-revoked-token h", ":1\r\n").await;
        news.expect(&format!("{push}3\r\n$7\r\nmessage\r\n$17\r\nnew-revoked-token\r\n$1\r\nh\r\n")).await;
        let found = "*2\r\n$1\r\n0\r\n*1\r\n$15\r\nrevoked-token|h\r\n";
        client.say("scan 0 match revoked-token|*", found).await;
        client.say("scan 0 match revoked-token|* count 10000", found).await;
    }
}

#[tokio::test]
async fn it_says_that_it_is_a_stand_in_in_both_protocols() {
    let redis = redis(&[]).await;
    let mut client = redis.client().await;
    client.say("HELLO", &greeting("*14", 2, 1)).await;
    client.say("HELLO 3", &greeting("%7", 3, 1)).await;
    client.say("GET none", "_\r\n").await;
    client.say("CLIENT SETINFO LIB-NAME x", "+OK\r\n").await;
    client.say("CLIENT NONSENSE", "-ERR unknown subcommand 'nonsense'. Try CLIENT HELP.\r\n").await;
    client.say("HELLO 4", "-NOPROTO unsupported protocol version\r\n").await;
}

#[tokio::test]
async fn a_password_is_asked_for_and_never_told() {
    let redis = redis(&["--requirepass", "s3cret"]).await;
    let mut client = redis.client().await;
    client.say("GET a", "-NOAUTH Authentication required.\r\n").await;
    client.say("AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled.\r\n").await;
    client.say("AUTH default s3cret", "+OK\r\n").await;
    client.say("GET a", "$-1\r\n").await;
    let mut client = redis.client().await;
    client
        .say("AUTH somebody s3cret", "-WRONGPASS invalid username-password pair or user is disabled.\r\n")
        .await;
    client.ask("HELLO 3").await;
    client.expect("-NOAUTH HELLO must be called with the client already authenticated").await;
}

#[tokio::test]
async fn options_that_it_does_not_have_end_it() {
    let redis = redis(&["redis-server", "--replicaof", "x"]).await;
    let exit = redis.task.await.unwrap();
    assert_eq!(exit, Exit::failure("Fatal config error: 'replicaof x': this stand-in does not do that"));
}

#[tokio::test]
async fn news_reach_who_listens_in_either_protocol() {
    let redis = redis(&[]).await;
    let (mut two, mut three) = (redis.client().await, redis.client().await);
    let listens = "$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n";
    two.say("SUBSCRIBE a b", &format!("*3\r\n{listens}*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n")).await;
    three.say("HELLO 3", &greeting("%7", 3, 2)).await;
    three.say("SUBSCRIBE a", &format!(">3\r\n{listens}")).await;
    // In RESP 3 whoever listens may ask too, and hears what it tells itself.
    three.ask("PUBLISH a x").await;
    three.expect(":2\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n").await;
    two.expect("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n").await;
    two.say("GET a", "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n").await;
    two.say("PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n").await;
    three.say("PUBLISH b y", ":1\r\n").await;
    two.expect("*3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$1\r\ny\r\n").await;
    // Who has gone is told nothing.
    drop(two);
    loop {
        three.ask("PUBLISH b z").await;
        let mut read = [0; 4];
        three.0.read_exact(&mut read).await.unwrap();
        if &read == b":0\r\n" {
            break;
        }
    }
}

#[tokio::test]
async fn pipelines_are_answered_in_order_and_in_pieces() {
    let redis = redis(&[]).await;
    let mut client = redis.client().await;
    let all = "*1\r\n$4\r\nPING\r\n".repeat(100) + &request("SET a b") + &request("GET a");
    for piece in all.as_bytes().chunks(7) {
        client.0.write_all(piece).await.unwrap();
    }
    client.expect(&("+PONG\r\n".repeat(100) + "+OK\r\n$1\r\nb\r\n")).await;
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let redis = redis(&[]).await;
    for (garbage, answer) in [
        ("*1\r\n:1\r\n", "-ERR Protocol error: expected '$'\r\n"),
        ("*1000000\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        ("*1\r\n$1000000000\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        ("*00000000000000000000000000000000001", "-ERR Protocol error: invalid multibulk length\r\n"),
        ("PING\r\n", "-ERR Protocol error: expected '*': this stand-in takes no inline commands\r\n"),
        (
            "POST / HTTP/1.1\r\n",
            "-ERR Protocol error: expected '*': this stand-in takes no inline commands\r\n",
        ),
    ] {
        let mut client = redis.client().await;
        client.send(garbage).await;
        client.expect(answer).await;
        client.closed().await;
    }
    let mut client = redis.client().await;
    client.say("PING", "+PONG\r\n").await;
}

#[tokio::test]
async fn memory_is_bounded() {
    let redis = redis(&[]).await;
    let mut client = redis.client().await;
    let value = "x".repeat(4 * 1024 * 1024);
    for n in 0..7 {
        client.say(&format!("SET {n} {value}"), "+OK\r\n").await;
    }
    let one_more = format!("SET 9 {value}");
    client.say(&format!("SET 0 {value}"), "+OK\r\n").await;
    client.say(&one_more, "-OOM command not allowed when used memory > 'maxmemory'.\r\n").await;
    client.say("DEL 0", ":1\r\n").await;
    client.say(&one_more, "+OK\r\n").await;
    // A subscriber that never reads is cut off, and holds up nobody.
    let mut deaf = redis.client().await;
    deaf.say("SUBSCRIBE c", "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n").await;
    let message = "y".repeat(64 * 1024);
    loop {
        client.ask(&format!("PUBLISH c {message}")).await;
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
