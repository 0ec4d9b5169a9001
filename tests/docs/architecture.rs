//! `docs/ARCHITECTURE.md` is a true map: every room of the source is on it, and every path that
//! it names is there.

use crate::{read, root};

const PAGE: &str = "docs/ARCHITECTURE.md";

#[test]
fn every_room_is_on_the_map_and_every_path_exists() {
    let page = read(PAGE);
    let paths: Vec<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| {
            ["src/", "tests/", "docs/"]
                .iter()
                .any(|top| code.starts_with(top))
        })
        .collect();
    for path in &paths {
        assert!(
            root().join(path).exists(),
            "{PAGE} names {path}, which is not there"
        );
    }
    for entry in std::fs::read_dir(root().join("src")).unwrap() {
        let entry = entry.unwrap();
        let slash = if entry.path().is_dir() { "/" } else { "" };
        let room = format!("src/{}{slash}", entry.file_name().to_string_lossy());
        assert!(
            paths.contains(&room.as_str()),
            "{PAGE} does not show {room}"
        );
    }
}
