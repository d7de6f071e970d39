//! The house rules, checked over every file of `src/`: layers, purity, lengths, names, docs, and why each dependency is
//! there. A rule is a function from a file to faults; each has a small bad file below that it must refuse.
//!
//! The files are read as text, with comments and literals blanked out: no rule needs more, and a rule that reads words
//! is understood by whoever breaks it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The layers, lowest first: a module names modules of its own layer or lower ones only.
const LAYERS: [&[&str]; 5] = [
    &["time", "task", "record", "config"],
    &["feature", "model", "evaluate", "drift", "trigger", "train", "deploy"],
    &["broker", "fault", "mesh", "source", "sink", "registry", "state", "serve"],
    &["flow"],
    &["launch", "main", "lib"],
];
/// Only these modules may name timely and differential.
const DATAFLOW: &str = "flow";
/// The only file with code that the compiler cannot check: the bodies of window pages, by abomonation.
const UNCHECKED: &str = "src/state/page/body.rs";
/// Longer files hold more than one idea.
const LONGEST_FILE: usize = 600;
const LONGEST_LINE: usize = 120;
/// Names that say nothing about the domain.
const EMPTY_NAMES: [&str; 6] = ["manager", "helper", "helpers", "util", "utils", "handler"];
/// What layers 0 and 1 do not touch: I/O, clocks, threads, globals. Paths are followed by their first words.
const IMPURE: [&str; 14] = [
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "Instant",
    "SystemTime",
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "thread_local!",
    "static mut",
    "OnceLock",
];

/// One file of the source, as the rules see it.
struct File {
    /// From the root of the project: `src/flow/mint.rs`.
    path: String,
    text: String,
    /// The text with comments, literals and test-only parts blanked; lines and columns are those of the text.
    code: String,
}

impl File {
    fn new(path: &str, text: &str, test_only: bool) -> File {
        let code = if test_only { String::new() } else { without_tests(&blank(text)) };
        File { path: path.to_string(), text: text.to_string(), code }
    }

    /// The modules on the way to it: `["flow", "mint"]`.
    fn modules(&self) -> Vec<&str> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        path.split('/').collect()
    }

    fn layer(&self) -> Option<usize> {
        layer_of(self.modules()[0])
    }

    /// A fault at a byte of the text.
    fn fault(&self, at: usize, what: impl std::fmt::Display) -> String {
        let line = 1 + self.text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count();
        format!("{}:{line}: {what}", self.path)
    }
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

// ---- reading ----

/// Blanks comments, and what is inside of string and character literals, with spaces.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut i = 0;
    while i < bytes.len() {
        let rest = &bytes[i..];
        let end = if rest.starts_with(b"//") {
            i + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            i + block_comment(rest)
        } else if let Some(raw) = raw_string(bytes, i) {
            i + raw
        } else if bytes[i] == b'"' {
            i + quoted(rest, b'"')
        } else if bytes[i] == b'\'' && is_char(text, i) {
            i + quoted(rest, b'\'')
        } else {
            i += 1;
            continue;
        };
        let end = end.min(bytes.len());
        let literal = !rest.starts_with(b"/");
        // The quotes of literals stay, so that an empty text can still be seen to be one.
        let (from, to) = if literal { (i + 1, end.saturating_sub(1).max(i + 1)) } else { (i, end) };
        out[from..to].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        i = end.max(i + 1);
    }
    String::from_utf8(out).expect("blanks replace whole characters")
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut i) = (0, 0);
    while i < rest.len() {
        if rest[i..].starts_with(b"/*") {
            depth += 1;
            i += 2;
        } else if rest[i..].starts_with(b"*/") {
            depth -= 1;
            i += 2;
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    rest.len()
}

/// The length of `r"..."`, `r#"..."#` and their `b` and `c` forms at `at`, if one begins there.
fn raw_string(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes[at] != b'r' {
        return None;
    }
    // `br` and `cr` begin one too, but the last letter of a name does not.
    let name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let before = bytes[..at].last().filter(|b| name(b));
    let prefixed = before.is_some_and(|b| matches!(b, b'b' | b'c')) && !bytes[..at - 1].last().is_some_and(name);
    if before.is_some() && !prefixed {
        return None;
    }
    let hashes = bytes[at + 1..].iter().take_while(|b| **b == b'#').count();
    if bytes.get(at + 1 + hashes) != Some(&b'"') {
        return None;
    }
    let start = at + 2 + hashes;
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = bytes[start..].windows(close.len()).position(|w| w == close).unwrap_or(bytes.len() - start);
    Some(2 + hashes + body + close.len())
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut i = 1;
    while i < rest.len() {
        match rest[i] {
            b'\\' => i += 2,
            b if b == quote => return i + 1,
            _ => i += 1,
        }
    }
    rest.len()
}

/// Whether a `'` begins a character, not a lifetime.
fn is_char(text: &str, at: usize) -> bool {
    let mut chars = text[at + 1..].chars();
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

/// Blanks every item that is compiled for tests only: `#[cfg(test)]` and what follows, to its `;` or closing brace.
fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let start = from + found;
        let mut end = start + "#[cfg(test)]".len();
        let mut depth = 0i32;
        for b in code.as_bytes()[end..].iter() {
            end += 1;
            match b {
                b'{' => depth += 1,
                b'}' if depth == 1 => break,
                b'}' => depth -= 1,
                b';' if depth == 0 => break,
                _ => {}
            }
        }
        out[start..end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        from = end;
    }
    String::from_utf8(out).expect("blanks replace whole characters")
}

/// The modules that are declared for tests only: `#[cfg(test)] mod laws;`.
fn test_modules(text: &str) -> Vec<String> {
    let code = blank(text);
    let mut out = Vec::new();
    for (at, mark) in code.match_indices("#[cfg(test)]") {
        let rest = code[at + mark.len()..].trim_start();
        let rest = rest.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        if let Some(name) = rest.strip_prefix("mod ").and_then(|r| r.split_once(';')).map(|(name, _)| name.trim())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            out.push(name.to_string());
        }
    }
    out
}

fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

/// The places of `word` in the code, where it is not a part of a longer name.
fn words<'c>(code: &'c str, word: &'c str) -> impl Iterator<Item = usize> + 'c {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = at.checked_sub(1).is_none_or(|i| !is_name(bytes[i]));
        let last = word.as_bytes().last().is_some_and(|b| is_name(*b));
        before && (!last || bytes.get(at + word.len()).is_none_or(|b| !is_name(*b)))
    })
}

fn name_at(code: &str, at: usize) -> &str {
    let len = code.as_bytes()[at..].iter().take_while(|b| is_name(**b)).count();
    &code[at..at + len]
}

/// The first names after `prefix`, be it a path or a list of paths in braces: for `a::{b::c, d}` after `a::`, b and d.
fn names_after(code: &str, prefix: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    for at in words(code, prefix) {
        let start = at + prefix.len();
        if code.as_bytes().get(start) != Some(&b'{') {
            out.push((at, name_at(code, start).to_string()));
            continue;
        }
        let mut depth = 0;
        let mut fresh = true;
        for (i, b) in code.bytes().enumerate().skip(start) {
            match b {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b',' if depth == 1 => fresh = true,
                b if depth == 1 && fresh && is_name(b) => {
                    out.push((i, name_at(code, i).to_string()));
                    fresh = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    out
}

// ---- the rules ----

/// Modules name their own layer and lower ones.
fn layers(file: &File) -> Vec<String> {
    let modules = file.modules();
    let Some(layer) = file.layer() else {
        return vec![file.fault(0, format!("module `{}` has no layer: give it one in tests/tidy.rs", modules[0]))];
    };
    let mut named: Vec<(usize, String)> = names_after(&file.code, "crate::");
    named.extend(names_after(&file.code, "tidemill::"));
    // So many `super`s are the crate itself.
    named.extend(names_after(&file.code, &"super::".repeat(modules.len())));
    let mut out = Vec::new();
    for (at, name) in named {
        match layer_of(&name) {
            Some(other) if other > layer => {
                let what = format!("`{}` (layer {layer}) names `{name}` (layer {other})", modules[0]);
                out.push(file.fault(at, what));
            }
            _ => {}
        }
    }
    out
}

/// Only the rooms name the dataflow.
fn dataflow(file: &File) -> Vec<String> {
    if file.modules()[0] == DATAFLOW {
        return Vec::new();
    }
    ["timely", "differential_dataflow"]
        .iter()
        .flat_map(|word| words(&file.code, word).map(move |at| (at, word)))
        .map(|(at, word)| file.fault(at, format!("only {DATAFLOW} names {word}")))
        .collect()
}

/// Layers 0 and 1 touch nothing but their arguments.
fn purity(file: &File) -> Vec<String> {
    if file.layer().is_none_or(|layer| layer > 1) {
        return Vec::new();
    }
    let mut out = Vec::new();
    for word in IMPURE {
        out.extend(words(&file.code, word).map(|at| file.fault(at, format!("layers 0 and 1 do not touch `{word}`"))));
        // `use std::{fs, io}` names `std::fs` too.
        let Some(part) = word.strip_prefix("std::") else { continue };
        let listed = names_after(&file.code, "std::").into_iter().filter(|(_, name)| name == part);
        out.extend(listed.map(|(at, _)| file.fault(at, format!("layers 0 and 1 do not touch `{word}`"))));
    }
    out.sort();
    out.dedup();
    out
}

/// A failure from outside is an error or a dead letter, never a panic: no `unwrap()`, and `expect` only with a sentence
/// of four words or more, which says why it cannot fail.
fn panics(file: &File) -> Vec<String> {
    let mut out = Vec::new();
    for word in [".unwrap()", ".unwrap_err()", "todo!", "unimplemented!", "dbg!"] {
        let found =
            file.code.match_indices(word).map(|(at, _)| file.fault(at, format!("no `{word}` outside of tests")));
        out.extend(found);
    }
    for (at, word) in file.code.match_indices(".expect(") {
        let open = at + word.len();
        let inner = open + file.text[open..].len() - file.text[open..].trim_start().len();
        let Some(sentence) = file.text[inner..].strip_prefix('"').and_then(|rest| rest.split('"').next()) else {
            // A parser's own `expect`, which returns an error, takes something else first.
            continue;
        };
        if sentence.split_whitespace().count() < 4 {
            out.push(file.fault(at, format!("`expect(\"{sentence}\")`: say in a sentence why it cannot fail")));
        }
    }
    out
}

/// No code that the compiler cannot check, but for one place, which says why it is sound.
fn safety(file: &File) -> Vec<String> {
    let places = words(&file.code, "unsafe").count();
    if file.path == UNCHECKED && places <= 1 && file.text.contains("// SAFETY:") {
        return Vec::new();
    }
    words(&file.code, "unsafe").map(|at| file.fault(at, "no unsafe code")).collect()
}

/// Files and lines of a size that can be read.
fn lengths(file: &File) -> Vec<String> {
    let mut out = Vec::new();
    let lines = file.text.lines().count();
    if lines > LONGEST_FILE {
        out.push(format!("{}: {lines} lines, allowed: {LONGEST_FILE}", file.path));
    }
    for (i, line) in file.text.lines().enumerate() {
        let length = line.chars().count();
        // A literal cannot always be broken; rustfmt leaves such lines alone.
        let literal = line.contains('"') && !line.trim_start().starts_with("//");
        if length > LONGEST_LINE && !literal {
            out.push(format!("{}:{}: {length} columns, allowed: {LONGEST_LINE}", file.path, i + 1));
        }
    }
    out
}

/// A module's first line says what it is.
fn docs(file: &File) -> Vec<String> {
    let first = file.text.lines().next().unwrap_or_default();
    let said = first.strip_prefix("//!").map(str::trim).unwrap_or_default();
    // A full stop alone holds a place; it does not fill it.
    if said.split_whitespace().count() < 2 {
        vec![file.fault(0, "the first line is `//!` and what the module is")]
    } else {
        Vec::new()
    }
}

/// Names are nouns of the domain.
fn names(file: &File) -> Vec<String> {
    let mut out = Vec::new();
    for word in ["struct ", "enum ", "trait ", "type ", "mod ", "fn "] {
        for at in words(&file.code, word) {
            let name = name_at(&file.code, at + word.len());
            // A kind of source is called context; a type that ends so holds whatever was at hand.
            if has_empty_word(name) || name.ends_with("Context") {
                out.push(file.fault(at, format!("`{name}` is no name of the domain")));
            }
        }
    }
    for module in file.modules() {
        if has_empty_word(module) {
            out.push(file.fault(0, format!("`{module}` is no name of the domain")));
        }
    }
    out
}

/// Whether a `CamelCase` or `snake_case` name has a word that says nothing.
fn has_empty_word(name: &str) -> bool {
    let mut spaced = String::new();
    for c in name.chars() {
        if c.is_uppercase() {
            spaced.push('_');
        }
        spaced.extend(c.to_lowercase());
    }
    spaced.split('_').any(|word| EMPTY_NAMES.contains(&word))
}

/// Where a hash map stands, a comment says why its order reaches no output.
fn hash_maps(file: &File) -> Vec<String> {
    let explained = file.text.lines().any(|l| {
        let comment = l.split_once("//").map_or("", |(_, c)| c).to_lowercase();
        comment.contains("iterat") || comment.contains("order")
    });
    if explained {
        return Vec::new();
    }
    ["HashMap", "HashSet"]
        .iter()
        .filter_map(|word| words(&file.code, word).next().map(|at| (at, word)))
        .map(|(at, word)| file.fault(at, format!("a {word} without a comment on its iteration order")))
        .collect()
}

/// Every dependency says why it is there.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut inside = false;
    for (i, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            inside = line.trim_matches(['[', ']']).ends_with("dependencies");
            continue;
        }
        if !inside || line.is_empty() || line.starts_with('#') {
            continue;
        }
        let why = line.rsplit_once("# ").map_or("", |(_, why)| why);
        if why.trim().is_empty() {
            out.push(format!("Cargo.toml:{}: no reason beside `{line}`", i + 1));
        }
    }
    out
}

type Rule = fn(&File) -> Vec<String>;
const RULES: [(&str, Rule); 9] = [
    ("layers", layers),
    ("dataflow", dataflow),
    ("purity", purity),
    ("panics", panics),
    ("safety", safety),
    ("lengths", lengths),
    ("docs", docs),
    ("names", names),
    ("hash_maps", hash_maps),
];

// ---- the tree ----

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// All files of `src/`, those known to be for tests only marked as such.
fn tree() -> Vec<File> {
    let mut paths = Vec::new();
    rust_files(&root().join("src"), &mut paths);
    paths.sort();
    let texts: Vec<(PathBuf, String)> = paths
        .into_iter()
        .map(|p| {
            let text = std::fs::read_to_string(&p).expect("sources are UTF-8");
            (p, text)
        })
        .collect();
    let mut tests: BTreeSet<PathBuf> = BTreeSet::new();
    for (path, text) in &texts {
        let plain = path.file_stem().is_some_and(|s| s == "mod" || s == "lib" || s == "main");
        let folder =
            if plain { path.parent().expect("a file has a folder").to_path_buf() } else { path.with_extension("") };
        for name in test_modules(text) {
            tests.insert(folder.join(format!("{name}.rs")));
            tests.insert(folder.join(name));
        }
    }
    let test_only = |path: &Path| path.ancestors().any(|a| tests.contains(a));
    let relative = |path: &Path| {
        let path = path.strip_prefix(root()).expect("it lies below the root");
        path.to_str().expect("its name is UTF-8").replace('\\', "/")
    };
    texts.iter().map(|(path, text)| File::new(&relative(path), text, test_only(path))).collect()
}

#[test]
fn every_file_keeps_the_rules() {
    let files = tree();
    assert!(files.len() > 20, "only {} files were found", files.len());
    let mut faults = Vec::new();
    for file in &files {
        for (name, rule) in RULES {
            faults.extend(rule(file).into_iter().map(|fault| format!("[{name}] {fault}")));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_dependency_says_why() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("there is a manifest");
    let faults = dependencies(&manifest);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(dependencies("[dependencies]\na = \"1\"\nb = \"1\" # why not\n[profile.dev]\nc = 1\n").len(), 1);
}

/// What a rule says of a bad or good file at a path.
fn said(rule: Rule, path: &str, text: &str) -> Vec<String> {
    rule(&File::new(path, text, false))
}

#[test]
fn each_rule_refuses_a_bad_file() {
    let long = "x".repeat(LONGEST_LINE + 1);
    let many = "\n".repeat(LONGEST_FILE + 1);
    let bad: &[(&str, Rule, &str, &str)] = &[
        ("upward", layers, "src/record/a.rs", "use crate::flow::mint;"),
        ("upward in a list", layers, "src/model/mod.rs", "use crate::{time::{Span, Time}, sink::Page};"),
        ("upward by path", layers, "src/time.rs", "fn f() { crate::model::g() }"),
        ("upward by super", layers, "src/model/role.rs", "use super::super::flow::X;"),
        ("upward by super, short", layers, "src/model/mod.rs", "use super::source::X;"),
        ("no layer", layers, "src/misc.rs", ""),
        ("timely", dataflow, "src/launch/run.rs", "use timely::Config;"),
        ("differential", dataflow, "src/evaluate/mod.rs", "fn f(x: differential_dataflow::Collection) {}"),
        ("files", purity, "src/config/a.rs", "use std::fs::read;"),
        ("files in a list", purity, "src/config/a.rs", "use std::{fmt, fs};"),
        ("clock", purity, "src/model/a.rs", "fn f() { let t = std::time::Instant::now(); }"),
        ("console", purity, "src/model/a.rs", "fn f() { println!(\"a\") }"),
        ("globals", purity, "src/drift/a.rs", "static mut A: u8 = 0;"),
        ("unwrap", panics, "src/flow/a.rs", "fn f() { g().unwrap() }"),
        ("expect", panics, "src/flow/a.rs", "fn f() { g().expect(\"it works\") }"),
        ("expect on two lines", panics, "src/flow/a.rs", "fn f() { g().expect(\n    \"no\",\n) }"),
        ("todo", panics, "src/flow/a.rs", "fn f() { todo!() }"),
        ("unsafe", safety, "src/flow/a.rs", "fn f() { unsafe { g() } }"),
        ("unsafe without a reason", safety, UNCHECKED, "fn f() { unsafe { g() } }"),
        ("unsafe twice", safety, UNCHECKED, "// SAFETY: no\nfn f() { unsafe { g() }; unsafe { h() } }"),
        ("long line", lengths, "src/flow/a.rs", &long),
        ("long file", lengths, "src/flow/a.rs", &many),
        ("no docs", docs, "src/flow/a.rs", "use std::fmt;\n//! late"),
        ("empty docs", docs, "src/flow/a.rs", "//! .\n"),
        ("type", names, "src/flow/a.rs", "pub struct TickManager;"),
        ("function", names, "src/flow/a.rs", "fn parse_helper() {}"),
        ("file", names, "src/flow/util.rs", ""),
        ("context", names, "src/flow/a.rs", "struct RunContext;"),
        ("hash map", hash_maps, "src/flow/a.rs", "use std::collections::HashMap;"),
    ];
    for (what, rule, path, text) in bad {
        assert!(!said(*rule, path, text).is_empty(), "{what}: not refused");
    }
}

#[test]
fn no_rule_refuses_a_good_file() {
    let good = r##"//! A good file.
use crate::record::{Kind, Row};
use std::{fmt, io};

/// `x.unwrap()` and timely in docs, crate::flow too; /* nested */ signs.
fn f<'a>(x: &'a str) -> char {
    let text = "println!(\"std::fs\") // no comment";
    let raw = r#"unsafe "quoted" crate::launch"#;
    let instant_of = parser.expect(b'{', "an object")?;
    let sure = x.first().expect("a name has at least one letter");
    /* crate::flow /* and */ unsafe */
    let quote = '"'; let tick = '\''; let other = 'u';
    x.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    fn g() { fs::read("}").unwrap(); }
}
"##;
    for (name, rule) in RULES {
        let faults = said(rule, "src/model/good.rs", good);
        assert!(faults.is_empty(), "{name}: {faults:?}");
    }
    // A kind of record is `Context` in the words of the design, and so may a foreign trait be called.
    assert!(said(names, "src/record/mod.rs", "enum Kind { Context }\nimpl ClientContext for X {}").is_empty());
    assert!(said(dataflow, "src/flow/mint.rs", "use timely::dataflow::Scope;").is_empty());
    assert!(said(hash_maps, "src/flow/a.rs", "// Never iterated.\nuse std::collections::HashMap;").is_empty());
}

#[test]
fn modules_for_tests_are_known() {
    let text = "//! a\nmod b;\n#[cfg(test)]\nmod laws;\n#[cfg(test)]\nmod tests { }\n#[cfg(test)] mod more;";
    assert_eq!(test_modules(text), ["laws", "more"]);
    assert_eq!(without_tests("a #[cfg(test)] mod t { b { c } } d"), format!("a {} d", " ".repeat(30)));
}
