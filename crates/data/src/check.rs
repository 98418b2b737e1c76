//! Whether a data set is what its user thinks: pictures that are in two splits, in two classes, or unreadable; classes without
//! pictures. Every picture is decoded once.

mod classes;
mod copies;
mod endings;
mod examine;
mod finding;
mod look;
mod near;
mod report;

use crate::{DataError, Dataset};
pub use finding::{CheckFinding, FindingKind};
pub use report::{CheckOptions, CheckReport, SplitCounts};

/// Reads every picture of `set` and looks for what would spoil training or its measurement ([`FindingKind`] lists it).
///
/// `progress` hears, from any thread, how many pictures were read so far. About 1 kB is held for each picture, and what was
/// found.
///
/// # Errors
/// [`DataError::Malformed`] if not one picture can be read.
pub fn check(
    set: &Dataset,
    options: &CheckOptions,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<CheckReport, DataError> {
    let mut findings = Vec::new();
    for out in &set.left_out {
        findings.push(CheckFinding::new(FindingKind::Unreadable, &out.path, out.reason.clone()));
    }
    let splits: Vec<_> = set.splits().collect();
    let mut seen = Vec::new();
    let mut counts = Vec::new();
    for (name, samples) in &splits {
        let pictures = examine::all(name, &***samples, options, &|now| progress(seen.len() + now));
        let mut of_split = vec![0; set.classes.len()];
        for picture in pictures.iter().filter(|picture| picture.look.is_some()) {
            if let Some(count) = of_split.get_mut(picture.label as usize) {
                *count += 1;
            }
        }
        counts.push(SplitCounts { name, counts: of_split });
        seen.extend(pictures);
    }
    let readable = seen.iter().filter(|picture| picture.look.is_some()).count();
    if readable == 0 {
        let first = seen.iter().flat_map(|picture| &picture.findings).next();
        let first = first
            .map_or_else(String::new, |first| format!("; {}: {}", first.path.escape_debug(), first.reason));
        return Err(DataError::malformed(
            set.source.as_ref(),
            format!("not one of its {} pictures can be read{first}", seen.len()),
        ));
    }
    copies::find(set, &splits, &seen, options, &mut findings);
    findings.extend(examine::of_all_alike(set, options));
    findings.extend(seen.into_iter().flat_map(|picture| picture.findings));
    findings.extend(classes::find(set, &counts));
    findings.sort_by_key(|finding| finding.kind);
    Ok(CheckReport { classes: set.classes.clone(), splits: counts, readable, findings })
}
