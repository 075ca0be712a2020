//! Findings as GitHub shows them beside the lines of a pull request.

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
    let property = |text: &str| escaped(text).replace(':', "%3A").replace(',', "%2C");
    let (file, line) = (property(finding.file.as_ref()?), finding.line?);
    let title = property(&format!("{} ({})", finding.id, finding.certainty.name()));
    let mut said = finding.evidence.clone();
    said.extend([finding.why.clone(), finding.fix.clone()]);
    let said = escaped(&said.join("\n"));
    Some(format!("::error file={file},line={line},title={title}::{said}\n"))
}

/// A text inside of a command.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
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
    }
}
