//! Runs every vector kernel at every level the machine has and prints a hash of what each one computed.
//!
//! ```text
//! cargo run --release -p plusx-kernels --example levels [avx512]
//! ```
//! One line for each kernel and case: 64-bit FNV-1a hash of the values, name, case. Levels of one arithmetic profile
//! must agree, and so must a batch cut into other pieces: exit status 1 if any do not. With the name of a level as
//! argument the exit status is 2 on a machine without it, so that nothing passes because it was not run.
//!
//! Two machines that print the same hashes compute the same bytes. The program needs no file and, linked statically,
//! no library: it runs as the only process of an emulator (`tools/avx512-in-bochs.sh`).

mod conv;
mod data;
mod joins;
mod maps;
mod pixels;
mod plain;

use std::process::ExitCode;

use data::Fnv;
use plusx_kernels::{KernelEntry, Level};

/// What has been compared so far.
struct LevelReport {
    compared: usize,
    differ: usize,
}

impl LevelReport {
    /// Runs every supported entry that fits `shape`, whole and in pieces (`run`'s second argument), and compares the
    /// hashes inside each arithmetic profile. The reference has its own arithmetic and is not run.
    fn check<Shape, Run>(
        &mut self,
        table: &[KernelEntry<Shape, Run>],
        shape: &Shape,
        case: &str,
        run: impl Fn(&Run, bool) -> Fnv,
    ) {
        self.check_entries(table, shape, case, |entry, pieces| run(&entry.run, pieces));
    }

    /// As [`LevelReport::check`], for those who need to know the entry.
    fn check_entries<Shape, Run>(
        &mut self,
        table: &[KernelEntry<Shape, Run>],
        shape: &Shape,
        case: &str,
        run: impl Fn(&KernelEntry<Shape, Run>, bool) -> Fnv,
    ) {
        let mut profiles: Vec<(&str, Fnv)> = Vec::new();
        for entry in table.iter().filter(|entry| !entry.name.ends_with("/reference")) {
            if !entry.level.supported() || !(entry.fits)(shape) {
                continue;
            }
            for pieces in [false, true] {
                let hash = run(entry, pieces);
                let profile = entry.level.profile();
                let want = profiles.iter().find(|(name, _)| *name == profile).map(|(_, hash)| *hash);
                let verdict = if want.is_none_or(|want| want == hash) { "" } else { "  DIFFERS" };
                if want.is_none() {
                    profiles.push((profile, hash));
                } else {
                    self.compared += 1;
                    self.differ += usize::from(!verdict.is_empty());
                }
                let cut = if pieces { " in pieces" } else { "" };
                println!("{hash} {} {case}{cut}{verdict}", entry.name);
            }
        }
    }

    /// Something that is computed in the same way on every level: only other machines can disagree.
    fn plain(&mut self, name: &str, case: &str, hash: Fnv) {
        println!("{hash} {name} {case}");
    }
}

fn main() -> ExitCode {
    let levels: Vec<&str> =
        Level::ALL.iter().filter(|level| level.supported()).map(|level| level.name()).collect();
    println!("levels: {}", levels.join(" "));
    if let Some(needed) = std::env::args().nth(1).filter(|needed| !levels.contains(&needed.as_str())) {
        println!("this machine does not have the level {needed}");
        return ExitCode::from(2);
    }
    let mut report = LevelReport { compared: 0, differ: 0 };
    plain::all(&mut report);
    maps::all(&mut report);
    joins::all(&mut report);
    pixels::all(&mut report);
    conv::all(&mut report);
    println!("{} comparisons, {} differ", report.compared, report.differ);
    if report.differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
