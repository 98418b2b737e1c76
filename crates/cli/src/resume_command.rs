//! The command line that continues a run or a comparison.

use std::path::Path;

/// The exact command that resumes `run`: this very program, by a path that works from here.
pub(crate) fn resume_command(command: &str, run: &Path) -> String {
    let program = std::env::args_os().next().unwrap_or_else(|| "plusx".into());
    let quote = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
        if !text.is_empty() && text.chars().all(plain) {
            text.to_string()
        } else {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
    };
    let program = quote(&program.to_string_lossy());
    format!("{program} {command} --resume {}", quote(&run.to_string_lossy()))
}
