//! Finds the release that changed what happens, with as few labs as it takes.

use std::collections::{BTreeMap, VecDeque};

use probe::Verdict;

use super::lab::Measured;
use super::select::{Available, Subject};
use super::table::cell;
use crate::cli::Range;
use crate::known::{Refusal, Stage};
use base::{Error, Result};

/// The releases from one end to the other.
///
/// # Errors
/// There is nothing between which a change could be: an end is missing.
pub fn subjects(range: &Range, available: &Available) -> Result<Vec<Subject>> {
    let found = available.range(&range.first, &range.last);
    for end in [&range.first, &range.last] {
        if !found.iter().any(|it| it.release.as_ref() == Some(end)) {
            return Err(Error::environment(format!("{end} is not among the releases to choose from")));
        }
    }
    Ok(found)
}

/// What a bisection found.
#[derive(Debug)]
pub struct Found {
    /// What was looked at, by its place in the range.
    seen: BTreeMap<usize, Measured>,
    /// The places of the last release of the old behaviour and of the first of another.
    change: Option<[usize; 2]>,
}

impl Found {
    /// The last release of the old behaviour and the first of another. Nothing if every
    /// release was looked at and all behave alike.
    pub fn change(&self) -> Option<[&Measured; 2]> {
        let [before, after] = self.change?;
        Some([self.seen.get(&before)?, self.seen.get(&after)?])
    }

    /// What was looked at, oldest first.
    pub fn into_seen(self) -> Vec<Measured> {
        self.seen.into_values().collect()
    }

    /// `changed between v3.2.12: logged-in 20/20 and v3.3.0: refused 0/20`.
    pub fn text(&self, stage: Stage) -> String {
        let line = |measured: &Measured| {
            let (cell, ways) = (cell(measured.stage(stage)), measured.refusals(stage));
            let ways: Vec<String> = ways.iter().map(|way| format!(" at {way}")).collect();
            format!("{}: {cell}{}", measured.label, ways.join(","))
        };
        let ends = self.seen.first_key_value().zip(self.seen.last_key_value());
        let (Some([before, after]), Some(((_, first), (_, last)))) = (self.change(), ends) else {
            return format!("nothing changed: all {} releases behave alike", self.seen.len());
        };
        let mut text = format!("changed between {} and {}", line(before), line(after));
        if behaviour(first, stage) == behaviour(last, stage) {
            text.push_str(&format!("; by {} it is as before", line(last)));
        }
        text
    }
}

/// What is held against each other: the verdict, and in which ways logins failed.
fn behaviour(measured: &Measured, stage: Stage) -> Option<(Verdict, Vec<Refusal>)> {
    let (verdict, _) = measured.stage(stage)?;
    let mut refusals = measured.refusals(stage);
    // Which of them was the most frequent is chance.
    refusals.sort_by_key(ToString::to_string);
    Some((verdict, refusals))
}

/// Looks at both ends and halves the range until two neighbours differ. Where both ends
/// behave alike, whatever differs between them is looked for first: in the middle, in
/// the middles of both halves, and so on. `measure` looks at releases, several at once
/// where it is given several.
///
/// # Errors
/// A release could not be looked at.
pub async fn bisect<M>(subjects: &[Subject], stage: Stage, mut measure: M) -> Result<Found>
where
    M: AsyncFnMut(&[Subject]) -> Vec<Measured>,
{
    let behaves = |measured: &Measured| -> Result<(Verdict, Vec<Refusal>)> {
        match (&measured.error, behaviour(measured, stage)) {
            (None, Some(behaviour)) => Ok(behaviour),
            (Some(error), _) => Err(error.clone().context(&measured.label)),
            (None, None) => Err(Error::environment(format!("{} showed nothing", measured.label))),
        }
    };
    let end = subjects.len() - 1;
    let ends = measure(&[subjects[0].clone(), subjects[end].clone()]).await;
    let mut seen: BTreeMap<usize, Measured> = [0, end].into_iter().zip(ends).collect();
    let old = behaves(&seen[&0])?;
    let mut other = (behaves(&seen[&end])? != old).then_some(end);
    let mut middles = middles(end);
    loop {
        // Where to look next: between the neighbours that are known to differ, else
        // wherever nobody looked yet.
        let place = match other {
            Some(high) => {
                let low = seen.range(..high).next_back().map_or(0, |(low, _)| *low);
                if high - low == 1 {
                    return Ok(Found { seen, change: Some([low, high]) });
                }
                usize::midpoint(low, high)
            }
            None => match middles.next() {
                Some(place) => place,
                None => return Ok(Found { seen, change: None }),
            },
        };
        let Some(measured) = measure(&subjects[place..=place]).await.pop() else {
            return Err(Error::environment("a release could not be looked at"));
        };
        if behaves(&measured)? != old {
            other = Some(place);
        }
        seen.insert(place, measured);
    }
}

/// Every place between 0 and `end`: the middle, the middles of both halves, and so on.
fn middles(end: usize) -> impl Iterator<Item = usize> {
    let mut gaps = VecDeque::from([(0, end)]);
    std::iter::from_fn(move || {
        while let Some((low, high)) = gaps.pop_front() {
            let middle = usize::midpoint(low, high);
            if low < middle && middle < high {
                gaps.extend([(low, middle), (middle, high)]);
                return Some(middle);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use probe::{Cause, Step};

    use releases::Release;

    use super::*;
    use crate::cli::Goal;
    use crate::goals::stories::{Logins, Row};

    /// Releases from `bad` on are refused, up to the one before `good`.
    fn look(subjects: &[Subject], bad: &str, good: &str) -> Vec<Measured> {
        let [bad, good] = [bad, good].map(|name| Release::parse(name).unwrap());
        let one = |subject: &Subject| {
            let refused = (&bad..&good).contains(&subject.release.as_ref().unwrap());
            let (verdict, ok) = if refused { (Verdict::Refused, 0) } else { (Verdict::LoggedIn, 5) };
            let logins = Logins { total: 5, ok, failed: 5 - ok };
            let (after, stage) = (Goal::Break, Stage::Break);
            let row = Row {
                after,
                stage,
                verdict,
                logins,
                refusals: vec![],
                known: None,
                known_refusals: &[],
                as_known: true,
                message: None,
                shown: Default::default(),
            };
            let (label, time) = (subject.label(), Duration::ZERO);
            Measured { label, argocd: None, dex: None, rows: vec![row], error: None, time }
        };
        subjects.iter().map(one).collect()
    }

    /// What is found, and how many releases were looked at for it. Fifteen are to choose
    /// from.
    async fn run(bad: &str, good: &str) -> (Found, usize) {
        let subjects = subjects(&Range::parse("v3.2.6..v3.3.7").unwrap(), &Available::published()).unwrap();
        assert_eq!(subjects.len(), 15);
        let mut looked = 0;
        let found = bisect(&subjects, Stage::Break, async |subjects: &[Subject]| {
            looked += subjects.len();
            look(subjects, bad, good)
        })
        .await;
        (found.unwrap(), looked)
    }

    #[tokio::test]
    async fn the_first_release_of_the_new_behaviour_is_found_in_few_looks() {
        for bad in ["v3.2.7", "v3.3.0", "v3.3.7"] {
            let (found, looked) = run(bad, "v3.5.0").await;
            assert_eq!(found.change().unwrap()[1].label, bad);
            // Both ends and at most four halvings.
            assert!(looked <= 6, "{looked}");
        }
        let (found, _) = run("v3.3.0", "v3.5.0").await;
        assert_eq!(
            found.text(Stage::Break),
            "changed between v3.2.12: logged-in 5/5 and v3.3.0: refused 0/5"
        );
    }

    #[tokio::test]
    async fn what_changed_back_is_found_too() {
        for (bad, good) in [("v3.3.0", "v3.3.7"), ("v3.2.8", "v3.2.9"), ("v3.3.6", "v3.3.7")] {
            let (found, _) = run(bad, good).await;
            assert_eq!(found.change().unwrap()[1].label, bad);
        }
        let (found, looked) = run("v3.3.0", "v3.3.7").await;
        assert_eq!(
            found.text(Stage::Break),
            "changed between v3.2.12: logged-in 5/5 and v3.3.0: refused 0/5; by v3.3.7: logged-in 5/5 it is as before"
        );
        assert!(looked <= 6, "{looked}");
    }

    #[tokio::test]
    async fn where_all_behave_alike_all_were_looked_at() {
        let (found, looked) = run("v3.4.0", "v3.5.0").await;
        assert!(found.change().is_none());
        assert_eq!(found.text(Stage::Break), "nothing changed: all 15 releases behave alike");
        assert_eq!((looked, found.into_seen().len()), (15, 15));
    }

    #[tokio::test]
    async fn another_step_of_the_same_refusal_is_another_behaviour() {
        let subjects = subjects(&Range::parse("v3.3.5..v3.3.6").unwrap(), &Available::published()).unwrap();
        let found = bisect(&subjects, Stage::Break, async |subjects: &[Subject]| {
            let mut seen = look(subjects, "v3.3.0", "v3.4.0");
            for measured in &mut seen {
                let step = if measured.label == "v3.3.5" { Step::Authorize } else { Step::Callback };
                measured.rows[0].refusals = vec![Refusal { step, answer: Cause::Unknown }];
            }
            seen
        });
        assert_eq!(
            found.await.unwrap().text(Stage::Break),
            "changed between v3.3.5: refused 0/5 at authorize (unknown) and v3.3.6: refused 0/5 at callback (unknown)"
        );
    }

    #[test]
    fn ranges_are_read() {
        assert!(Range::parse("v3.2.6..v3.3.7").is_ok());
        for text in ["v3.2.6", "v3.3.7..v3.2.6", "v3.3.7..v3.3.7", "a..b"] {
            assert!(Range::parse(text).is_err(), "{text}");
        }
    }
}
