//! Calls that are to go wrong: files in `faults/`, put there by a test.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use serde_json::{Value, json};

use super::Call;
use super::world::World;

/// How one call goes wrong.
pub struct Fault(Value);

/// The fault for a call at a point of it, if there is one. One that strikes a number of
/// times is gone after that.
pub fn take(world: &World, call: &Call, at: &str) -> Option<Fault> {
    let mut files: Vec<_> = fs::read_dir(world.file("faults")).ok()?.flatten().map(|it| it.path()).collect();
    files.sort();
    let line = format!("{} {}", call.program, call.args.join(" "));
    for path in files {
        let Ok(fault) = serde_json::from_slice::<Value>(&fs::read(&path).ok()?) else { continue };
        let fits =
            fault["in"].as_array()?.iter().all(|part| line.contains(part.as_str().unwrap_or_default()));
        if !fits || fault["at"].as_str().unwrap_or("before") != at {
            continue;
        }
        match fault["times"].as_u64() {
            None => {}
            Some(1) => fs::remove_file(&path).ok()?,
            Some(times) => {
                let mut less = fault.clone();
                less["times"] = json!(times - 1);
                fs::write(&path, less.to_string()).ok()?;
            }
        }
        return Some(Fault(fault));
    }
    None
}

impl Fault {
    /// Goes wrong: says what it has to say and fails, or hangs until it is ended.
    pub fn strike(&self, world: &World) -> ExitCode {
        let Self(fault) = self;
        if fault["hang"] == true {
            if fault["deaf"] == true {
                // It goes on as a program that hears neither Ctrl-C nor SIGTERM.
                let script =
                    r#"trap '' INT TERM; echo $$ > "$0.new"; mv "$0.new" "$0"; while :; do sleep 1; done"#;
                let mut deaf = Command::new("/bin/sh");
                panic!(
                    "{}",
                    deaf.env("PATH", "/bin:/usr/bin").args(["-c", script]).arg(world.file("hanging")).exec()
                );
            }
            // The test waits for this file.
            fs::write(world.file("hanging"), std::process::id().to_string()).unwrap();
            loop {
                std::thread::park();
            }
        }
        print!("{}", fault["stdout"].as_str().unwrap_or_default());
        eprint!("{}", fault["stderr"].as_str().unwrap_or_default());
        ExitCode::from(u8::try_from(fault["code"].as_u64().unwrap_or(1)).unwrap_or(1))
    }

    /// The same in the middle of a call, which does not come back.
    pub fn strike_and_end(&self, world: &World) -> ! {
        let code = self.strike(world);
        let failed = code != ExitCode::SUCCESS;
        std::process::exit(i32::from(failed));
    }
}
