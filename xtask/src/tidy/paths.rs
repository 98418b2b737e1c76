//! Where the paths in a crate's code lead: from `crate::a::B` to the file that defines `B`.
//!
//! Names are followed through modules, imports and re-exports, as far as text tells. A path that leads out of the crate
//! leads nowhere here.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{RustFile, has_word};

/// What a name at the left margin is declared with.
const KINDS: [&str; 10] =
    ["struct", "enum", "trait", "type", "union", "fn", "mod", "macro_rules", "const", "static"];

/// Re-exports of re-exports that are followed; they may go round.
const DEEPEST: usize = 6;

/// One name that a `use` brings in.
struct Import {
    line: usize,
    /// `*` for all of a module.
    name: String,
    path: Vec<String>,
    public: bool,
}

/// A file of a crate: what it defines, what it imports, and the paths in the rest of its code.
struct Module<'s> {
    file: &'s str,
    items: BTreeSet<String>,
    imports: Vec<Import>,
    paths: Vec<(usize, Vec<String>)>,
    words: BTreeSet<String>,
}

/// The files of a crate by their modules' paths from its root.
#[derive(Default)]
pub(super) struct ModuleTree<'s>(BTreeMap<Vec<String>, Module<'s>>);

/// A file that uses another.
pub(super) struct Arrow<'s> {
    pub(super) from: &'s str,
    pub(super) line: usize,
    pub(super) to: &'s str,
}

impl<'s> ModuleTree<'s> {
    /// Adds the file at `inside` (`a/b.rs`) of the crate's `src`.
    pub(super) fn add(&mut self, inside: &str, source: &RustFile<'s>) {
        let mut name: Vec<String> = inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if matches!(name.last().map(String::as_str), Some("lib" | "main" | "mod")) {
            name.pop();
        }
        self.0.insert(name, Module::read(source));
    }

    /// Who uses whom. A module that only hands on what those below it define does not use them.
    pub(super) fn arrows(&self) -> Vec<Arrow<'s>> {
        let mut arrows = Vec::new();
        for (at, module) in &self.0 {
            let mut push = |line, to: Option<&'s str>| {
                let to = to.filter(|to| *to != module.file);
                arrows.extend(to.map(|to| Arrow { from: module.file, line, to }));
            };
            for import in &module.imports {
                let path = import.source();
                // a module is used where its name stands before `::`
                let is_module =
                    import.name != "*" && self.enter(at, path).is_some_and(|(_, rest)| rest.is_empty());
                let handed_on = import.public && !module.words.contains(&import.name);
                let to = self.file(at, path);
                if is_module || handed_on && to.is_some_and(|to| self.is_below(at, to)) {
                    continue;
                }
                push(import.line, to);
            }
            for (line, path) in &module.paths {
                push(*line, self.file(at, path));
            }
        }
        arrows
    }

    /// Whether a file belongs to the module `at` or to one below it.
    fn is_below(&self, at: &[String], file: &str) -> bool {
        self.0.iter().any(|(name, module)| module.file == file && name.starts_with(at))
    }

    /// The file that `path`, as written in the module `at`, leads to.
    fn file(&self, at: &[String], path: &[String]) -> Option<&'s str> {
        let (module, rest) = self.enter(at, path)?;
        // what a macro defines is not seen; there the module stands for it
        let by_module = || (rest.len() < path.len()).then(|| self.0[&module].file);
        self.find(&module, rest, 0).or_else(by_module)
    }

    /// Follows a path through modules: the last one, and what is left of the path.
    fn enter<'p>(&self, at: &[String], path: &'p [String]) -> Option<(Vec<String>, &'p [String])> {
        let (mut module, mut rest) = (at.to_vec(), path);
        while let Some((first, more)) = rest.split_first() {
            match first.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => _ = module.pop()?,
                name => module.push(name.to_owned()),
            }
            if !self.0.contains_key(&module) {
                module.pop();
                break;
            }
            rest = more;
        }
        self.0.contains_key(&module).then_some((module, rest))
    }

    /// The file that defines what `rest` names, seen from inside of a module.
    fn find(&self, at: &[String], rest: &[String], depth: usize) -> Option<&'s str> {
        let module = &self.0[at];
        let Some((first, more)) = rest.split_first() else { return Some(module.file) };
        if module.items.contains(first) || depth > DEEPEST {
            return module.items.contains(first).then_some(module.file);
        }
        let all = |name: &str| name == "*";
        let imports = module.imports.iter().filter(|import| import.name == *first || all(&import.name));
        imports.into_iter().find_map(|import| {
            let path = [import.source(), if all(&import.name) { rest } else { more }].concat();
            let (module, rest) = self.enter(at, &path)?;
            self.find(&module, rest, depth + 1)
        })
    }
}

impl Import {
    /// What is imported, or the module of which everything is.
    fn source(&self) -> &[String] {
        &self.path[..self.path.len() - usize::from(self.name == "*")]
    }
}

impl<'s> Module<'s> {
    fn read(source: &RustFile<'s>) -> Self {
        let mut module = Self {
            file: source.path,
            items: BTreeSet::new(),
            imports: Vec::new(),
            paths: Vec::new(),
            words: BTreeSet::new(),
        };
        let mut import: Option<(usize, bool, String)> = None;
        // in `mod name { .. }`, where `super` is this file
        let mut nested = false;
        for (line, code) in source.product_lines() {
            if !code.starts_with(' ') && code.ends_with(['{', '}']) {
                nested = code != "}" && has_word(code, "mod");
            }
            let text = code.trim();
            match (&mut import, imported(text)) {
                (Some((_, _, tree)), _) => tree.push_str(text),
                (None, Some((public, tree))) => import = Some((line, public, tree.to_owned())),
                (None, None) => module.line(line, code, nested),
            }
            if text.ends_with(';')
                && let Some((line, public, tree)) = import.take()
            {
                expand(&[], tree.trim_end_matches(';'), &mut |name, path| {
                    module.imports.push(Import { line, name, path: seen(path, nested), public });
                });
            }
        }
        module
    }

    /// A line that imports nothing: an item at the left margin, words, and paths.
    fn line(&mut self, line: usize, code: &str, nested: bool) {
        let words = code.split(|c: char| !is_part(c)).filter(|word| !word.is_empty());
        self.words.extend(words.clone().map(str::to_owned));
        if !code.starts_with(' ') {
            let mut item = words.skip_while(|word| !KINDS.contains(word));
            // `const fn`, `static mut`
            let name = item.find(|word| !KINDS.contains(word) && !["mut", "unsafe", "extern"].contains(word));
            self.items.extend(name.map(str::to_owned));
        }
        // the path of a visibility uses nothing
        let code =
            code.split_once("pub(in ").map_or(code, |(_, rest)| rest.split_once(')').unwrap_or_default().1);
        for path in code.split(|c: char| !is_part(c) && c != ':') {
            let path: Vec<String> = path.trim_end_matches(':').split("::").map(str::to_owned).collect();
            if path.len() > 1 {
                self.paths.push((line, seen(path, nested)));
            }
        }
    }
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A path as the file sees it that is written in a module inside of the file.
fn seen(mut path: Vec<String>, nested: bool) -> Vec<String> {
    if nested && path[0] == "super" {
        "self".clone_into(&mut path[0]);
    }
    path
}

/// Whether a line starts a public import, and what follows `use`; nothing if it starts none.
fn imported(text: &str) -> Option<(bool, &str)> {
    let public = text.strip_prefix("pub");
    let rest = public.unwrap_or(text);
    let rest = if rest.starts_with('(') { rest.split_once(')')?.1 } else { rest };
    Some((public.is_some(), rest.trim_start().strip_prefix("use ")?))
}

/// Every name and path of what follows `use`: `a::{b, c as d, e::*}`.
fn expand(before: &[&str], tree: &str, found: &mut impl FnMut(String, Vec<String>)) {
    let tree = tree.trim();
    if let Some((head, rest)) = tree.split_once('{') {
        let before: Vec<&str> =
            before.iter().copied().chain(head.split("::").filter(|part| !part.is_empty())).collect();
        let (mut depth, mut start) = (0, 0);
        let inside = rest.strip_suffix('}').unwrap_or(rest);
        for (at, c) in inside.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&before, &inside[start..at], found);
                    start = at + 1;
                }
                _ => {}
            }
        }
        return expand(&before, &inside[start..], found);
    }
    let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
    let mut path: Vec<&str> =
        before.iter().copied().chain(path.split("::")).filter(|part| !part.is_empty()).collect();
    if path.last() == Some(&"self") && path.len() > 1 {
        path.pop();
    }
    if let Some(last) = path.last()
        && !tree.is_empty()
    {
        let name = if name.is_empty() { *last } else { name };
        found(name.to_owned(), path.iter().map(|part| (*part).to_owned()).collect());
    }
}
