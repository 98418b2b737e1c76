//! How texts for people say things: counted nouns, shares in percent, small numbers, and names that are nearly right.

use crate::thousands::thousands;

/// "1 image", "12 images", "60,000 images"; nouns in s take "es": "2 classes".
pub fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(count), ending(count, noun))
}

/// The same with the digits as they are, for numbers that somebody may look for as they were typed: "60000 images".
pub fn count(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", ending(count as u64, noun))
}

fn ending(count: u64, noun: &str) -> &'static str {
    match noun {
        _ if count == 1 => "",
        noun if noun.ends_with('s') => "es",
        _ => "s",
    }
}

/// A share (0 to 1) of `n` things in percent, without the sign, with as many decimals as tell one thing more or less
/// apart, and two at most: 8 of 10 are "80", 847 of 10,000 "8.47".
pub fn percent(share: f64, n: u64) -> String {
    format!("{:.*}", percent_decimals(n), 100.0 * share)
}

/// Decimals of [`percent`].
pub fn percent_decimals(n: u64) -> usize {
    match n {
        0..=100 => 0,
        101..=1000 => 1,
        _ => 2,
    }
}

/// A number to two significant digits, written as people do: "0", "0.05", "3.1e-7".
pub fn about(value: f64) -> String {
    let text = format!("{value:.1e}");
    match text.parse::<f64>() {
        Ok(0.0) => "0".into(),
        Ok(rounded) if (1e-3..1e6).contains(&rounded.abs()) => rounded.to_string(),
        _ => text.replace(".0e", "e"),
    }
}

/// " (did you mean resnet50?)", if one of the `known` names is so near to `name` that a slip explains it; else nothing.
pub fn did_you_mean<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    nearest(name, known).map_or_else(String::new, |known| format!(" (did you mean {known}?)"))
}

/// The first of the `known` names that the fewest slips make of `name`: one slip for each three letters at most, capital
/// letters aside.
fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let letters = |text: &str| text.to_lowercase().chars().collect::<Vec<char>>();
    let name = letters(name);
    // nobody meant a name that is no word, and distances of long texts are slow
    if name.is_empty() || name.len() > 64 {
        return None;
    }
    let limit = (name.len() / 3).max(1);
    let slips = known.into_iter().map(|known| (slips(&name, &letters(known)), known));
    slips.filter(|(slips, _)| *slips <= limit).min_by_key(|(slips, _)| *slips).map(|(_, known)| known)
}

/// Letters to insert, to drop, to replace, or neighbours to exchange, to make `a` of `b`: the optimal string alignment.
fn slips(a: &[char], b: &[char]) -> usize {
    // rows of the table of distances between beginnings of `a` and of `b`: two before, and this one
    let (mut before, mut last) = (Vec::new(), (0..=b.len()).collect::<Vec<usize>>());
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let mut least = (last[j] + usize::from(a[i] != b[j])).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                let exchanged: usize = before[j - 1];
                least = least.min(exchanged + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!(counted(1, "epoch"), "1 epoch");
        assert_eq!(counted(0, "image"), "0 images");
        assert_eq!(counted(2, "class"), "2 classes");
        assert_eq!(counted(60_000, "training image"), "60,000 training images");
        assert_eq!((count(1, "byte"), count(60_000, "byte")), ("1 byte".into(), "60000 bytes".into()));
    }

    #[test]
    fn percentages_have_the_digits_they_bear() {
        assert_eq!(percent(0.8, 10), "80");
        assert_eq!(percent(0.875, 8), "88");
        assert_eq!(percent(0.125, 1000), "12.5");
        assert_eq!(percent(0.0847, 10_000), "8.47");
        assert_eq!(percent(0.123_456_7, 60_000), "12.35");
    }

    #[test]
    fn small_numbers_are_written_as_people_do() {
        for (value, text) in [
            (0.0, "0"),
            (0.05, "0.05"),
            (1.0, "1"),
            (0.0123, "0.012"),
            (3.14e-7, "3.1e-7"),
            (2e-7, "2e-7"),
            (-0.5, "-0.5"),
            (12_345.0, "12000"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(about(value), text);
        }
    }

    #[test]
    fn slips_are_understood_and_other_names_are_not() {
        let known = ["resnet18", "resnet50", "resnet50v2", "fashion-mnist", "fashion-mnist-mini"];
        for (name, meant) in [
            ("resnt50", "resnet50"),
            ("ResNet50", "resnet50"),
            ("resnet-50", "resnet50"),
            ("resnet50_v2", "resnet50v2"),
            ("renset18", "resnet18"),
            ("fashion_mnist", "fashion-mnist"),
            ("FashionMNIST", "fashion-mnist"),
        ] {
            assert_eq!(nearest(name, known), Some(meant), "{name}");
        }
        for name in ["", "mnist", "cifar", "vgg16", &"resnet50".repeat(100)] {
            assert_eq!(nearest(name, known), None, "{name}");
        }
        assert_eq!(did_you_mean("resnet5O", known), " (did you mean resnet50?)");
        assert_eq!(slips(&['a', 'b', 'c'], &['a', 'c', 'b']), 1);
        assert_eq!(slips(&[], &['a', 'b']), 2);
    }
}
