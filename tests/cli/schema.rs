//! `gridrun schema`.

use crate::folder::Folder;

#[test]
fn it_prints_what_is_committed() {
    let folder = Folder::new();
    for kind in ["experiment", "profile", "scenario"] {
        let path = format!(
            "{}/schema/gridrun-{kind}.schema.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let ran = folder.gridrun(&["schema", kind]).ends_with_code(0);
        assert!(
            ran.out == std::fs::read_to_string(&path).unwrap(),
            "{path} differs"
        );
    }
    folder.gridrun(&["schema", "matrix"]).ends_with_code(2);
}
