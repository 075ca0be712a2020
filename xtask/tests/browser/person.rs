//! A person at a browser: presses what can be pressed on Argo CD's page, types into the
//! provider's form, and reads.

use std::path::Path;

use serde_json::Value;

use crate::support::Lab;
use crate::webdriver::{Browser, Programs, Sight, View};

/// Whoever logs in, before a browser of their own.
pub struct Person {
    pub browser: Browser,
    pub address: String,
    user: String,
    password: String,
}

/// Where an attempt to log in came to its end.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// Before there was anything to press.
    Page,
    /// Before the provider's form.
    Button,
    /// After the form.
    Form,
}

impl Person {
    /// Sits down before a lab that is up, at the browser that `open` tells of.
    pub fn before(lab: &Lab, programs: &Programs) -> Self {
        let open = lab.json(0, &["open"])["goals"][0].clone();
        let field = |it: &Value| it.as_str().unwrap_or_else(|| panic!("{open:#}")).to_owned();
        let command: Vec<String> = open["command"].as_array().unwrap().iter().map(field).collect();
        // What stands between the program and the address.
        let told = command[1..command.len() - 1].to_vec();
        Self {
            browser: Browser::open(programs, &told),
            address: field(&open["url"]),
            user: field(&open["user"]),
            password: field(&open["password"]),
        }
    }

    /// Logs in and is shown the applications, as who they are.
    #[track_caller]
    pub fn logs_in(&self) {
        self.reads("No applications available to you just yet");
        self.browser.wait("button to log out", |sight| has_button(sight, "Log out").then_some(()));
        self.browser.go(&format!("{}user-info", self.address));
        let user = format!("Username: {}", self.user);
        self.browser.wait(&user, |sight| sight.says(&user).then_some(()));
    }

    /// Logs out and is shown the page to log in.
    #[track_caller]
    pub fn logs_out(&self) {
        self.browser.wait("button to log out", |sight| has_button(sight, "Log out").then_some(()));
        self.browser.click("Log out");
        self.browser.wait("button to log in", |sight| has_button(sight, "Log in via").then_some(()));
    }

    /// Tries to log in until these words are on the screen; where, and what else.
    #[track_caller]
    pub fn reads(&self, words: &str) -> (End, Sight) {
        let shows = |what: &str, more: fn(&Sight) -> bool| {
            let what = format!("{what}, nor “{words}”");
            self.browser.wait(&what, |sight| {
                let read = sight.says(words);
                (read || more(sight)).then(|| read.then(|| sight.clone()))
            })
        };
        self.browser.go(&self.address);
        if let Some(sight) = shows("button to log in", |sight| has_button(sight, "Log in via")) {
            return (End::Page, sight);
        }
        self.browser.click("Log in via");
        if let Some(sight) = shows("form", |sight| sight.fields.iter().any(|field| field == "login")) {
            return (End::Button, sight);
        }
        self.fills_the_form();
        let sight = shows("page after the form", |_| false);
        (End::Form, sight.unwrap_or_else(|| unreachable!("nothing else ends the wait")))
    }

    /// Takes a picture of each page of a login that ends in these words.
    pub fn takes_pictures(&self, folder: &Path, words: &str) {
        self.browser.view(&View { name: "", width: 640, height: 400, scheme: "light", print: false });
        let take = |name: &str| self.browser.picture(&folder.join(format!("{name}.png")), Some(400));
        self.browser.go(&self.address);
        self.browser.wait("button to log in", |sight| has_button(sight, "Log in via").then_some(()));
        take("argocd-login");
        self.browser.click("Log in via");
        self.browser.wait("form", |sight| sight.fields.iter().any(|field| field == "login").then_some(()));
        take("dex-login");
        self.fills_the_form();
        self.browser.wait(words, |sight| sight.says(words).then_some(()));
        take("argocd-refused");
    }

    /// Types user and password into the provider's form, and sends it.
    pub fn fills_the_form(&self) {
        self.browser.fill("login", &self.user);
        self.browser.fill("password", &self.password);
        self.browser.submit();
    }
}

fn has_button(sight: &Sight, words: &str) -> bool {
    sight.buttons.iter().any(|button| button.trim().starts_with(words))
}
