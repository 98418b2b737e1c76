//! Memory, before anything is computed. A batch that there is no room for is refused, and the largest that fits is named.
//! `--batch-size auto` takes it. Where the system tells no bound, nothing is refused.

use crate::machine::{Room, room};
use crate::screen::{bytes, note};
use anyhow::{Result, bail};
use plusx_data::Dataset;
use plusx_engine::Prepared;
use plusx_train::{RunMemory, TrainOptions};

/// Of the room, in hundredths, what `auto` takes: the rest is for programs that come later.
const AUTO: u64 = 90;
/// Of the room, in hundredths, what a batch that is named in a refusal may take: it shall still fit when it is tried.
const ADVISED: u64 = 97;

/// What a refusal may advise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Advice {
    /// Another batch size, or auto.
    BatchOrAuto,
    /// Another batch size.
    Batch,
    /// None: a resumed run keeps its batch.
    Keep,
}

/// The largest batch size from `usual` down, in powers of two below it, that there is room for: `--batch-size auto`.
pub(crate) fn auto_batch(usual: usize, runs: &mut Runs) -> usize {
    let images = runs.images();
    let most = if images < usual { 1 << images.max(1).ilog2() } else { usual };
    let Some(room) = room(runs.threads()) else {
        note(&format!("--batch-size auto: {most}; how much memory there is, is not known"));
        return most;
    };
    let budget = part(room, AUTO);
    let mut batch = most;
    while batch > 1 && runs.bytes(batch).is_none_or(|needed| needed > budget) {
        batch = 1 << (batch - 1).ilog2();
    }
    let next = (batch < most).then(|| runs.bytes(2 * batch)).flatten();
    let why = next.map_or_else(String::new, |needed| {
        format!("; {} would take {}, and {} {}", 2 * batch, bytes(needed), bytes(room.bytes), room.bound)
    });
    note(&format!("--batch-size auto: {batch}{why} (--batch-size {batch} gives the same run anywhere)"));
    batch
}

/// Refuses a batch that there is no room for: the system would promise the memory and later end the process.
pub(crate) fn check(
    batch: usize,
    threads: usize,
    advice: Advice,
    needed: &mut dyn FnMut(usize) -> Option<u64>,
) -> Result<()> {
    room(threads).map_or(Ok(()), |room| check_in(room, batch, advice, needed))
}

/// Refuses to look at pictures one by one if there is no room for one.
pub(crate) fn check_one(net: &Prepared, threads: usize) -> Result<()> {
    let needed = net.arena_bytes(1)? as u64;
    match room(threads).filter(|room| room.bytes < needed) {
        Some(room) => bail!(
            "one picture takes {} of memory in this network, but only {} {}: make room",
            bytes(needed),
            bytes(room.bytes),
            room.bound
        ),
        None => Ok(()),
    }
}

fn check_in(
    room: Room,
    batch: usize,
    advice: Advice,
    needed: &mut dyn FnMut(usize) -> Option<u64>,
) -> Result<()> {
    let all = match needed(batch) {
        Some(all) if all <= room.bytes => return Ok(()),
        all => all.map_or("more than an address space".into(), bytes),
    };
    let there = format!("but only {} {}", bytes(room.bytes), room.bound);
    let what = format!("--batch-size {batch} takes {all} of memory, {there}");
    if advice == Advice::Keep {
        bail!(
            "{what}; a resumed run keeps its batch size: make room, or go on with the run's folder where there is more"
        );
    }
    match largest(batch, part(room, ADVISED), needed) {
        0 => bail!("{what}; not even one image fits: use a smaller network or smaller images, or make room"),
        fits if advice == Advice::BatchOrAuto => {
            bail!(
                "{what}: the largest batch that fits is {fits}: use --batch-size {fits}, or --batch-size auto"
            )
        }
        fits => bail!("{what}: the largest batch that fits is {fits}: use --batch-size {fits}"),
    }
}

fn part(room: Room, hundredths: u64) -> u64 {
    room.bytes / 100 * hundredths
}

/// The largest batch below `batch` that takes at most `budget` bytes, rounded down to four binary places: nobody wants
/// 517. 0 if not even one image fits.
fn largest(batch: usize, budget: u64, needed: &mut dyn FnMut(usize) -> Option<u64>) -> usize {
    let (mut fits, mut too_large) = (0, batch);
    while too_large - fits > 1 {
        let middle = fits + (too_large - fits) / 2;
        if needed(middle).is_some_and(|bytes| bytes <= budget) {
            fits = middle;
        } else {
            too_large = middle;
        }
    }
    let places = fits.checked_ilog2().map_or(0, |bits| bits.saturating_sub(3));
    fits >> places << places
}

/// The runs that a command is about to make, each of which must fit.
#[derive(Debug)]
pub(crate) struct Runs {
    runs: Vec<RunMemory>,
}

impl Runs {
    /// Those with these options.
    pub(crate) fn of<'o>(
        options: impl IntoIterator<Item = &'o TrainOptions>,
        dataset: &Dataset,
    ) -> Result<Self> {
        let runs =
            options.into_iter().map(|options| Ok(RunMemory::of(options, dataset)?)).collect::<Result<_>>()?;
        Ok(Self { runs })
    }

    /// Bytes that the largest of them takes; `None` beyond an address space.
    pub(crate) fn bytes(&mut self, batch: usize) -> Option<u64> {
        let mut each = self.runs.iter_mut().map(|run| run.to_come(batch).ok());
        each.try_fold(0, |most, bytes| Some(bytes?.max(most)))
    }

    /// Bytes of disk that the files of the largest take.
    pub(crate) fn files(&self) -> u64 {
        self.runs.iter().map(RunMemory::files).max().unwrap_or(0)
    }

    /// Whether they read every picture once.
    pub(crate) fn read_once(&self) -> bool {
        self.runs.iter().all(RunMemory::reads_once)
    }

    fn threads(&self) -> usize {
        self.runs.iter().map(RunMemory::threads).max().unwrap_or(1)
    }

    fn images(&self) -> usize {
        self.runs.iter().map(RunMemory::images).max().unwrap_or(0)
    }

    /// Refuses them if there is no room for so many images a step.
    pub(crate) fn check(&mut self, batch: usize, advice: Advice) -> Result<()> {
        check(batch, self.threads(), advice, &mut |batch| self.bytes(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 MB and 2 MB an image.
    fn needed(batch: usize) -> Option<u64> {
        (batch as u64).checked_mul(2_000_000)?.checked_add(1_000_000)
    }

    #[test]
    fn the_largest_that_fits_is_named_and_does_fit() {
        for budget in [2_999_999, 3_000_000, 21_000_000, 1_035_000_000, 8_000_000_001] {
            let fits = largest(1 << 20, budget, &mut needed);
            let exact = budget.saturating_sub(1_000_000) / 2_000_000;
            assert!(fits as u64 <= exact && exact - fits as u64 <= exact / 8, "{budget}: {fits} of {exact}");
        }
        assert_eq!(largest(100, 1_035_000_000, &mut |n| needed(n)), 96);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_does() {
        let room = Room { bytes: 2_000_000_000, bound: "are free here" };
        let say =
            |batch, advice| check_in(room, batch, advice, &mut needed).err().map(|error| error.to_string());
        assert_eq!(say(999, Advice::BatchOrAuto), None);
        assert_eq!(
            say(4096, Advice::BatchOrAuto).unwrap(),
            "--batch-size 4096 takes 8.19 GB of memory, but only 2.00 GB are free here: the largest batch that fits is \
             960: use --batch-size 960, or --batch-size auto"
        );
        assert!(!say(4096, Advice::Batch).unwrap().contains("auto"));
        assert!(say(4096, Advice::Keep).unwrap().contains("keeps its batch size"));
        assert!(say(usize::MAX, Advice::Batch).unwrap().contains("960"));
        let room = Room { bytes: 2_000_000, bound: "are left" };
        let error = check_in(room, 4, Advice::Batch, &mut needed).unwrap_err().to_string();
        assert!(error.contains("not even one image"), "{error}");
    }
}
