//! What the machine is, as far as the system tells: processor, cores, memory. Linux tells most; elsewhere the answers
//! are `None`.

use crate::cgroup;
use std::collections::BTreeSet;
use std::fs;

/// The processor's name.
pub(crate) fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    field(&text, "model name").map(str::to_string)
}

/// Physical cores (hyper-threads of one core counted once).
pub(crate) fn physical_cores() -> Option<usize> {
    let folder = fs::read_dir("/sys/devices/system/cpu").ok()?;
    let siblings = folder
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("topology/thread_siblings_list")).ok());
    Some(siblings.collect::<BTreeSet<_>>().len()).filter(|&count| count > 0)
}

/// Memory of the machine and what is free for programs, in bytes.
pub(crate) fn memory() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    Some((kilobytes(&text, "MemTotal")?, kilobytes(&text, "MemAvailable")?))
}

/// The most memory this process ever held, in bytes.
pub(crate) fn peak_memory() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM")
}

/// Memory this process can still get, in bytes: what is free, or what its control group may use, if that is less.
pub(crate) fn memory_left() -> Option<u64> {
    let free = memory().map(|(_, available)| available);
    [free, cgroup::memory()].into_iter().flatten().min()
}

/// Whether the kernel backs large buffers with huge pages: `always`, `madvise` or `never`.
pub(crate) fn huge_pages() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?;
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_string())
}

fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    Some(field(text, name)?.strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let text = "MemTotal:       100 kB\nMemFree:  7 kB\n";
        assert_eq!(kilobytes(text, "MemTotal"), Some(102_400));
        assert_eq!(kilobytes(text, "MemAvailable"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_tells() {
        assert!(peak_memory().is_some_and(|bytes| bytes > 0));
        assert!(memory().is_some_and(|(total, free)| total >= free));
    }
}
