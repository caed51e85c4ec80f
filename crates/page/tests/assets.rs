//! What the files of the pages may not have in them.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which allow-unwrap-in-tests does not cover")]

use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(folder);
    fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn all() -> impl Iterator<Item = (PathBuf, String)> {
    let folders = ["shared", "facilitator", "broker"];
    folders.into_iter().flat_map(files).map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    })
}

#[test]
fn no_file_makes_markup_or_code_of_text() {
    let forbidden = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "DOMParser",
        "createContextualFragment",
        "eval(",
        "new Function",
        "srcdoc",
        "javascript:",
    ];
    for (path, text) in all() {
        for word in forbidden {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
    }
}

#[test]
fn no_file_is_inline_or_from_elsewhere() {
    for (path, text) in all() {
        let elsewhere = text.replace("http://www.w3.org/2000/svg", "").replace("https://api.example.com", "");
        assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"), "{}", path.display());
        assert!(!text.contains("//cdn") && !text.contains("@import"), "{}", path.display());
        if path.extension().is_some_and(|extension| extension == "html") {
            assert!(!text.contains("<style") && !text.contains(" style=") && !text.contains(" onclick"));
            let scripts = text.matches("<script").count();
            assert_eq!(
                scripts,
                text.matches("<script type=\"module\" src=\"page/").count(),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn the_token_is_kept_in_one_place_and_nowhere_else() {
    for (path, text) in all() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!text.contains("localStorage") && !text.contains("document.cookie"), "{name}");
        assert!(name == "api.js" || !text.contains("sessionStorage"), "{name}");
    }
}

#[test]
fn files_are_small() {
    for (path, text) in all() {
        assert!(text.lines().count() <= 400, "{} has too many subjects", path.display());
    }
}
