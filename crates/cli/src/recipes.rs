//! `plusx recipes`: the named sets of defaults, with what they set.

use crate::exit;
use crate::screen::result;
use anyhow::Result;
use clap::Args;
use plusx_train::{Overrides, Recipe, RecipeEntry};

/// Options of `plusx recipes`.
#[derive(Debug, Args)]
pub(crate) struct RecipesArguments {
    /// Only this one
    name: Option<Recipe>,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &RecipesArguments) -> Result<u8> {
    let wanted = Recipe::ALL.into_iter().filter(|recipe| arguments.name.is_none_or(|name| name == *recipe));
    let entries = wanted.map(Recipe::entry).collect::<Result<Vec<_>, _>>()?;
    let texts = || entries.iter().map(text).collect::<Vec<_>>().join("\n\n");
    result(&if arguments.json { serde_json::to_string(&entries)? } else { texts() })?;
    Ok(exit::DONE)
}

/// A recipe for people: what it sets, as a command line would.
fn text(entry: &RecipeEntry) -> String {
    let mut text = format!("{}: {}", entry.recipe, entry.about);
    for (key, value) in &entry.options {
        let row = Overrides::ROWS.iter().find(|row| row.key == key);
        let name = row.map_or(key.as_str(), |row| row.name);
        // a switch has no value
        let value = if row.is_some_and(|row| row.value.is_empty()) { "" } else { value };
        text += format!("\n  --{name} {value}").trim_end();
    }
    text
}
