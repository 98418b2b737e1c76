//! What measurements must be read beside: the processor, its levels, memory, versions, the load, the date.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine that measures.
#[derive(Debug)]
pub(crate) struct Machine {
    /// As the processor calls itself.
    pub(crate) cpu: String,
    /// Cores that this process may use.
    pub(crate) cores: usize,
    /// In GB; 0 if unknown.
    pub(crate) memory_gb: f64,
    /// Operating system and its version.
    pub(crate) system: String,
    /// The compiler.
    pub(crate) rustc: String,
    /// Instruction levels.
    pub(crate) levels: Vec<&'static str>,
    /// Today, UTC.
    pub(crate) date: String,
}

impl Machine {
    /// Looks around.
    pub(crate) fn look() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown cpu".to_owned());
        let kilobytes = field("/proc/meminfo", "MemTotal")
            .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok())
            .unwrap_or(0.0);
        Self {
            cpu,
            cores,
            memory_gb: kilobytes * 1024.0 / 1e9,
            system: first_line("uname", &["-sr"]),
            rustc: first_line("rustc", &["--version"]),
            levels: levels(),
            date: today(),
        }
    }

    /// Name of the folder of a day's measurements: `2026-01-31-amd-epyc-9b14`.
    pub(crate) fn folder(&self) -> String {
        format!("{}-{}", self.date, slug(&self.cpu))
    }

    /// The same as a few lines of markdown.
    pub(crate) fn describe(&self) -> String {
        format!(
            "- processor: {}, {} cores used, levels {}\n- memory: {:.0} GB\n- system: {}\n- compiler: {}\n- date: {}\n",
            self.cpu,
            self.cores,
            self.levels.join(", "),
            self.memory_gb,
            self.system,
            self.rustc,
            self.date
        )
    }
}

/// Levels with vector kernels that this processor has, best first.
pub(crate) fn levels() -> Vec<&'static str> {
    let mut levels = vec!["portable"];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            levels.insert(0, "avx2");
            let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
            if avx512 && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512dq") {
                levels.insert(0, "avx512");
            }
        }
    }
    levels
}

/// Processes that ran or waited for a core, on average over the last minute; `NaN` where the system does not say.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(f64::NAN)
}

/// The first `threads` cores that this process may use, as `taskset` wants them; `None` where the system does not say.
pub(crate) fn first_cores(threads: usize) -> Option<String> {
    let allowed = field("/proc/self/status", "Cpus_allowed_list")?;
    let mut cores = Vec::new();
    for range in allowed.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cores.extend(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?);
    }
    cores.truncate(threads);
    Some(cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
}

/// The value of `name: value` in a file of /proc.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.into_iter().find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// Letters and digits in lower case, everything else one hyphen; words that every processor has are left out.
fn slug(cpu: &str) -> String {
    let cpu = cpu.split('@').next().unwrap_or(cpu).replace("(R)", "").replace("(TM)", "").to_lowercase();
    let words = cpu.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.filter(|word| !["cpu", "processor", "core"].contains(word)).collect();
    if words.is_empty() { "unknown".to_owned() } else { words.join("-") }
}

fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |past| past.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    format!("{year}-{month:02}-{day:02}")
}

/// The date of a day counted from 1970-01-01. Years are counted from March, so that the leap day ends one: month m
/// of such a year starts (153 m + 2) / 5 days after its first.
fn civil(days: u64) -> (u64, u64, u64) {
    // days from 0000-03-01 to 1970-01-01
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(59), (1970, 3, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_819), (2027, 1, 1));
    }

    #[test]
    fn slugs() {
        assert_eq!(slug("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"), "intel-xeon-platinum-8481c");
        assert_eq!(slug("AMD EPYC 9B14"), "amd-epyc-9b14");
        assert_eq!(slug("???"), "unknown");
    }
}
