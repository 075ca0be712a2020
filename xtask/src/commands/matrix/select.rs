//! Which releases a matrix is about: words of the command line, and a folder of programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use releases::{Era, Release};

use base::{Error, Result};

/// One row of a matrix: a release, or a program that will say which release it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The release, if it was named by one.
    pub release: Option<Release>,
    /// The program to run; without one it is the stand-in, or with `--real` the released one.
    pub binary: Option<PathBuf>,
}

impl Subject {
    /// What to call it before it has said who it is.
    pub fn label(&self) -> String {
        match (&self.release, &self.binary) {
            (Some(release), _) => release.to_string(),
            (None, Some(path)) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            (None, None) => "?".to_owned(),
        }
    }
}

/// The releases to choose from: a folder of `argocd-vX.Y.Z`, or all that there are.
#[derive(Clone, Debug)]
pub struct Available {
    /// Oldest first, with their programs if there are any.
    releases: Vec<Subject>,
    folder: Option<PathBuf>,
}

impl Available {
    /// The releases that were published when this program was written.
    pub fn published() -> Self {
        Self::of(Release::published())
    }

    /// These releases, oldest first.
    pub fn of(releases: impl IntoIterator<Item = Release>) -> Self {
        let subject = |release| Subject { release: Some(release), binary: None };
        Self { releases: releases.into_iter().map(subject).collect(), folder: None }
    }

    /// The programs `argocd-vX.Y.Z` of a folder.
    ///
    /// # Errors
    /// The folder cannot be read or holds none.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let shown = folder.display();
        let entries = std::fs::read_dir(folder)
            .map_err(|error| Error::environment(format!("{shown} cannot be read: {error}")))?;
        let named = |path: PathBuf| {
            let release = path.file_name()?.to_str()?.strip_prefix("argocd-")?;
            Some((Release::parse(release).ok()?, std::path::absolute(&path).ok()?))
        };
        let found: BTreeMap<_, _> = entries.filter_map(|entry| named(entry.ok()?.path())).collect();
        if found.is_empty() {
            return Err(Error::environment(format!("{shown} holds no program named argocd-vX.Y.Z")));
        }
        let subject = |(release, path)| Subject { release: Some(release), binary: Some(path) };
        let releases = found.into_iter().map(subject).collect();
        Ok(Self { releases, folder: Some(folder.to_owned()) })
    }

    /// What the words of a command line name, in their order and each once: releases,
    /// `v3.3.x`, `v3.3.0..v3.3.7`, `newest`, `new`, `eras`, paths. No word at all means
    /// every program of the folder, or `eras`; `new` alone may name nothing.
    ///
    /// # Errors
    /// A word names nothing (wrong usage).
    pub fn select(&self, words: &[String]) -> Result<Vec<Subject>> {
        let mut chosen: Vec<Subject> = vec![];
        if words.is_empty() {
            return Ok(if self.folder.is_some() { self.releases.clone() } else { self.eras() });
        }
        for word in words {
            for subject in self.word(word)? {
                if !chosen.contains(&subject) {
                    chosen.push(subject);
                }
            }
        }
        Ok(chosen)
    }

    fn word(&self, word: &str) -> Result<Vec<Subject>> {
        match word {
            "eras" => return Ok(self.eras()),
            "newest" => return Ok(self.releases.last().cloned().into_iter().collect()),
            // What came out after this program was written.
            "new" => return Ok(self.all(|release| !Release::published().any(|known| known == *release))),
            _ => {}
        }
        if word.contains('/') {
            let path = std::path::absolute(word)
                .map_err(|error| Error::usage(format!("{word} is no path: {error}")))?;
            return Ok(vec![Subject { release: None, binary: Some(path) }]);
        }
        if let Some((first, last)) = word.split_once("..") {
            let found = self.range(&parse(first)?, &parse(last)?);
            return self.some(word, found);
        }
        if let Some(prefix) = word.strip_suffix(".x") {
            let prefix = format!("v{}.", prefix.trim_start_matches('v'));
            return self.some(word, self.all(|release| release.to_string().starts_with(&prefix)));
        }
        let release = parse(word)?;
        if self.folder.is_none() {
            // A release that came out after this program was written has a stand-in too.
            return Ok(vec![Subject { release: Some(release), binary: None }]);
        }
        self.some(word, self.all(|it| *it == release))
    }

    /// All that are named by a release that fits.
    fn all(&self, fits: impl Fn(&Release) -> bool) -> Vec<Subject> {
        self.releases.iter().filter(|it| it.release.as_ref().is_some_and(&fits)).cloned().collect()
    }

    fn some(&self, word: &str, found: Vec<Subject>) -> Result<Vec<Subject>> {
        if !found.is_empty() {
            return Ok(found);
        }
        Err(match &self.folder {
            Some(folder) => {
                Error::environment(format!("{} holds no argocd program of {word}", folder.display()))
                    .hint("name the programs there argocd-vX.Y.Z")
            }
            None => Error::usage(format!("{word} names no published release")),
        })
    }

    /// The releases from `first` to `last`, both included.
    pub fn range(&self, first: &Release, last: &Release) -> Vec<Subject> {
        self.all(|release| (first..=last).contains(&release))
    }

    /// Of each era both edges and one inside.
    fn eras(&self) -> Vec<Subject> {
        let mut eras: Vec<(Era, Vec<&Subject>)> = vec![];
        for subject in &self.releases {
            let Some(era) = subject.release.as_ref().map(Release::era) else { continue };
            match eras.last_mut() {
                Some((last, members)) if *last == era => members.push(subject),
                _ => eras.push((era, vec![subject])),
            }
        }
        let mut chosen: Vec<Subject> = vec![];
        // Before v2.1 no release can name another Secret, so there is nothing to see.
        for (_, members) in eras.iter().filter(|(era, _)| *era != Era::NoReferences) {
            for subject in [0, members.len() / 2, members.len() - 1].map(|place| members[place]) {
                if !chosen.contains(subject) {
                    chosen.push(subject.clone());
                }
            }
        }
        chosen
    }
}

/// Whether words name each release that they are about, so that nobody has to be asked which there are.
pub fn named(words: &[String]) -> bool {
    !words.is_empty() && words.iter().all(|word| word.contains('/') || Release::parse(word).is_ok())
}

/// A release of the command line.
///
/// # Errors
/// It is none (wrong usage), with the nearest that is.
fn parse(word: &str) -> Result<Release> {
    Release::parse(word).map_err(|error| {
        Error::usage(error.to_string())
            .hint("a path needs a slash: ./argocd; words are v3.3.x, newest, new, eras")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(subjects: &[Subject]) -> Vec<String> {
        subjects.iter().map(Subject::label).collect()
    }

    fn select(words: &[&str]) -> Result<Vec<String>> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        Available::published().select(&words).map(|chosen| labels(&chosen))
    }

    #[test]
    fn words_name_releases() {
        for (words, chosen) in [
            (&["v3.3.6", "3.3.6"][..], &["v3.3.6"][..]),
            (&["newest"], &["v3.5.1"]),
            (&["v3.5.x"], &["v3.5.0", "v3.5.1"]),
            (&["v3.3.5..v3.3.7"], &["v3.3.5", "v3.3.6", "v3.3.7"]),
            (&["v3.9.9"], &["v3.9.9"]),
            (&["./dist/argocd"], &["argocd"]),
        ] {
            assert_eq!(select(words).unwrap(), chosen, "{words:?}");
        }
    }

    #[test]
    fn who_names_releases_need_not_ask_which_there_are() {
        for (words, all) in [
            (&["v3.3.6", "3.5.1", "./dist/argocd"][..], true),
            (&[], false),
            (&["v3.3.6", "newest"], false),
            (&["v3.3.x"], false),
            (&["v3.3.5..v3.3.7"], false),
        ] {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(named(&words), all, "{words:?}");
        }
    }

    #[test]
    fn a_word_that_names_nothing_is_wrong_usage() {
        for (word, message) in [
            ("v9.9.x", "v9.9.x names no published release"),
            ("latest", "\"latest\" is no Argo CD release"),
            ("v3.3.7..v3.3.6", "names no published release"),
        ] {
            let error = select(&[word]).unwrap_err();
            assert_eq!(error.exit.code(), 2);
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn eras_are_seen_at_both_edges_and_inside() {
        let chosen = select(&[]).unwrap();
        for edge in
            ["v2.1.0", "v2.2.16", "v2.4.3", "v2.13.9", "v2.14.0", "v3.2.12", "v3.3.0", "v3.3.6", "v3.3.7"]
        {
            assert!(chosen.iter().any(|release| release == edge), "{edge}: {chosen:?}");
        }
        assert_eq!(chosen.len(), 6 * 3);
        assert!(!chosen.iter().any(|release| release.starts_with("v2.0.")));
    }

    #[test]
    fn a_folder_of_programs_is_what_there_is_to_choose_from() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["argocd-v3.3.6", "argocd-v2.12.1", "argocd-v3.5.1", "dex-v2.45.1", "notes"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let available = Available::in_folder(folder.path()).unwrap();
        assert_eq!(labels(&available.select(&[]).unwrap()), ["v2.12.1", "v3.3.6", "v3.5.1"]);
        assert_eq!(labels(&available.select(&["newest".into()]).unwrap()), ["v3.5.1"]);
        assert_eq!(labels(&available.select(&["eras".into()]).unwrap()), ["v2.12.1", "v3.3.6", "v3.5.1"]);
        let error = available.select(&["v3.3.0".into()]).unwrap_err();
        assert_eq!(error.exit.code(), 3);
        assert!(error.to_string().contains("holds no argocd program of v3.3.0"), "{error}");
    }

    #[test]
    fn what_came_out_since_is_new() {
        let since = Release::parse("v3.9.0").unwrap();
        let available = Available::of(Release::published().chain([since]));
        assert_eq!(labels(&available.select(&["new".into()]).unwrap()), ["v3.9.0"]);
        assert!(select(&["new"]).unwrap().is_empty());
    }
}
