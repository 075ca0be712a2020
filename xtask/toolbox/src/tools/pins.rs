//! Which versions are downloaded where a machine has none of its own, and from where.

use super::Tool;
use super::version::Version;
use crate::download::{Artifact, Platform, Site};

impl Tool {
    /// The version that is downloaded.
    pub fn pinned(self) -> Version {
        let (major, minor, patch) = match self {
            Self::Kind => (0, 33, 0),
            // The last of Helm 3. Helm 4 is fine where it is there.
            Self::Helm => (3, 22, 0),
            // That of the node image which this kind starts.
            Self::Kubectl => (1, 37, 0),
        };
        Version::new(major, minor, patch)
    }

    /// Why a version cannot be used; nothing if it can.
    pub fn unfit(self, version: &Version) -> Option<String> {
        let (oldest, why) = match self {
            // kind v0.20 starts Kubernetes 1.27. What is older starts releases near those
            // that Argo CD's charts refuse (below 1.25).
            Self::Kind => ((0, 20, 0), "it starts a Kubernetes that is too old for the charts"),
            Self::Helm => ((3, 8, 0), "charts from registries came with v3.8.0"),
            Self::Kubectl => ((1, 22, 0), "server-side apply came with v1.22.0"),
        };
        if version.numbers() < oldest {
            return Some(format!("{} {version} is too old: {why}", self.name()));
        }
        let newest = matches!(self, Self::Helm) && version.numbers().0 > 4;
        newest.then(|| format!("helm {version} is newer than what is known here (3 and 4)"))
    }

    /// What is downloaded for a platform.
    pub fn artifact(self, platform: Platform) -> Artifact {
        let (name, version) = (self.name(), self.pinned());
        let Platform { os, arch } = platform;
        let (site, path, inside, limit) = match self {
            Self::Kind => {
                let path = format!("/kubernetes-sigs/kind/releases/download/{version}/kind-{os}-{arch}");
                (Site::Github, path, None, 100_000_000)
            }
            Self::Helm => {
                let path = format!("/helm-{version}-{os}-{arch}.tar.gz");
                (Site::GetHelm, path, Some(format!("{os}-{arch}/helm")), 200_000_000)
            }
            Self::Kubectl => {
                let path = format!("/release/{version}/bin/{os}/{arch}/kubectl");
                (Site::DlK8s, path, None, 300_000_000)
            }
        };
        let suffix = if self == Self::Kubectl { "sha256" } else { "sha256sum" };
        let file = path.rsplit('/').next().unwrap_or_default();
        // kubectl's file has the same name on every platform.
        let key = match self {
            Self::Kubectl => format!("kubectl/{version}/{os}/{arch}/kubectl"),
            _ => format!("{name}/{version}/{file}"),
        };
        Artifact {
            name: format!("{name} {version}"),
            platform,
            site,
            published: vec![format!("{path}.{suffix}")],
            path,
            key,
            inside,
            file: format!("{name}-{version}"),
            limit,
        }
    }
}

/// The artifacts of all tools on all platforms.
pub fn artifacts() -> Vec<Artifact> {
    Tool::ALL.into_iter().flat_map(|tool| Platform::ALL.map(|platform| tool.artifact(platform))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_those_of_the_releases() {
        let settings =
            crate::download::Settings::from_environment(|name| (name == "HOME").then(|| "/h".into()), false)
                .unwrap();
        let mut lines = vec![];
        for tool in Tool::ALL {
            for platform in [Platform::ALL[0], Platform::ALL[3]] {
                let artifact = tool.artifact(platform);
                lines.push(format!(
                    "{}\n  {}\n  {}\n  {}{}",
                    artifact.what(),
                    settings.url(artifact.site, &artifact.path),
                    settings.url(artifact.site, &artifact.published[0]),
                    artifact.key,
                    artifact.inside.map(|inside| format!("\n  /{inside} in it")).unwrap_or_default(),
                ));
            }
        }
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn every_file_has_a_key_of_its_own() {
        let mut keys: Vec<String> = Tool::ALL
            .into_iter()
            .flat_map(|tool| Platform::ALL.map(|platform| tool.artifact(platform).key))
            .collect();
        let all = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }

    #[test]
    fn only_what_can_be_used_is() {
        for (tool, version, part) in [
            (Tool::Kind, "v0.33.0", None),
            (Tool::Kind, "v0.20.0", None),
            (Tool::Kind, "v0.19.0", Some("kind v0.19.0 is too old")),
            (Tool::Helm, "v3.8.0", None),
            (Tool::Helm, "v4.3.1+g1234567", None),
            (Tool::Helm, "v2.17.0", Some("helm v2.17.0 is too old")),
            (Tool::Helm, "v5.0.0", Some("newer than what is known")),
            (Tool::Kubectl, "v1.32.4-dispatcher", None),
            (Tool::Kubectl, "v1.21.14", Some("server-side apply")),
        ] {
            let unfit = tool.unfit(&Version::parse(version).unwrap());
            match part {
                None => assert_eq!(unfit, None),
                Some(part) => assert!(unfit.unwrap().contains(part), "{version}"),
            }
        }
        for tool in Tool::ALL {
            assert_eq!(tool.unfit(&tool.pinned()), None);
        }
    }
}
