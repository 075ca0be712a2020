//! The table, for people, and kept in the repository.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::row::{Outcome, Row};
use crate::commands::docs_table::DocsTable;
use crate::commands::table;
use crate::fault::Fault;
use base::Result;
use base::duration;
use cluster::names::Provider;

const TABLE: DocsTable = DocsTable {
    file: "xtask/faults.json",
    page: "docs/faults.md",
    begin: "<!-- faults: written by `cargo xtask faults --update` -->\n",
    end: "<!-- end of faults -->\n",
};
/// The longest symptom that is shown whole.
const LONGEST: usize = 220;

/// The table for a terminal: each fault, and below it what a login said.
pub fn text(rows: &[Row], width: Option<usize>) -> String {
    let symptom = |row: &Row| (!row.symptom.is_empty()).then(|| vec![String::new(), cut(&row.symptom)]);
    let lines = |row: &Row| [Some(vec![row.fault.clone(), row.line()]), symptom(row)].into_iter().flatten();
    table::text(&rows.iter().flat_map(lines).collect::<Vec<_>>(), width)
}

/// What was seen last of each fault.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kept {
    rows: BTreeMap<String, Row>,
}

impl Kept {
    /// What the repository keeps; nothing, if there is no file yet.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn read(root: &Path) -> Result<Self> {
        TABLE.read(root)
    }

    /// Takes over the rows of faults that showed. Gives how many that were.
    pub fn take(&mut self, rows: &[Row]) -> usize {
        let showed = rows.iter().filter(|row| row.outcome == Outcome::Named);
        let before = showed.clone().count();
        self.rows.extend(showed.map(|row| (row.key(), row.clone())));
        before
    }

    /// Writes the file and the table of docs/faults.md.
    ///
    /// # Errors
    /// One of them cannot be written, or the page has lost its markers.
    pub fn write(&self, root: &Path) -> Result<()> {
        TABLE.write(root, self, &self.markdown())
    }

    /// The table for the page, in the catalogue's order.
    pub fn markdown(&self) -> String {
        let [dex, bundled] = [Provider::Dex, Provider::Bundled].map(|provider| self.of(provider));
        match bundled {
            None => dex.unwrap_or_default(),
            Some(bundled) => format!(
                "{}\nWith `--provider bundled`, the Dex inside Argo CD:\n\n{bundled}",
                dex.unwrap_or_default()
            ),
        }
    }

    fn of(&self, provider: Provider) -> Option<String> {
        let headings = [
            "fault",
            "what is changed",
            "what a login says",
            "what a person reads",
            "doctor",
            "after",
            "seen on",
        ];
        let mut table = vec![headings.map(str::to_owned).to_vec()];
        for fault in Fault::all() {
            let mut rows = self.rows.values();
            let Some(row) = rows.find(|row| row.fault == fault.name() && row.provider == provider) else {
                continue;
            };
            let certainty = row.certainty.as_deref().unwrap_or_default();
            table.push(vec![
                format!("`{}`", row.fault),
                fault.what_with(provider).to_owned(),
                cut(&row.symptom),
                fault.person_reads().to_owned(),
                format!("`{}`, {certainty}", row.answer.join("`, `")),
                duration(row.diagnosis()),
                format!("argocd {}, dex {}", row.argocd, row.dex),
            ]);
        }
        (table.len() > 1).then(|| table::markdown(&table))
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{} …", text[..end].trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fault: Fault, outcome: Outcome) -> Row {
        let mut row = Row::new(fault, Provider::Dex, "v3.3.6 (real)".into(), "v2.45.1 (real)".into());
        row.symptom = "refused at callback 500: a | b <c>".into();
        (row.answer, row.certainty) = (vec![fault.id().name().to_owned()], Some("certain".into()));
        (row.diagnosis_ms, row.outcome) = (321, outcome);
        row
    }

    #[test]
    fn only_what_showed_is_kept_and_in_the_catalogues_order() {
        let mut kept = Kept::default();
        let taken = kept.take(&[
            row(Fault::Scope, Outcome::Named),
            row(Fault::Rotate, Outcome::Named),
            row(Fault::Clock, Outcome::Differs),
            row(Fault::Redis, Outcome::RealOnly),
        ]);
        assert_eq!(taken, 2);
        insta::assert_snapshot!(kept.markdown());
        let json = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<Kept>(&json).unwrap(), kept);
    }

    #[test]
    fn the_page_shows_what_was_seen() {
        TABLE.assert_shows(Kept::markdown);
    }
}
