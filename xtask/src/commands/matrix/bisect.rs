//! Finds the release that changed what happens, with as few labs as it takes.

use local_lab::release::Release;
use probe::Verdict;

use super::lab::Measured;
use super::select::{Available, Subject, parse};
use super::table::cell;
use crate::error::{Error, Result};
use crate::known::Stage;

/// `v3.2.6..v3.3.7`: a release of the old behaviour and one of the new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    first: Release,
    last: Release,
}

impl Range {
    /// Reads `A..B`.
    ///
    /// # Errors
    /// It is not of that form, or B is not after A.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").ok_or("write it as v3.2.6..v3.3.7")?;
        let release = |text: &str| parse(text).map_err(|error| error.to_string());
        let (first, last) = (release(first)?, release(last)?);
        if first >= last {
            return Err(format!("{last} does not come after {first}"));
        }
        Ok(Self { first, last })
    }

    /// The releases from one end to the other.
    ///
    /// # Errors
    /// There is nothing between which a change could be: an end is missing.
    pub fn subjects(&self, available: &Available) -> Result<Vec<Subject>> {
        let found = available.range(&self.first, &self.last);
        let ends = [&self.first, &self.last];
        match ends.into_iter().find(|end| !found.iter().any(|it| it.release.as_ref() == Some(end))) {
            Some(missing) => {
                Err(Error::environment(format!("{missing} is not among the releases to choose from")))
            }
            None => Ok(found),
        }
    }
}

/// What a bisection found.
#[derive(Debug)]
pub struct Found {
    /// The last release of the old behaviour.
    pub before: Measured,
    /// The first release of the new one.
    pub after: Measured,
    /// What was looked at on the way.
    pub others: Vec<Measured>,
}

impl Found {
    /// `v3.2.12: logged-in 20/20, v3.3.0: refused 0/20`.
    pub fn text(&self, stage: Stage) -> String {
        let line = |measured: &Measured| format!("{}: {}", measured.label, cell(measured.stage(stage)));
        format!("changed between {} and {}", line(&self.before), line(&self.after))
    }
}

/// Halves the range until two neighbours differ. `measure` looks at releases, several at
/// once where it is given several.
///
/// # Errors
/// A release could not be looked at, or both ends behave alike.
pub async fn bisect<M>(subjects: &[Subject], stage: Stage, mut measure: M) -> Result<Found>
where
    M: AsyncFnMut(&[Subject]) -> Vec<Measured>,
{
    let verdict = |measured: &Measured| -> Result<Verdict> {
        match (&measured.error, measured.stage(stage)) {
            (None, Some((verdict, _))) => Ok(verdict),
            (Some(error), _) => Err(error.clone().context(&measured.label)),
            (None, None) => Err(Error::environment(format!("{} showed nothing", measured.label))),
        }
    };
    let (mut low, mut high) = (0, subjects.len() - 1);
    let ends = measure(&[subjects[low].clone(), subjects[high].clone()]).await;
    let Ok([mut before, mut after]) = <[Measured; 2]>::try_from(ends) else {
        return Err(Error::environment("the ends of the range could not be looked at"));
    };
    let old = verdict(&before)?;
    if old == verdict(&after)? {
        return Err(Error::environment(format!(
            "{} and {} behave alike ({old}), so no change between them can be found",
            before.label, after.label
        ))
        .hint("choose ends that differ"));
    }
    let mut others = vec![];
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        let Some(seen) = measure(&subjects[middle..=middle]).await.pop() else {
            return Err(Error::environment("a release could not be looked at"));
        };
        let replaced = if verdict(&seen)? == old {
            low = middle;
            std::mem::replace(&mut before, seen)
        } else {
            high = middle;
            std::mem::replace(&mut after, seen)
        };
        others.push(replaced);
    }
    Ok(Found { before, after, others })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::Goal;
    use crate::goals::stories::{Logins, Row};

    /// Releases from `bad` on are refused.
    fn look(subjects: &[Subject], bad: &str) -> Vec<Measured> {
        let bad = Release::parse(bad).unwrap();
        let one = |subject: &Subject| {
            let refused = subject.release.as_ref().unwrap() >= &bad;
            let (verdict, ok) = if refused { (Verdict::Refused, 0) } else { (Verdict::LoggedIn, 5) };
            let logins = Logins { total: 5, ok, failed: 5 - ok };
            let (after, stage) = (Goal::Break, Stage::Break);
            let row = Row { after, stage, verdict, logins, known: None, as_known: true, message: None };
            let (label, time) = (subject.label(), Duration::ZERO);
            Measured { label, argocd: None, dex: None, rows: vec![row], error: None, time }
        };
        subjects.iter().map(one).collect()
    }

    async fn run(range: &str, bad: &str) -> (Result<Found>, usize) {
        let subjects = Range::parse(range).unwrap().subjects(&Available::published()).unwrap();
        let mut looked = 0;
        let found = bisect(&subjects, Stage::Break, async |subjects: &[Subject]| {
            looked += subjects.len();
            look(subjects, bad)
        })
        .await;
        (found, looked)
    }

    #[tokio::test]
    async fn the_first_release_of_the_new_behaviour_is_found_in_few_looks() {
        for bad in ["v3.2.7", "v3.3.0", "v3.3.7"] {
            let (found, looked) = run("v3.2.6..v3.3.7", bad).await;
            assert_eq!(found.unwrap().after.label, bad);
            // 15 releases: both ends and at most four halvings.
            assert!(looked <= 6, "{looked}");
        }
        let (found, _) = run("v3.2.6..v3.3.7", "v3.3.0").await;
        let text = found.unwrap().text(Stage::Break);
        assert_eq!(text, "changed between v3.2.12: logged-in 5/5 and v3.3.0: refused 0/5");
    }

    #[tokio::test]
    async fn ends_that_behave_alike_are_said() {
        let (found, looked) = run("v3.2.6..v3.3.7", "v3.4.0").await;
        let error = found.unwrap_err().to_string();
        assert!(error.starts_with("v3.2.6 and v3.3.7 behave alike (logged-in)"), "{error}");
        assert_eq!(looked, 2);
    }

    #[test]
    fn ranges_are_read() {
        assert!(Range::parse("v3.2.6..v3.3.7").is_ok());
        for text in ["v3.2.6", "v3.3.7..v3.2.6", "v3.3.7..v3.3.7", "a..b"] {
            assert!(Range::parse(text).is_err(), "{text}");
        }
    }
}
