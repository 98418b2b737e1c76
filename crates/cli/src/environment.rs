//! What the environment says of places for data and of threads. It is read once, here, and handed down. `screen` reads the
//! variables that say what the terminal can show (`TERM`, `NO_COLOR`, `CLICOLOR`). The downloader reads those of proxies.

use crate::screen::note;
use plusx_data::{FindOptions, ReadOptions, cache_dir};
use std::path::{Path, PathBuf};

/// What the environment says.
#[derive(Debug)]
pub(crate) struct Environment {
    /// `$PLUSX_DATA`: a folder with data sets.
    pub(crate) data: Option<PathBuf>,
    /// The user's cache folder for plusx.
    pub(crate) cache: Option<PathBuf>,
    /// `$HF_ENDPOINT`: the Hugging Face hub, or a mirror of it.
    pub(crate) hub: Option<String>,
    /// `$RAYON_NUM_THREADS`, else `$OMP_NUM_THREADS`, with the variable's name.
    pub(crate) threads: Option<(&'static str, usize)>,
}

impl Environment {
    /// Reads it.
    pub(crate) fn read() -> Self {
        let value = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let threads = ["RAYON_NUM_THREADS", "OMP_NUM_THREADS"]
            .into_iter()
            .find_map(|name| Some((name, thread_count(value(name)?.to_str()?)?)));
        let hub = value("HF_ENDPOINT").map(|address| address.to_string_lossy().into_owned());
        Self { data: value("PLUSX_DATA").map(PathBuf::from), cache: cache_dir(value), hub, threads }
    }

    /// How many threads to use: the option, else the environment, else what the system grants (cores, affinity,
    /// cgroup quota).
    pub(crate) fn threads(&self, option: Option<usize>) -> usize {
        plusx_engine::settle_threads(option.or(self.threads.map(|(_, count)| count)))
    }

    /// Says so if more threads are asked for than the system grants cores: they take turns and wait for one another.
    pub(crate) fn mind_threads(&self, option: Option<usize>) {
        if let Some(words) = self.crowded(option, plusx_engine::settle_threads(None)) {
            note(&words);
        }
    }

    fn crowded(&self, option: Option<usize>, granted: usize) -> Option<String> {
        let (source, threads) = match (option, self.threads) {
            (Some(threads), Some((name, count))) if threads == count => (name, threads),
            (Some(threads), _) => ("--threads", threads),
            (None, Some((name, count))) => (name, count),
            (None, None) => return None,
        };
        let cores = if granted == 1 { "1 core is".into() } else { format!("{granted} cores are") };
        (threads > granted).then(|| {
            format!("note: {source} {threads}: {cores} granted here; more threads than that are no faster, often slower")
        })
    }

    /// Where to look for data.
    pub(crate) fn find(&self, data_dir: Option<&Path>) -> FindOptions {
        FindOptions {
            reading: ReadOptions::default(),
            data_dir: data_dir.map(Path::to_owned),
            env_dir: self.data.clone(),
            cache_dir: self.cache.clone(),
        }
    }
}

/// A count of threads; of OpenMP's list of nesting levels, the first. 0 means "choose yourself", as in rayon.
fn thread_count(text: &str) -> Option<usize> {
    text.split(',').next()?.trim().parse().ok().filter(|&count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_counts_of_other_programs_are_understood() {
        assert_eq!(thread_count("4"), Some(4));
        assert_eq!(thread_count(" 4,2"), Some(4));
        assert_eq!(thread_count("0"), None);
        assert_eq!(thread_count("many"), None);
    }

    #[test]
    fn the_option_beats_the_environment() {
        let threads = Some(("OMP_NUM_THREADS", 3));
        let environment = Environment { data: None, cache: None, hub: None, threads };
        assert_eq!(environment.threads(Some(5)), 5);
        assert_eq!(environment.threads(None), 3);
    }

    #[test]
    fn more_threads_than_cores_are_said() {
        let of = |threads| Environment { data: None, cache: None, hub: None, threads };
        let said = of(None).crowded(Some(64), 2).unwrap();
        assert!(said.contains("--threads 64: 2 cores are granted"), "{said}");
        let said = of(Some(("OMP_NUM_THREADS", 8))).crowded(None, 1).unwrap();
        assert!(said.contains("OMP_NUM_THREADS 8: 1 core is granted"), "{said}");
        assert_eq!(of(None).crowded(Some(2), 2), None);
        assert_eq!(of(None).crowded(None, 2), None);
    }
}
