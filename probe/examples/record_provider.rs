//! Records how a running identity provider answers, as a fixture of `probe/tests/providers`: its token endpoint to
//! a code that nobody gave out, with a right client secret and with a wrong one, in the header and in the body; and
//! the page that it shows to somebody who is to log in.
//!
//! `CLIENT_SECRET=… cargo run -p probe --example record_provider -- NAME ISSUER CLIENT_ID REDIRECT_URI > NAME.json`
//!
//! Run it against a provider of your own, on your own machine: the page is kept as it is, and a page may have a
//! number of its session in it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for whoever records a fixture")]

use std::time::Duration;

use probe::http::{Answer, Connections, Request};
use probe::{Options, Password};
use serde_json::{Value, json};
use url::Url;
use url::form_urlencoded::Serializer;

const LIMIT: Duration = Duration::from_secs(10);
const WRONG: &str = "surely-not-the-secret-of-anybody";

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, issuer, client_id, redirect_uri] = args.as_slice() else {
        println!("CLIENT_SECRET=… record_provider NAME ISSUER CLIENT_ID REDIRECT_URI");
        std::process::exit(2);
    };
    let right = std::env::var("CLIENT_SECRET").unwrap();
    let options = Options::new(issuer.parse().unwrap(), "", Password::new(""));
    let discovery = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let discovery = send(&options, Request::get(&discovery.parse().unwrap(), LIMIT)).await;
    let document: Value = serde_json::from_slice(&discovery.body).unwrap();
    let endpoint: Url = document["token_endpoint"].as_str().unwrap().parse().unwrap();
    let mut answers = json!({});
    for (which, secret) in [("right", right.as_str()), ("wrong", WRONG)] {
        for place in ["header", "body"] {
            let mut form = Serializer::new(String::new());
            form.append_pair("grant_type", "authorization_code")
                .append_pair("code", probe::rehearsal::CODE)
                .append_pair("redirect_uri", redirect_uri);
            if place == "body" {
                form.append_pair("client_id", client_id).append_pair("client_secret", secret);
            }
            let form = form.finish();
            let mut request = Request::post(&endpoint, &form, LIMIT);
            request.basic = (place == "header").then_some((client_id.as_str(), secret));
            let answer = send(&options, request).await;
            answers[which][place] = json!({"status": answer.status, "body": answer.text()});
        }
    }
    let page = page(&options, &document, client_id, redirect_uri).await;
    let methods = &document["token_endpoint_auth_methods_supported"];
    let fixture = json!({"provider": name, "methods": methods, "token": answers, "page": page});
    let text = serde_json::to_string_pretty(&fixture).unwrap();
    assert!(!text.contains(&right), "the client secret stands in what was recorded");
    println!("{text}");
}

async fn send(options: &Options, request: Request<'_>) -> Answer {
    Connections::new(options).send(request).await.map_err(|(no_answer, _)| no_answer.message()).unwrap()
}

/// The page to which the authorize request leads, with the cookies that are set on the way.
async fn page(options: &Options, document: &Value, client_id: &str, redirect_uri: &str) -> String {
    let mut url: Url = document["authorization_endpoint"].as_str().unwrap().parse().unwrap();
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", client_id)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("scope", "openid")
        .append_pair("state", "x");
    let mut cookies: Vec<String> = vec![];
    for _ in 0..5 {
        let mut request = Request::get(&url, LIMIT);
        request.cookies = (!cookies.is_empty()).then(|| cookies.join("; "));
        let answer = send(options, request).await;
        let set = answer.headers.get_all("set-cookie").iter();
        cookies.extend(set.filter_map(|it| Some(it.to_str().ok()?.split(';').next()?.to_owned())));
        match answer.header("location") {
            Some(to) => url = url.join(to).unwrap(),
            None => return answer.text().into_owned(),
        }
    }
    String::new()
}
