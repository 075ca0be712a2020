//! What was measured on real programs, kept in the repository: `measured.json`, and the
//! table that docs/releases.md shows of it. A stand-in never gets in here.

use std::collections::BTreeMap;

use releases::Release;
use serde::{Deserialize, Serialize};

use super::lab::Measured;
use super::table::COLUMNS;
use crate::commands::docs_table::DocsTable;
use crate::programs::Kind;
use crate::table;

/// The file, and the page that shows it.
pub const TABLE: DocsTable = DocsTable {
    file: "xtask/measured.json",
    page: "docs/releases.md",
    begin: "<!-- measured: written by `cargo xtask matrix --update` -->\n",
    end: "<!-- end of measured -->\n",
};

/// All releases that were measured, by their name.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Table {
    rows: BTreeMap<String, Entry>,
}

/// What was measured of one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// The day, UTC.
    date: String,
    /// The Dex that it was measured with: `v2.45.1 (real)`.
    dex: String,
    /// By stage: `[logged in, tried]`.
    logins: BTreeMap<String, [usize; 2]>,
}

impl Table {
    /// Takes over what was measured completely and on a real Argo CD of a plain release.
    /// Gives how many rows that were.
    pub fn take(&mut self, all: &[Measured], date: &str) -> usize {
        let mut taken = 0;
        for measured in all.iter().filter(|measured| measured.error.is_none()) {
            let (Some(argocd), Some(dex)) = (&measured.argocd, &measured.dex) else { continue };
            let plain = Release::parse(&argocd.version).is_ok() && !argocd.version.contains('+');
            if argocd.kind != Kind::Real || !plain {
                continue;
            }
            let logins = COLUMNS
                .iter()
                .filter_map(|(stage, name, _)| {
                    let (_, logins) = measured.stage(*stage)?;
                    Some(((*name).to_owned(), [logins.ok, logins.total]))
                })
                .collect();
            let entry = Entry { date: date.to_owned(), dex: dex.described(), logins };
            self.rows.insert(argocd.version.clone(), entry);
            taken += 1;
        }
        taken
    }

    /// The table for the page, oldest release first.
    pub fn markdown(&self) -> String {
        let mut rows: Vec<(Release, &Entry)> =
            self.rows.iter().filter_map(|(name, entry)| Some((Release::parse(name).ok()?, entry))).collect();
        rows.sort_by(|(left, _), (right, _)| left.cmp(right));
        let headings = COLUMNS.map(|(_, _, heading)| heading);
        let headings = [&["release", "era"], &headings[..], &["Dex", "measured"]].concat();
        let mut table = vec![headings.into_iter().map(str::to_owned).collect()];
        table.extend(rows.into_iter().map(|(release, entry)| {
            let cells = COLUMNS.map(|(_, name, _)| match entry.logins.get(name) {
                Some([ok, total]) => format!("{ok}/{total}"),
                None => "–".to_owned(),
            });
            let (era, dex, date) = (release.era().name(), &entry.dex, &entry.date);
            [&[release.to_string(), era.to_owned()], &cells[..], &[dex.clone(), date.clone()]].concat()
        }));
        table::markdown(&table)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use probe::Verdict;

    use super::*;
    use crate::cli::Goal;
    use crate::goals::stories::{Logins, Row};
    use crate::known::Stage;
    use crate::programs::Program;

    fn measured(version: &str, kind: Kind, ok: usize) -> Measured {
        let program = |version: &str| Program { version: version.into(), kind, path: None };
        let row = Row {
            after: Goal::Break,
            stage: Stage::Break,
            verdict: Verdict::Mixed,
            logins: Logins { total: 20, ok, failed: 20 - ok },
            refusals: vec![],
            known: None,
            known_refusals: &[],
            as_known: true,
            message: None,
            shown: Default::default(),
        };
        Measured {
            label: version.into(),
            argocd: Some(program(version)),
            dex: Some(program("v2.45.1")),
            rows: vec![row],
            error: None,
            time: Duration::ZERO,
        }
    }

    #[test]
    fn only_real_and_released_programs_get_in_and_later_ones_replace_earlier() {
        let mut table = Table::default();
        let taken = table.take(
            &[
                measured("v2.12.1", Kind::Real, 7),
                measured("v3.3.6", Kind::StandIn, 0),
                measured("v3.4.0+abc.dirty", Kind::Real, 0),
            ],
            "2026-01-01",
        );
        assert_eq!(taken, 1);
        table.take(&[measured("v2.12.1", Kind::Real, 9), measured("v2.4.3", Kind::Real, 5)], "2026-01-02");
        insta::assert_snapshot!(table.markdown());
    }

    #[test]
    fn the_page_shows_what_was_measured() {
        TABLE.assert_shows(Table::markdown);
    }
}
