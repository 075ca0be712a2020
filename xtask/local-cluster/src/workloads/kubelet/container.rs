//! A container of a pod: what it is, and how its state is said.

use serde_json::{Value, json};

use super::pod::Pod;
use super::status::ContainerStatus;

/// A container of a pod.
pub(super) struct Container<'a> {
    pub(super) pod: &'a Pod,
    pub(super) index: usize,
    pub(super) spec: &'a Value,
    pub(super) name: &'a str,
}

impl Container<'_> {
    /// Changes what is known of it, and writes the pod's status.
    pub(super) fn change(&self, change: impl FnOnce(&mut ContainerStatus)) {
        self.pod.change(self.index, change);
    }

    /// It does not run, and why.
    pub(super) fn wait(&self, reason: &'static str, message: String) {
        self.change(|it| it.go_on("waiting", json!({"reason": reason, "message": message})));
    }

    /// Something that is meant to happen.
    pub(super) fn normal(&self, reason: &'static str, message: impl Into<String>) {
        self.say(false, reason, message.into());
    }

    /// Something that is not.
    pub(super) fn warning(&self, reason: &'static str, message: impl Into<String>) {
        self.say(true, reason, message.into());
    }

    fn say(&self, warning: bool, reason: &'static str, message: String) {
        let field = format!("spec.containers{{{}}}", self.name);
        self.pod.node.recorder.say(&self.pod.object, field, warning, reason, message);
    }
}
