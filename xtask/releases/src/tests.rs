use super::*;

fn release(text: &str) -> Release {
    Release::parse(text).unwrap()
}

#[test]
fn eras_change_exactly_at_their_edges() {
    let table = [
        ("v1.8.7", Era::NoReferences),
        ("v2.0.5", Era::NoReferences),
        ("v2.1.0", Era::ComparesText),
        ("v2.2.16", Era::ComparesText),
        ("v2.3.0", Era::ReloadsInLoop),
        ("v2.3.17", Era::ReloadsInLoop),
        ("v2.4.0", Era::ReloadsInLoop),
        ("v2.4.2", Era::ReloadsInLoop),
        ("v2.4.3", Era::BothAnswer),
        ("v2.12.1", Era::BothAnswer),
        ("v2.13.9", Era::BothAnswer),
        ("v2.14.0", Era::Reloads),
        ("v2.14.0-rc1", Era::Reloads),
        ("v2.14.21", Era::Reloads),
        ("v3.0.0", Era::Reloads),
        ("v3.2.12", Era::Reloads),
        ("v3.3.0", Era::KeepsClientApp),
        ("v3.3.6", Era::KeepsClientApp),
        ("v3.3.6+mine", Era::KeepsClientApp),
        ("v3.3.7", Era::ReloadsAgain),
        ("v3.4.0", Era::ReloadsAgain),
        ("v3.5.1", Era::ReloadsAgain),
        ("v4.0.0", Era::ReloadsAgain),
    ];
    for (text, era) in table {
        assert_eq!(release(text).era(), era, "{text}");
    }
}

#[test]
fn names_are_those_of_the_reports() {
    let names: Vec<_> = ["v2.2.0", "v2.3.0", "v2.12.1", "v3.2.0", "v3.3.6", "v3.5.1"]
        .iter()
        .map(|text| release(text).era().name())
        .collect();
    assert_eq!(names, ["never", "reloads, may hang", "both answer", "reloads", "never", "reloads"]);
}

#[test]
fn the_nearest_release_that_keeps_its_first_start_is_of_the_same_line() {
    for (text, kept) in [
        ("v3.2.7", "v3.2.10"),
        ("v3.3.6", "v3.3.8"),
        ("v3.4.0-rc2", "v3.4.0"),
        ("v3.2.6", "v3.2.6"),
        ("v3.5.1", "v3.5.1"),
    ] {
        assert_eq!(release(text).keeps_its_first_start().to_string(), kept, "{text}");
    }
}

#[test]
fn some_releases_lose_their_first_start() {
    let lost = |minor| -> Vec<u64> {
        (0..15).filter(|&patch| Release::new(3, minor, patch).first_start_loses_sso()).collect()
    };
    assert!(lost(1).is_empty());
    assert_eq!(lost(2), [7, 8, 9]);
    assert_eq!(lost(3), [1, 2, 3, 4, 5, 6, 7]);
    assert!(lost(4).is_empty());
    for (candidate, loses) in [("v3.4.0-rc1", true), ("v3.4.0-rc6", true), ("v3.4.0-rc7", false)] {
        assert_eq!(release(candidate).first_start_loses_sso(), loses, "{candidate}");
    }
}

#[test]
fn allowed_audiences_came_to_four_lines_at_once() {
    for (text, known) in [
        ("v2.2.16", false),
        ("v2.3.13", false),
        ("v2.3.14", true),
        ("v2.4.19", false),
        ("v2.4.20", true),
        ("v2.5.7", false),
        ("v2.5.8", true),
        ("v2.6.0", true),
        ("v3.3.6", true),
    ] {
        assert_eq!(release(text).knows_allowed_audiences(), known, "{text}");
    }
}

#[test]
fn reads_what_people_write() {
    for (text, shown) in [
        ("v3.3.6", "v3.3.6"),
        ("3.3.6", "v3.3.6"),
        (" V2.12.1 ", "v2.12.1"),
        ("v2.4.0-rc1", "v2.4.0-rc1"),
        ("v3.3.6+abc.1", "v3.3.6+abc.1"),
        ("v2.2.8-1", "v2.2.8-1"),
        ("v3.0.0-rc.2+x-y", "v3.0.0-rc.2+x-y"),
    ] {
        assert_eq!(release(text).to_string(), shown);
    }
}

#[test]
fn suggests_the_nearest_release_for_anything_else() {
    for (text, suggestion) in [
        ("latest", "v3.3.6"),
        ("", "v3.3.6"),
        ("v3.3", "v3.3.14"),
        ("v2", "v2.14.21"),
        ("v3.3.x", "v3.3.14"),
        ("v2.12.1.4", "v2.12.1"),
        ("v3.3.06", "v3.3.6"),
        ("v99999999.1.1", "v3.1.1"),
        ("v3.3.6-", "v3.3.6"),
        ("v3.3.6+", "v3.3.6"),
    ] {
        let error = Release::parse(text).unwrap_err();
        assert_eq!(error.suggestion, suggestion, "{text:?}");
        assert!(error.to_string().contains(suggestion));
    }
}

#[test]
fn orders_as_versions_do() {
    let ordered = ["v2.4.0-rc2", "v2.4.0-rc10", "v2.4.0", "v2.4.10", "v2.14.0", "v3.0.0-rc1", "v3.0.0"];
    let mut shuffled: Vec<_> = ordered.iter().rev().map(|text| release(text)).collect();
    shuffled.sort();
    assert_eq!(shuffled.iter().map(ToString::to_string).collect::<Vec<_>>(), ordered);
    assert_eq!(release("v3.3.6"), release("v3.3.6+other"));
}

#[test]
fn the_default_is_known_and_sure_to_fail() {
    assert_eq!(release(DEFAULT), Release::default());
    assert!(Release::published().any(|release| release == Release::default()));
    assert_eq!(Release::default().era().name(), "never");
    assert!(
        Release::published().filter(|it| it.era() == Era::KeepsClientApp).max().unwrap()
            <= Release::default()
    );
}

#[test]
fn what_may_have_come_since_is_told_from_what_was_mistyped() {
    for (text, newer) in [
        ("v3.3.15", true),
        ("v3.3.66", false),
        ("v3.3.6", false),
        ("v3.6.0", true),
        ("v3.66.0", false),
        ("v4.0.1", true),
        ("v33.0.0", false),
    ] {
        assert_eq!(Release::parse(text).unwrap().may_be_newer(), newer, "{text}");
    }
}
