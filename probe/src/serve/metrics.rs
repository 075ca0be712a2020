//! The metrics, and their text. Labels are words of this program's own: no server can make one up.

use std::time::{Duration, SystemTime};

use probe::{Cause, Login, Outcome};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// What an exchange of a login takes, from a neighbour's answer to a time limit.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

type Seconds = Gauge<f64, std::sync::atomic::AtomicU64>;

/// Labels, by their names.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Metrics that differ in one label.
type By<M, C = fn() -> M> = Family<Labels<1>, M, C>;

fn by_outcome(outcome: Outcome) -> Labels<1> {
    [("outcome", outcome.name())]
}

/// What was counted of one target since the start.
#[derive(Clone)]
pub(super) struct Counted {
    logins: By<Counter>,
    hops: By<Histogram>,
    certificates: By<Gauge>,
}

impl Default for Counted {
    fn default() -> Self {
        let logins = By::<Counter>::default();
        // A counter that is not there before its first time hides that time from `increase`.
        Outcome::ALL.iter().for_each(|outcome| drop(logins.get_or_create(&by_outcome(*outcome))));
        let hops = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        Self { logins, hops, certificates: Family::default() }
    }
}

impl Counted {
    pub(super) fn add(&self, login: &Login) {
        self.logins.get_or_create(&by_outcome(Outcome::of(login))).inc();
        for exchange in &login.exchanges {
            self.hops.get_or_create(&[("step", exchange.step.name())]).observe(exchange.time.as_secs_f64());
            if let Some(end) = exchange.certificate {
                let server = if exchange.step.is_argocds() { "argocd" } else { "provider" };
                self.certificates.get_or_create(&[("server", server)]).set(end.as_second());
            }
        }
    }
}

/// What is told of one target.
pub(super) struct Told<'a> {
    pub(super) login: &'a Login,
    pub(super) counted: &'a Counted,
    pub(super) age: Duration,
    pub(super) withheld: bool,
    pub(super) pause: Duration,
}

impl Told<'_> {
    pub(super) fn text(&self) -> String {
        let mut registry = Registry::with_prefix("probe");
        let login = self.login;
        let outcome = Outcome::of(login);
        let mut seconds = |name, help, time: Duration| {
            let gauge = Seconds::default();
            gauge.set(time.as_secs_f64());
            registry.register(name, help, gauge);
        };
        seconds("duration_seconds", "How long the last login took", login.time);
        seconds("login_age_seconds", "How long ago the login that is told here ended", self.age);
        seconds(
            "login_backoff_seconds",
            "How long no login is made because a server throttles, or may count attempts",
            self.pause,
        );
        let status = login.exchanges.last().and_then(|exchange| exchange.status).unwrap_or_default();
        let mut number = |name, help, value: bool| {
            let gauge = Gauge::<i64>::default();
            gauge.set(value.into());
            registry.register(name, help, gauge);
        };
        number("success", "Whether the last login passed", login.outcome.is_ok());
        number(
            "login_password_withheld",
            "Whether the provider refused this password, so that none is sent until it changes",
            self.withheld,
        );
        let code = Gauge::<i64>::default();
        code.set(status.into());
        registry.register("http_status_code", "The status of the last answer, 0 if there was none", code);
        let states = By::<Gauge>::default();
        for state in Outcome::ALL {
            states.get_or_create(&by_outcome(state)).set((state == outcome).into());
        }
        registry.register("login_outcome", "How the last login ended: one of them is 1", states);
        if let Some(failed) = failed(login) {
            let failure = Family::<_, Gauge>::default();
            failure.get_or_create(&failed).set(1);
            registry.register("login_failure_info", "At which step the last login failed, and why", failure);
        }
        registry.register("logins", "Logins to this target since the start", self.counted.logins.clone());
        registry.register(
            "login_hop_duration_seconds",
            "How long the exchanges of each step took, since the start",
            self.counted.hops.clone(),
        );
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "Until when the certificate that was seen last is good",
            self.counted.certificates.clone(),
        );
        encode(&registry)
    }
}

/// Where and why a login failed: the kind of answer, and the causes of the catalogue that look like it.
fn failed(login: &Login) -> Option<[(&'static str, String); 4]> {
    let failure = login.outcome.as_ref().err()?;
    let ids = failure.cause.candidates(false).ids;
    Some([
        ("step", failure.step.name().to_owned()),
        ("answer", answer(failure.cause)),
        ("cause", ids.first().map_or("none", |id| id.name()).to_owned()),
        ("candidates", ids.len().to_string()),
    ])
}

/// The name of a kind of answer, as in JSON.
fn answer(cause: Cause) -> String {
    let name = serde_json::to_value(cause).ok();
    name.as_ref().and_then(|name| name.as_str()).unwrap_or_default().to_owned()
}

/// What became of a scrape.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scrape {
    /// A login was made for it.
    Login,
    /// The last one was told again.
    Kept,
    /// None could be made in time.
    Busy,
    /// It asked for what the file does not allow.
    Rejected,
}

impl Scrape {
    const ALL: [Self; 4] = [Self::Login, Self::Kept, Self::Busy, Self::Rejected];

    fn label(self) -> Labels<1> {
        let result = match self {
            Self::Login => "login",
            Self::Kept => "kept",
            Self::Busy => "busy",
            Self::Rejected => "rejected",
        };
        [("result", result)]
    }
}

/// The metrics of the exporter itself.
pub(super) struct Own {
    registry: Registry,
    logins: By<Counter>,
    running: Gauge,
    scrapes: By<Counter>,
    reloaded: Gauge,
    reload_time: Seconds,
}

impl Own {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("probe_exporter");
        let build = By::<Gauge>::default();
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        let own = Self {
            registry: Registry::default(),
            logins: Family::default(),
            running: Gauge::default(),
            scrapes: Family::default(),
            reloaded: Gauge::default(),
            reload_time: Seconds::default(),
        };
        Outcome::ALL.iter().for_each(|it| drop(own.logins.get_or_create(&by_outcome(*it))));
        Scrape::ALL.iter().for_each(|it| drop(own.scrapes.get_or_create(&it.label())));
        registry.register("build_info", "The release that runs", build);
        registry.register("logins", "Logins to all targets", own.logins.clone());
        registry.register("logins_running", "Logins under way", own.running.clone());
        registry.register("scrapes", "What became of the scrapes of targets", own.scrapes.clone());
        registry.register(
            "config_last_reload_successful",
            "Whether the file of modules could be read the last time",
            own.reloaded.clone(),
        );
        registry.register(
            "config_last_reload_success_timestamp_seconds",
            "When the file of modules could last be read",
            own.reload_time.clone(),
        );
        Self { registry, ..own }
    }

    pub(super) fn read_config(&self, ok: bool) {
        self.reloaded.set(ok.into());
        if ok {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.reload_time.set(now.as_secs_f64());
        }
    }

    pub(super) fn scraped(&self, scrape: Scrape) {
        self.scrapes.get_or_create(&scrape.label()).inc();
    }

    pub(super) fn began(&self) {
        self.running.inc();
    }

    pub(super) fn ended(&self, login: &Login) {
        self.running.dec();
        self.logins.get_or_create(&by_outcome(Outcome::of(login))).inc();
    }

    pub(super) fn text(&self) -> String {
        encode(&self.registry)
    }
}

fn encode(registry: &Registry) -> String {
    let mut text = String::new();
    // A String takes whatever is written to it.
    let _ = text::encode(&mut text, registry);
    text
}

/// OpenMetrics in Prometheus' older words, for whoever does not ask for the newer: a counter is called by its full
/// name, and nothing marks the end.
pub(super) fn in_old_words(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len() + 256);
    let types = openmetrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let counters: Vec<&str> = types.filter_map(|line| line.strip_suffix(" counter")).collect();
    for line in openmetrics.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(kind), Some(name), Some(rest)) if counters.contains(&name) => {
                text += &format!("# {kind} {name}_total {rest}\n");
            }
            _ => {
                text += line;
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_words_name_a_counter_in_full_and_leave_the_rest() {
        let own = Own::new();
        own.scraped(Scrape::Kept);
        let text = in_old_words(&own.text());
        assert!(text.contains("# TYPE probe_exporter_scrapes_total counter\n"), "{text}");
        assert!(text.contains("probe_exporter_scrapes_total{result=\"kept\"} 1\n"), "{text}");
        assert!(text.contains("# TYPE probe_exporter_logins_running gauge\n"), "{text}");
        assert!(!text.contains("EOF"), "{text}");
    }

    #[test]
    fn kinds_of_answers_go_by_their_names_in_json() {
        assert_eq!(answer(Cause::InvalidClient), "invalid-client");
    }
}
