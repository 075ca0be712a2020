//! Whose the folder of a lab on kind is.

use std::fs;
use std::os::unix::fs::symlink;

use crate::world::World;

fn on_kind(goal: &str) -> Vec<&str> {
    ["--lab", "kind"].into_iter().chain(goal.split(' ')).collect()
}

#[test]
fn a_folder_of_ones_own_is_refused_before_anything_is_asked_for() {
    let world = World::new();
    let elsewhere = world.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for link in [false, true] {
        if link {
            symlink(&elsewhere, world.lab()).unwrap();
        } else {
            fs::create_dir_all(world.lab().join("charts")).unwrap();
            fs::write(world.lab().join("lab.json"), "{\"mine\": true}").unwrap();
        }
        let words = if link { "is a symbolic link" } else { "lacks the lab's marker" };
        for goal in ["working", "broken", "reproduce", "down", "test", "status", "doctor", "rotate"] {
            let ended = world.expect(3, &on_kind(goal));
            assert!(ended.error().contains(words), "{goal}: {ended}");
        }
        assert!(world.calls().is_empty(), "{:?}", world.calls());
        if link {
            fs::remove_file(world.lab()).unwrap();
        } else {
            // The local lab does not need it.
            world.expect(0, &["--lab", "local", "working", "test", "down"]);
            assert_eq!(fs::read_to_string(world.lab().join("lab.json")).unwrap(), "{\"mine\": true}");
            assert!(world.lab().join("charts").exists());
            fs::remove_dir_all(world.lab()).unwrap();
        }
    }
    assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0);
    assert_eq!(fs::read_dir(world.path("target")).unwrap().count(), 0, "no lock is left");
}

#[test]
fn one_that_was_there_is_given_back_and_one_of_an_older_program_is_taken_over() {
    let world = World::new();
    fs::create_dir(world.lab()).unwrap();
    world.expect(0, &on_kind("working"));
    world.expect(0, &["down"]);
    assert_eq!(fs::read_dir(world.lab()).unwrap().count(), 0);
    fs::remove_dir(world.lab()).unwrap();
    world.expect(0, &on_kind("working"));
    fs::remove_file(world.lab().join("oidc-lab.json")).unwrap();
    world.expect(0, &["working", "test"]);
    world.expect(0, &["down"]);
    assert!(world.clusters().is_empty());
    assert!(!world.lab().exists());
}
