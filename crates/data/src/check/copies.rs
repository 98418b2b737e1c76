//! Pictures that are there more than once: in two splits, in two classes, or twice in one place.

use super::examine::{self, SeenPicture};
use super::finding::{CheckFinding, FindingKind};
use super::look::Likeness;
use super::near;
use super::report::CheckOptions;
use crate::{Dataset, Samples};
use std::collections::HashMap;
use std::sync::Arc;

/// A picture with a look that others may share.
struct Member<'s> {
    split: usize,
    index: usize,
    label: u32,
    look: &'s Likeness,
}

/// Adds what is there more than once. Pictures of one colour do not count: they are alike for another reason.
pub(super) fn find(
    set: &Dataset,
    splits: &[(&'static str, &Arc<dyn Samples>)],
    seen: &[SeenPicture],
    options: &CheckOptions,
    findings: &mut Vec<CheckFinding>,
) {
    let places = splits
        .iter()
        .enumerate()
        .flat_map(|(split, (_, samples))| (0..samples.len()).map(move |index| (split, index)));
    let members: Vec<Member<'_>> = places
        .zip(seen)
        .filter_map(|((split, index), seen)| {
            let look = seen.look.as_deref().filter(|look| !look.flat)?;
            Some(Member { split, index, label: seen.label, look })
        })
        .collect();
    // the first of those with the same pixels stands for them
    let mut first_with = HashMap::new();
    let same: Vec<usize> = members
        .iter()
        .enumerate()
        .map(|(at, member)| *first_with.entry(member.look.digest).or_insert(at))
        .collect();
    let standing: Vec<usize> = (0..members.len()).filter(|at| same[*at] == *at).collect();
    let looks: Vec<&Likeness> = standing.iter().map(|at| members[*at].look).collect();
    let groups = near::groups(&looks, options.threads);
    let mut like = vec![0; members.len()];
    for (at, group) in standing.iter().zip(groups) {
        like[*at] = standing[group];
    }
    let like: Vec<usize> = same.iter().map(|first| like[*first]).collect();
    let copies = Copies {
        set,
        splits,
        members: &members,
        same: Found::of(&members, &same),
        like: Found::of(&members, &like),
    };
    for (at, (same, like)) in same.iter().zip(&like).enumerate() {
        copies.judge(at, *same, *like, findings);
    }
}

/// Of each group the members that its others are compared with.
struct Found {
    by_group: HashMap<usize, Marks>,
}

/// Of a group: its first member in each split, and its first of another class than the first.
#[derive(Clone, Copy)]
struct Marks {
    first_in: [Option<usize>; 3],
    first: usize,
    other_label: Option<usize>,
}

impl Found {
    fn of(members: &[Member<'_>], groups: &[usize]) -> Self {
        let mut by_group: HashMap<usize, Marks> = HashMap::new();
        for (at, (member, group)) in members.iter().zip(groups).enumerate() {
            let none = Marks { first_in: [None; 3], first: at, other_label: None };
            let marks = by_group.entry(*group).or_insert(none);
            marks.first_in[member.split].get_or_insert(at);
            if member.label != members[marks.first].label {
                marks.other_label.get_or_insert(at);
            }
        }
        Self { by_group }
    }
}

struct Copies<'s> {
    set: &'s Dataset,
    splits: &'s [(&'static str, &'s Arc<dyn Samples>)],
    members: &'s [Member<'s>],
    /// Groups with the same pixels, and those that look alike.
    same: Found,
    like: Found,
}

impl Copies<'_> {
    /// Adds what is to be said of a picture.
    fn judge(&self, at: usize, same: usize, like: usize, findings: &mut Vec<CheckFinding>) {
        let member = &self.members[at];
        let marks = [self.same.by_group[&same], self.like.by_group[&like]];
        // what has the same pixels is named before what only looks alike
        let pick = |choose: &dyn Fn(&Marks) -> Option<usize>| {
            let [exact, near] = [0, 1].map(|which| choose(&marks[which]));
            exact.map(|other| (other, true)).or(near.map(|other| (other, false)))
        };
        let leak = pick(&|marks| marks.first_in[..member.split].iter().flatten().next().copied());
        let label = pick(&|marks| {
            let differs = |other: &usize| self.members[*other].label != member.label;
            Some(marks.first).filter(differs).or(marks.other_label.filter(differs))
        });
        let twin = pick(&|marks| marks.first_in[member.split].filter(|first| *first != at));
        let mut add = |kind: FindingKind, reason: String| {
            let (split, samples) = self.splits[member.split];
            findings.push(CheckFinding::new(kind, examine::name(split, &**samples, member.index), reason));
        };
        if let Some((other, exact)) = leak {
            let own = self.splits[member.split].0;
            let theirs = self.splits[self.members[other].split].0;
            let place = format!("{}, which is in {theirs}; this one is in {own}", self.path(other));
            add(FindingKind::Leak, format!("{} {place}", how(exact)));
        }
        if let Some((other, exact)) = label {
            let [own, theirs] = [member.label, self.members[other].label].map(|label| self.class(label));
            add(
                FindingKind::TwoLabels,
                format!("{} {}; that is {theirs}, this {own}", how(exact), self.path(other)),
            );
        }
        if let (None, None, Some((other, exact))) = (leak, label, twin) {
            let kind = if exact { FindingKind::Duplicate } else { FindingKind::NearDuplicate };
            add(kind, format!("{} {}", how(exact), self.path(other)));
        }
    }

    fn path(&self, at: usize) -> String {
        let member = &self.members[at];
        let (split, samples) = self.splits[member.split];
        examine::name(split, &**samples, member.index)
    }

    fn class(&self, label: u32) -> &str {
        self.set.classes.get(label as usize).map_or("of no class", String::as_str)
    }
}

fn how(exact: bool) -> &'static str {
    if exact { "the same pixels as" } else { "nearly the same picture as" }
}
