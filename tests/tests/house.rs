//! The house rules that no compiler keeps: what the core may depend on, what its rooms may import, and that a number
//! written twice is the same number.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests stand in the workspace").to_path_buf()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every source file below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

/// A source without its unit tests, its comments and its doc comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source");
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn section(manifest: &str, name: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != name)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', '=', ' ']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_core_depends_on_what_is_written_here_and_nothing_else() {
    let manifest = read("core/Cargo.toml");
    let wanted = ["aes", "base64", "cbc", "des", "heapless", "hmac", "memchr", "sha1", "sha2", "subtle", "zeroize"];
    assert_eq!(section(&manifest, "[dependencies]"), wanted);
    assert!(!manifest.contains("[features]"), "the core has no features: nothing may change what it is");
    for forbidden in ["\nname = \"rsa\"", "\nname = \"openssl\""] {
        assert!(!read("Cargo.lock").contains(forbidden), "{forbidden} in the lock file");
    }
}

#[test]
fn the_core_names_no_std_no_alloc_and_no_unsafe() {
    let files = sources(&root().join("core/src"));
    assert!(files.len() > 50, "only {} sources found", files.len());
    for file in files {
        // A module of tests in a file of its own may use what it likes.
        if file.file_name().is_some_and(|name| name.to_string_lossy().ends_with("tests.rs")) {
            continue;
        }
        let code = code(&file);
        for word in [
            "std::",
            "alloc::",
            "extern crate",
            "unsafe ",
            "todo!",
            "unimplemented!",
            "println!",
            "async ",
            "Box<",
            "SystemTime",
        ] {
            assert!(!code.contains(word), "{} says `{word}`", file.display());
        }
    }
}

#[test]
fn lower_rooms_do_not_know_higher_ones() {
    let rules: [(&str, &[&str]); 9] = [
        ("core/src/xml", &["soap", "crypto", "secure", "reliable", "time", "chance"]),
        ("core/src/soap", &["crypto", "secure", "reliable", "time", "chance"]),
        ("core/src/crypto", &["xml", "soap", "secure", "reliable", "time", "chance"]),
        ("core/src/secure", &["reliable", "lifetime", "throttle", "session", "door"]),
        ("core/src/secure/trust", &["crypto", "time", "chance"]),
        (
            "core/src/lifetime",
            &["xml", "soap", "crypto", "secure", "reliable", "throttle", "session", "service", "chance"],
        ),
        (
            "core/src/throttle",
            &["xml", "soap", "crypto", "secure", "reliable", "lifetime", "session", "service", "chance", "door"],
        ),
        ("core/src/service", &["xml", "soap", "crypto", "secure", "reliable", "session", "chance", "door"]),
        ("core/src/session", &["door"]),
    ];
    for (room, strangers) in rules {
        for file in sources(&root().join(room)) {
            let code = code(&file);
            for stranger in strangers {
                assert!(!code.contains(&format!("crate::{stranger}")), "{} imports {stranger}", file.display());
            }
        }
    }
}

#[test]
fn reliable_messaging_knows_nothing_but_the_rooms_below() {
    let below = ["time", "chance", "exchange", "xml", "soap", "base64", "reliable"];
    let mut imports = 0;
    for file in sources(&root().join("core/src/reliable")) {
        let code = code(&file);
        for path in code.split("crate::").skip(1) {
            let room = path.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
            assert!(below.contains(&room), "{} imports {room}", file.display());
            imports += 1;
        }
    }
    assert!(imports > 20, "only {imports} imports found");
}

#[test]
fn numbers_written_twice_agree() {
    let manifest = read("Cargo.toml");
    let value = |key: &str| {
        let line = manifest.lines().find(|line| line.starts_with(key)).expect("the key");
        line.split('"').nth(1).expect("a string").to_owned()
    };
    let (version, rust) = (value("version ="), value("rust-version ="));
    assert!(read("README.md").contains(&format!("Rust {rust} or newer")), "README's Rust version is not {rust}");
    assert!(read("README.md").contains(&format!("{version}, not yet released")), "README's version is not {version}");
    for package in ["core", "adapters/credentials", "adapters/rsa-sha1", "adapters/tokio", "adapters/cli", "tests"] {
        let own = read(Path::new(package).join("Cargo.toml"));
        for key in ["version.workspace = true", "rust-version.workspace = true", "license.workspace = true"] {
            assert!(own.contains(key), "{package} does not inherit {key}");
        }
    }
}

#[test]
fn the_top_level_is_tidy() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "core",
        "adapters",
        "tests",
        "proptest-regressions",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "ARCHITECTURE.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "target",
    ];
    for entry in fs::read_dir(root()).expect("the workspace") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(name.starts_with('.') || allowed.contains(&name.as_str()), "{name} at the top level");
    }
}

#[test]
fn every_saved_seed_has_a_story() {
    let seeds = root().join("proptest-regressions");
    let stories = sources(&root().join("tests"))
        .iter()
        .map(|file| fs::read_to_string(file).unwrap_or_default())
        .collect::<String>();
    let Ok(folder) = fs::read_dir(seeds) else { return };
    for file in folder.flat_map(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            fs::read_dir(path).expect("a folder").map(|e| e.expect("an entry").path()).collect()
        } else {
            vec![path]
        }
    }) {
        for line in fs::read_to_string(&file).unwrap_or_default().lines().filter(|line| line.starts_with("cc ")) {
            let seed = line.split_whitespace().nth(1).unwrap_or_default();
            assert!(
                stories.contains(&seed[..16.min(seed.len())]),
                "{} keeps seed {seed}, which no test tells the story of",
                file.display()
            );
        }
    }
}
