use super::*;
use crate::diagnosis::Diagnosis;
use crate::finding::Finding;

/// What is found by a document of the evidence.
fn found(evidence: &Evidence, names: bool) -> Diagnosis {
    let text = write(evidence, "", names).unwrap();
    let (read, roles) = read(&text).unwrap();
    Diagnosis::of(&read, roles, true)
}

/// Holds what is found by a document of the evidence against what is found by the evidence itself.
#[track_caller]
pub fn travels(evidence: &Evidence) {
    let here = Diagnosis::of(evidence, String::new(), true);
    let there = found(evidence, true);
    assert_eq!(format!("{here:#?}"), format!("{there:#?}"));
    let without = found(evidence, false);
    let gist = |it: &Diagnosis| {
        let of = |finding: &Finding| (finding.id, finding.certainty, finding.when, finding.evidence.len());
        (it.findings.iter().map(of).collect::<Vec<_>>(), it.unexplained.len(), it.exit().code(), it.asked)
    };
    assert_eq!(gist(&here), gist(&without), "{here:#?} {without:#?}");
}
