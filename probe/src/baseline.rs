//! `--baseline`: whether logins have become slower than in an earlier run that was well.

use std::path::Path;

use probe::Latency;
use serde::Serialize;
use serde_json::Value;

/// Of fewer logins a median says nothing.
pub(crate) const LEAST: u32 = 3;

/// So many milliseconds more are noise, whatever the factor: a login takes as long as its servers need for other things.
const NOISE: f64 = 50.0;

/// An earlier run, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Baseline {
    /// Its median.
    median_ms: f64,
    /// How many times that is too slow.
    factor: f64,
    /// Whether this run is; None where too few logins were answered.
    pub(crate) slower: Option<bool>,
}

impl Baseline {
    /// Reads the document of an earlier run: the probe's own, or that of `cargo xtask … test`.
    pub(crate) fn read(path: &Path, factor: f64) -> Result<Self, String> {
        let shown = path.display();
        let text =
            std::fs::read(path).map_err(|error| format!("--baseline {shown} cannot be read: {error}"))?;
        let document = serde_json::from_slice(&text)
            .map_err(|error| format!("--baseline {shown} is no JSON document: {error}"))?;
        Self::of(&document, factor).map_err(|why| format!("--baseline {shown} {why}"))
    }

    fn of(document: &Value, factor: f64) -> Result<Self, &'static str> {
        let last = document["goals"].as_array().and_then(|all| all.iter().rfind(|it| it["goal"] == "test"));
        let run = last.unwrap_or(document);
        let median = run["latency_ms"]["median"].as_f64();
        let median_ms = median
            .filter(|median| *median > 0.0)
            .ok_or("is not the report of logins: it has no latency_ms.median")?;
        if run["verdict"] != probe::Verdict::LoggedIn.name() {
            return Err("is of a run whose logins did not all pass: take the last one that was well");
        }
        if run["logins"]["total"].as_u64().is_none_or(|total| total < LEAST.into()) {
            return Err("is of fewer than 3 logins, whose median says nothing");
        }
        Ok(Self { median_ms, factor, slower: None })
    }

    /// Holds a run against it; gives a line for people.
    pub(crate) fn hold(&mut self, latency: Option<Latency>, logins: usize) -> String {
        let Some(now) = latency.map(|it| it.median).filter(|_| logins >= LEAST as usize) else {
            return format!("  not held against the baseline: fewer than {LEAST} logins were answered");
        };
        let slower = now > self.median_ms * self.factor && now > self.median_ms + NOISE;
        self.slower = Some(slower);
        let words = if slower { "slower than" } else { "as fast as" };
        let times = (now / self.median_ms * 10.0).round() / 10.0;
        format!(
            "  {words} the baseline: {now} ms at the median, {times} times its {} ms (too slow from {} times)",
            self.median_ms, self.factor
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(verdict: &str, total: u32, median: f64) -> Value {
        json!({"verdict": verdict, "logins": {"total": total}, "latency_ms": {"median": median}})
    }

    fn slower(before: f64, now: f64, logins: usize) -> Option<bool> {
        let mut baseline = Baseline::of(&document("logged-in", 5, before), 2.0).unwrap();
        baseline.hold(Some(Latency { min: now, median: now, p95: now, max: now }), logins);
        baseline.slower
    }

    #[test]
    fn slower_is_what_is_more_than_the_factor_and_more_than_noise() {
        assert_eq!(slower(100.0, 250.0, 5), Some(true));
        assert_eq!(slower(100.0, 199.0, 5), Some(false));
        assert_eq!(slower(5.0, 30.0, 5), Some(false), "a few milliseconds are noise");
        assert_eq!(slower(5.0, 56.0, 5), Some(true));
        assert_eq!(slower(100.0, 900.0, 2), None, "two logins have no median");
    }

    #[test]
    fn both_documents_are_read_and_others_refused() {
        let well = document("logged-in", 5, 80.0);
        let mut test = well.clone();
        test["goal"] = "test".into();
        for document in [well, json!({"goals": [{"goal": "working"}, test]})] {
            assert_eq!(Baseline::of(&document, 3.0).unwrap().median_ms, 80.0);
        }
        for (document, why) in [
            (json!({}), "no latency_ms.median"),
            (json!([]), "no latency_ms.median"),
            (document("logged-in", 5, 0.0), "no latency_ms.median"),
            (document("mixed", 5, 80.0), "did not all pass"),
            (document("logged-in", 2, 80.0), "fewer than 3"),
        ] {
            assert!(Baseline::of(&document, 2.0).unwrap_err().contains(why), "{document}");
        }
    }
}
