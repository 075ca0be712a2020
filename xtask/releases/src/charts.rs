//! Which chart installs which release.

use std::cmp::Ordering;

use semver::Version;

use super::Release;

/// Releases that a chart was published for, with the first chart of each, oldest
/// first: `(release, chart)`. Read from the tags of the charts' repository. Charts
/// before 5.7.0 take their settings from other values than the later ones, and are
/// left out.
const CHARTS: &[(&str, &str)] = &[
    ("v2.4.15", "5.7.0"),
    ("v2.5.0", "5.8.0"),
    ("v2.5.1", "5.13.1"),
    ("v2.5.2", "5.13.6"),
    ("v2.5.3", "5.14.3"),
    ("v2.5.4", "5.16.2"),
    ("v2.5.5", "5.16.7"),
    ("v2.5.6", "5.17.1"),
    ("v2.5.7", "5.17.2"),
    ("v2.5.8", "5.19.7"),
    ("v2.5.9", "5.19.11"),
    ("v2.5.10", "5.19.14"),
    ("v2.6.0", "5.20.0"),
    ("v2.6.1", "5.20.3"),
    ("v2.6.2", "5.21.1"),
    ("v2.6.3", "5.23.3"),
    ("v2.6.4", "5.24.2"),
    ("v2.6.5", "5.26.1"),
    ("v2.6.6", "5.27.1"),
    ("v2.6.7", "5.27.2"),
    ("v2.7.0", "5.30.0"),
    ("v2.7.1", "5.31.1"),
    ("v2.7.2", "5.33.2"),
    ("v2.7.3", "5.34.5"),
    ("v2.7.4", "5.35.1"),
    ("v2.7.5", "5.36.2"),
    ("v2.7.6", "5.36.5"),
    ("v2.7.7", "5.37.1"),
    ("v2.7.8", "5.41.1"),
    ("v2.7.9", "5.41.2"),
    ("v2.7.10", "5.42.1"),
    ("v2.7.11", "5.42.3"),
    ("v2.8.0", "5.43.0"),
    ("v2.8.1", "5.43.5"),
    ("v2.8.2", "5.43.6"),
    ("v2.8.3", "5.45.3"),
    ("v2.8.4", "5.46.3"),
    ("v2.8.5", "5.48.0"),
    ("v2.8.6", "5.50.0"),
    ("v2.9.0", "5.51.0"),
    ("v2.9.1", "5.51.2"),
    ("v2.9.2", "5.51.4"),
    ("v2.9.3", "5.51.6"),
    ("v2.9.4", "5.53.1"),
    ("v2.9.5", "5.53.2"),
    ("v2.9.6", "5.53.13"),
    ("v2.10.0", "5.55.0"),
    ("v2.10.1", "6.0.14"),
    ("v2.10.2", "6.5.1"),
    ("v2.10.3", "6.7.2"),
    ("v2.10.4", "6.7.3"),
    ("v2.10.5", "6.7.4"),
    ("v2.10.6", "6.7.10"),
    ("v2.10.7", "6.7.12"),
    ("v2.10.8", "6.7.16"),
    ("v2.10.9", "6.7.18"),
    ("v2.11.0", "6.8.0"),
    ("v2.11.1", "6.10.0"),
    ("v2.11.2", "6.11.1"),
    ("v2.11.3", "7.1.2"),
    ("v2.11.4", "7.3.4"),
    ("v2.11.5", "7.3.7"),
    ("v2.11.6", "7.3.10"),
    ("v2.11.7", "7.3.11"),
    ("v2.12.0", "7.4.0"),
    ("v2.12.1", "7.4.4"),
    ("v2.12.2", "7.4.5"),
    ("v2.12.3", "7.4.7"),
    ("v2.12.4", "7.6.5"),
    ("v2.12.5", "7.6.11"),
    ("v2.12.6", "7.6.12"),
    ("v2.13.0", "7.7.0"),
    ("v2.13.1", "7.7.4"),
    ("v2.13.2", "7.7.10"),
    ("v2.13.3", "7.7.13"),
    ("v2.13.4", "7.7.22"),
    ("v2.14.1", "7.8.0"),
    ("v2.14.2", "7.8.1"),
    ("v2.14.3", "7.8.6"),
    ("v2.14.4", "7.8.8"),
    ("v2.14.5", "7.8.10"),
    ("v2.14.6", "7.8.12"),
    ("v2.14.7", "7.8.13"),
    ("v2.14.8", "7.8.14"),
    ("v2.14.9", "7.8.22"),
    ("v2.14.10", "7.8.25"),
    ("v2.14.11", "7.8.28"),
    ("v3.0.0", "8.0.0"),
    ("v3.0.1", "8.0.2"),
    ("v3.0.2", "8.0.5"),
    ("v3.0.3", "8.0.7"),
    ("v3.0.4", "8.0.11"),
    ("v3.0.5", "8.0.13"),
    ("v3.0.6", "8.0.17"),
    ("v3.0.11", "8.1.3"),
    ("v3.0.12", "8.2.2"),
    ("v3.1.0", "8.3.0"),
    ("v3.1.1", "8.3.1"),
    ("v3.1.3", "8.3.4"),
    ("v3.1.4", "8.3.5"),
    ("v3.1.5", "8.3.6"),
    ("v3.1.6", "8.5.2"),
    ("v3.1.7", "8.5.5"),
    ("v3.1.8", "8.5.8"),
    ("v3.1.9", "9.0.1"),
    ("v3.2.0", "9.1.0"),
    ("v3.2.1", "9.1.5"),
    ("v3.2.2", "9.1.9"),
    ("v3.2.3", "9.2.1"),
    ("v3.2.4", "9.3.1"),
    ("v3.2.5", "9.3.4"),
    ("v3.2.6", "9.3.5"),
    ("v3.3.0", "9.4.0"),
    ("v3.3.1", "9.4.3"),
    ("v3.3.2", "9.4.4"),
    ("v3.3.3", "9.4.10"),
    ("v3.3.4", "9.4.11"),
    ("v3.3.5", "9.4.16"),
    ("v3.3.6", "9.4.17"),
    ("v3.3.7", "9.5.2"),
    ("v3.3.8", "9.5.3"),
    ("v3.3.9", "9.5.11"),
    ("v3.4.1", "9.5.12"),
    ("v3.4.2", "9.5.14"),
    ("v3.4.3", "9.5.16"),
    ("v3.4.4", "9.5.22"),
];

impl Release {
    /// The chart to install it with: the first chart of the release, or of the
    /// nearest older release that has one (then with the image's tag set), or the
    /// oldest known one. The flag says whether the tag has to be set.
    pub fn chart(&self) -> (&'static str, bool) {
        let Version { major, minor, patch, pre, build } = &self.0;
        let plain = Self::new(*major, *minor, *patch);
        let mut nearest = CHARTS[0].1;
        for (release, chart) in CHARTS {
            match Self::read(release).map(|release| release.cmp(&plain)) {
                Some(Ordering::Equal) => return (chart, !pre.is_empty() || !build.is_empty()),
                Some(Ordering::Less) => nearest = chart,
                _ => break,
            }
        }
        (nearest, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_are_found_or_the_nearest_older_one_is() {
        for (text, chart) in [
            ("v3.3.6", ("9.4.17", false)),
            ("v2.12.1", ("7.4.4", false)),
            ("v3.5.1", ("9.5.22", true)),
            ("v3.2.7", ("9.3.5", true)),
            ("v2.1.0", ("5.7.0", true)),
            ("v2.4.3", ("5.7.0", true)),
            ("v3.3.6-rc1", ("9.4.17", true)),
        ] {
            assert_eq!(Release::parse(text).unwrap().chart(), chart, "{text}");
        }
    }

    #[test]
    fn the_table_is_in_order() {
        let releases: Vec<Release> =
            CHARTS.iter().map(|(release, _)| Release::parse(release).unwrap()).collect();
        assert!(releases.is_sorted());
        let numbers = |chart: &str| chart.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
        // A chart that was made for an older line after a newer one is what there is.
        assert!(CHARTS.iter().all(|(_, chart)| numbers(chart) >= vec![5, 7, 0]));
    }
}
