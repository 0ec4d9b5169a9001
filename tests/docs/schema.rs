//! The committed JSON Schemas are those of the tables; they accept every example of this
//! repository and refuse its collected mistakes, but for those that no schema can see.

use boon::{Compiler, SchemaIndex, Schemas};
use gridrun::spec::schema::{self, FileKind};
use serde_json::Value;

use crate::{Expected, Kind, RENEW, file_of, pages, read, root, toml_files};

/// Wrong files that the schemas accept, because what is wrong lies in more than one value.
const BEYOND_A_SCHEMA: [(&str, &str); 4] = [
    ("experiment/axis-twice", "two spellings of one flag"),
    ("experiment/profile-not-found", "another file"),
    ("experiment/unknown-words-and-flags", "warnings only"),
    ("scenario/one-of", "keys of which one must be there"),
];

fn committed(kind: FileKind) -> String {
    format!("schema/gridrun-{}.schema.json", kind.name())
}

/// A compiled schema.
struct Judge {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Judge {
    fn of(kind: FileKind) -> Self {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler
            .add_resource("schema.json", schema::schema(kind))
            .unwrap();
        let index = compiler
            .compile("schema.json", &mut schemas)
            .unwrap_or_else(|error| panic!("{}: {error:#}", committed(kind)));
        Self { schemas, index }
    }

    fn look(&self, text: &str) -> Result<(), String> {
        let file: Value = toml::from_str(text).map_err(|error| error.to_string())?;
        self.schemas
            .validate(&file, self.index)
            .map_err(|error| error.to_string())
    }
}

#[test]
fn the_committed_schemas_are_those_of_the_tables() {
    for kind in FileKind::ALL {
        let path = committed(kind);
        let made = schema::text(kind);
        if std::env::var_os(RENEW).is_some() {
            std::fs::write(root().join(&path), &made).expect("the schema can be written");
        }
        assert!(
            read(&path) == made,
            "{path} is not what the tables say: run `{RENEW}=1 cargo test --test docs` and commit it"
        );
    }
}

#[test]
fn the_examples_name_their_schema_and_keep_to_it() {
    for kind in FileKind::ALL {
        let judge = Judge::of(kind);
        let line = format!("#:schema ../{}", committed(kind));
        let folder = format!("{}s", kind.name());
        if !root().join(&folder).is_dir() {
            assert_eq!(kind, FileKind::Scenario, "{folder} is not there");
            continue;
        }
        for path in toml_files(&folder) {
            let text = read(&path);
            assert_eq!(text.lines().next(), Some(line.as_str()), "{path}, line 1");
            judge
                .look(&text)
                .unwrap_or_else(|error| panic!("{path}: {error}"));
        }
    }
}

#[test]
fn the_blocks_of_the_pages_keep_to_it_where_they_are_right() {
    let judges = FileKind::ALL.map(Judge::of);
    for page in pages() {
        for block in page.own() {
            let [experiment, profile, _scenario] = &judges;
            let judge = match block.kind {
                Kind::Experiment => experiment,
                Kind::Profile => profile,
            };
            let found = judge.look(&file_of(&page.blocks, block).text);
            if block.expected != Expected::Errors {
                found
                    .unwrap_or_else(|error| panic!("{}, line {}: {error}", block.page, block.line));
            }
        }
    }
}

#[test]
fn mistakes_are_refused() {
    let mut accepted = Vec::new();
    let mut n_refused = 0;
    for kind in FileKind::ALL {
        let judge = Judge::of(kind);
        for path in toml_files(&format!("tests/bad/{}", kind.name())) {
            if judge.look(&read(&path)).is_err() {
                n_refused += 1;
            } else {
                accepted.push(path);
            }
        }
    }
    let beyond = BEYOND_A_SCHEMA.map(|(name, _)| format!("tests/bad/{name}.toml"));
    assert_eq!(accepted, beyond);
    assert!(n_refused > 25, "only {n_refused} files were refused");
}
