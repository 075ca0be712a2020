//! `report`: makes what people look at again, from the document of a run.

use crate::cli::ReportArgs;
use crate::console::Console;
use crate::record::GoalRecord;
use base::{Exit, Result};

/// Makes a report.
///
/// # Errors
/// The document cannot be read or is not that of a run, or the folder cannot be written.
pub fn report(console: &Console, args: &ReportArgs, record: &mut GoalRecord) -> Result<Exit> {
    let (folder, run) = report::again(&args.run, args.into.as_deref())?;
    let pictures = if args.pictures { report::pictures(&folder, &run)? } else { vec![] };
    let files = std::iter::once(folder.join(report::PAGE)).chain(pictures);
    let files: Vec<String> = files.map(|path| path.display().to_string()).collect();
    console.result(&files.join("\n"));
    record.more.insert("files".into(), files.into());
    Ok(Exit::Done)
}
