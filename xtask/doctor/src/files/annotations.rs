//! Findings as GitHub shows them beside the lines of a pull request.

use base::terminal::github;

use super::read::INPUT;
use crate::diagnosis::Diagnosis;
use crate::finding::Finding;

impl Diagnosis {
    /// The commands by which a step of a workflow tells GitHub of findings that have a file: `::error file=…`, one a
    /// line; nothing where none has.
    pub fn annotations(&self) -> String {
        self.findings.iter().filter_map(annotation).collect()
    }
}

fn annotation(finding: &Finding) -> Option<String> {
    let (file, line) = (finding.file.as_ref()?, finding.line?);
    // GitHub knows files from the top of the repository, and standard input has none.
    let place = (file != INPUT).then(|| (file.strip_prefix("./").unwrap_or(file), line));
    let title = format!("{} ({})", finding.id, finding.certainty.name());
    let mut said = finding.evidence.clone();
    said.extend([finding.why.clone(), finding.fix.clone()]);
    said.extend(finding.change.iter().cloned());
    Some(github::error(place, &title, &said.join("\n")) + "\n")
}

#[cfg(test)]
mod tests {
    use probe::CauseId;

    use super::*;

    #[test]
    fn github_is_told_on_one_line_each() {
        let mut finding = Finding::new(CauseId::Scope, "x").seen("100 %: a,\r\nb").why("why").fix("one\ntwo");
        assert_eq!(annotation(&finding), None);
        (finding.file, finding.line) = (Some("a,b:c.yaml".to_owned()), Some(3));
        assert_eq!(
            annotation(&finding).unwrap(),
            "::error file=a%2Cb%3Ac.yaml,line=3,title=scope (certain)::100 %25: a,%0D%0Ab%0Awhy%0Aone%0Atwo\n"
        );
        for (file, place) in [("./a.yaml", "::error file=a.yaml,line=3,title="), ("-", "::error title=")] {
            finding.file = Some(file.to_owned());
            assert!(annotation(&finding).unwrap().starts_with(place), "{file}");
        }
    }
}
