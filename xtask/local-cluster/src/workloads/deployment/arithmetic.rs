//! How many pods each ReplicaSet of a rollout may have: the numbers of Kubernetes'
//! Deployment controller.

use serde_json::Value;

/// How far a rolling update may go above and below the wanted number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slack {
    pub(super) surge: i64,
    pub(super) unavailable: i64,
}

impl Slack {
    /// Of a Deployment; nothing for one that is recreated.
    pub(super) fn of(deployment: &Value) -> Self {
        if is_recreated(deployment) {
            return Self { surge: 0, unavailable: 0 };
        }
        let replicas = wanted(deployment);
        let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
        let surge = share(&rolling["maxSurge"], replicas, true);
        let unavailable = share(&rolling["maxUnavailable"], replicas, false);
        // With neither, an update could not begin.
        if surge == 0 && unavailable == 0 {
            Self { surge, unavailable: 1 }
        } else {
            Self { surge, unavailable }
        }
    }
}

/// Whether all old pods go before the first new one comes.
pub(super) fn is_recreated(deployment: &Value) -> bool {
    deployment["spec"]["strategy"]["type"] == "Recreate"
}

/// `spec.replicas`, of a Deployment or a ReplicaSet.
pub(super) fn wanted(object: &Value) -> i64 {
    object["spec"]["replicas"].as_i64().unwrap_or(1).max(0)
}

/// A count, or a percentage of `whole`, a quarter if it is left out.
fn share(value: &Value, whole: i64, up: bool) -> i64 {
    let percent = |percent: i64| {
        let hundredths = whole.saturating_mul(percent);
        if up { hundredths.saturating_add(99) / 100 } else { hundredths / 100 }
    };
    let share = match value {
        Value::String(text) => match text.strip_suffix('%') {
            Some(number) => percent(number.parse().unwrap_or(25)),
            None => text.parse().unwrap_or(0),
        },
        Value::Number(number) => number.as_i64().unwrap_or(0),
        _ => percent(25),
    };
    share.max(0)
}

/// One ReplicaSet of a rollout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// `spec.replicas`.
    pub(super) wanted: i64,
    /// `status.availableReplicas`.
    pub(super) available: i64,
}

/// How large the new ReplicaSet may be now, while `all` (it included) have `total` pods.
pub(super) fn new_size(replicas: i64, slack: Slack, new: i64, total: i64) -> i64 {
    let room = replicas + slack.surge - total;
    if room <= 0 { new } else { new + room.min(replicas - new).max(0) }
}

/// How large the old ReplicaSets (oldest first) may be now.
pub(super) fn old_sizes(replicas: i64, slack: Slack, new: Size, old: &[Size]) -> Vec<i64> {
    let mut sizes: Vec<i64> = old.iter().map(|it| it.wanted).collect();
    let total: i64 = sizes.iter().sum::<i64>() + new.wanted;
    let least = replicas - slack.unavailable;
    let mut removable = total - least - (new.wanted - new.available);
    if removable <= 0 {
        return sizes;
    }
    // Pods that serve nobody go first: that is how a broken update is left behind.
    for (size, it) in sizes.iter_mut().zip(old) {
        let cut = (*size - it.available).clamp(0, removable);
        *size -= cut;
        removable -= cut;
    }
    let available: i64 = old.iter().map(|it| it.available).sum::<i64>() + new.available;
    let mut surplus = available - least;
    for size in &mut sizes {
        let cut = (*size).min(surplus).max(0);
        *size -= cut;
        surplus -= cut;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn slack(replicas: i64, surge: Value, unavailable: Value) -> (i64, i64) {
        let deployment = json!({"spec": {"replicas": replicas, "strategy": {
            "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}});
        let slack = Slack::of(&deployment);
        (slack.surge, slack.unavailable)
    }

    #[test]
    fn surge_rounds_up_and_unavailable_down() {
        assert_eq!(slack(1, json!(null), json!(null)), (1, 0));
        assert_eq!(slack(4, json!(null), json!(null)), (1, 1));
        assert_eq!(slack(10, json!("30%"), json!("30%")), (3, 3));
        assert_eq!(slack(3, json!("50%"), json!("50%")), (2, 1));
        assert_eq!(slack(3, json!(0), json!(0)), (0, 1));
        assert_eq!(slack(3, json!(2), json!(0)), (2, 0));
        assert_eq!(slack(3, json!("x%"), json!(-1)), (1, 0));
    }

    #[test]
    fn a_rolling_update_of_one_brings_the_new_one_first() {
        let slack = Slack { surge: 1, unavailable: 0 };
        assert_eq!(new_size(1, slack, 0, 1), 1);
        let size = |wanted, available| Size { wanted, available };
        assert_eq!(old_sizes(1, slack, size(1, 0), &[size(1, 1)]), [1]);
        assert_eq!(old_sizes(1, slack, size(1, 1), &[size(1, 1)]), [0]);
    }

    #[test]
    fn broken_old_pods_go_before_healthy_ones() {
        let size = |wanted, available| Size { wanted, available };
        let slack = Slack { surge: 1, unavailable: 1 };
        assert_eq!(old_sizes(4, slack, size(1, 0), &[size(1, 0), size(3, 3)]), [0, 3]);
        assert_eq!(old_sizes(4, slack, size(2, 2), &[size(3, 3)]), [1]);
        assert_eq!(old_sizes(4, slack, size(4, 4), &[size(1, 1), size(0, 0)]), [0, 0]);
    }
}
