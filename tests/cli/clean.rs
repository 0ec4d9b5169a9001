//! `gridrun clean`.

use crate::folder::Folder;

#[test]
fn nothing_left_is_said() {
    let folder = Folder::new();
    let ran = folder
        .gridrun(&["clean", "--format", "json"])
        .ends_with_code(0);
    let said: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!(said["found"].is_array(), "{said}");
}
