//! `docs/commands.md` names every command and every long option that `--help` lists, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::program::Place;

/// Long options of each command, by its words: `bench train`.
type Commands = BTreeMap<String, BTreeSet<String>>;

/// The page says of all commands together that they have these.
const EVERYWHERE: [&str; 2] = ["--help", "--version"];

#[test]
fn the_page_of_commands_says_what_help_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
    let page = on_page(&fs::read_to_string(page).expect("the page of commands"));
    let mut program = Commands::new();
    ask(&Place::new(), "", &mut program);

    let commands = |all: &Commands| all.keys().cloned().collect::<BTreeSet<_>>();
    assert_same("commands", &commands(&program), &commands(&page));
    for (command, options) in &program {
        assert_same(command, options, &page[command]);
    }
}

fn assert_same(what: &str, help: &BTreeSet<String>, page: &BTreeSet<String>) {
    let missing: Vec<_> = help.difference(page).collect();
    let invented: Vec<_> = page.difference(help).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "docs/commands.md, {what}: --help also has {missing:?}, the page alone has {invented:?}"
    );
}

/// Asks `command` for its options and its subcommands, and those for theirs. A command with subcommands has no options.
fn ask(place: &Place, command: &str, found: &mut Commands) {
    let help = place.ok(&format!("{command} --help")).stdout;
    let subcommands = section(&help, "Commands:");
    if subcommands.is_empty() {
        let options = section(&help, "Options:").into_iter().flat_map(|line| long_options(&line)).collect();
        found.insert(command.to_owned(), options);
    }
    let names = subcommands.iter().filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| *name != "help") {
        ask(place, format!("{command} {name}").trim(), found);
    }
}

/// What the lines after `title` begin with, up to the next title: the names of commands or options, without what is said of
/// them. Names stand two blanks from the left, long options without a short form six.
fn section(help: &str, title: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != title).skip(1);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with(' '));
    let named = lines.filter(|line| {
        let blanks = line.len() - line.trim_start().len();
        blanks == 2 || (blanks == 6 && line.trim_start().starts_with("--"))
    });
    named.map(|line| line.trim_start().split("  ").next().unwrap_or_default().to_owned()).collect()
}

/// Commands and options of the page: a heading names the commands that the tables below it are about, the first cell of a row
/// the options.
fn on_page(text: &str) -> Commands {
    let mut commands = Commands::new();
    let mut current: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.starts_with("## ") {
            let spans = line.split('`').skip(1).step_by(2);
            current = spans.filter_map(|span| span.strip_prefix("plusx ").map(str::to_owned)).collect();
            for command in &current {
                commands.entry(command.clone()).or_default();
            }
        }
        let Some(cells) = line.strip_prefix("| ") else { continue };
        for option in long_options(cells.split(" | ").next().unwrap_or_default()) {
            for command in &current {
                commands.entry(command.clone()).or_default().insert(option.clone());
            }
        }
    }
    commands
}

/// Every word of `text` that begins with two hyphens, without what follows its name.
fn long_options(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let long = words.filter(|word| word.starts_with("--") && word.len() > 2);
    long.filter(|word| !EVERYWHERE.contains(word)).map(str::to_owned).collect()
}
