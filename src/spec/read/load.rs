//! The entry: an experiment file and its profile in, an experiment and all mistakes out.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use crate::spec::diagnostic::{Diagnostic, FileRole, Source, Sources};
use crate::spec::experiment::Experiment;
use crate::spec::keys::{self, Shape};
use crate::spec::read::walk::{DataFile, Fields, Reader};
use crate::spec::read::{experiment, profile};

/// What two files say, and what is wrong with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// There whenever the cells and the workloads could be read, even if a gate, an objective
    /// or a setting of the run is wrong: checks across the cells can then add what they find.
    /// Nothing may start while [`has_errors`](crate::spec::diagnostic::has_errors) is true.
    pub experiment: Option<Experiment>,
    pub sources: Sources,
    pub diagnostics: Vec<Diagnostic>,
}

/// Gives the file that a text names, or a clause that says why there is none.
pub type Find<'f> = dyn FnMut(&str) -> Result<Source, String> + 'f;

/// Reads an experiment that names no file but its profile: [`load_with`] without data.
pub fn load(source: Source, find_profile: &mut Find<'_>) -> Loaded {
    let mut no_data = |_: &str| Err("no file of data is to be had here".to_owned());
    load_with(source, find_profile, &mut no_data)
}

/// Reads an experiment, the profile that it names, and the files with data that its workloads
/// name. Touches nothing outside: `find_profile` is given the text of `profile`, `find_data` a
/// path as the experiment writes it. A `~` at the front of a volume's path is left as it is
/// written.
pub fn load_with(source: Source, find_profile: &mut Find<'_>, find_data: &mut Find<'_>) -> Loaded {
    let (mut reader, tree) = Reader::open(FileRole::Experiment, &source.text);
    let top = experiment::top(&mut reader, tree.get_ref());
    let found = profile_source(&mut reader, &top, find_profile);
    let data = find_all_data(&mut reader, tree.get_ref(), find_data);
    let parts = experiment::parts(&mut reader, &top);
    let name = experiment_name(&mut reader, &source.path);
    let mut diagnostics = reader.diagnostics;

    let profile = found.as_ref().and_then(|source| {
        let (mut reader, tree): (_, Spanned<DeTable<'_>>) =
            Reader::open(FileRole::Profile, &source.text);
        let read = profile::profile(&mut reader, tree.get_ref(), stem(&source.path).to_owned());
        let sound = !reader.diagnostics.iter().any(Diagnostic::is_error);
        diagnostics.append(&mut reader.diagnostics);
        read.filter(|_| sound)
    });
    Loaded {
        experiment: parts.with_profile(name, profile),
        sources: Sources {
            experiment: source.clone(),
            profile: found,
            data,
        },
        diagnostics,
    }
}

/// Fetches every file that a workload names, once, and gives the reader their texts.
fn find_all_data(
    reader: &mut Reader<'_>,
    top: &DeTable<'_>,
    find_data: &mut Find<'_>,
) -> Box<[Source]> {
    let mut sources = Vec::new();
    let mut files = BTreeMap::new();
    let workloads = top
        .get("workload")
        .and_then(|node| node.get_ref().as_array());
    for table in workloads
        .into_iter()
        .flatten()
        .filter_map(|item| item.get_ref().as_table())
    {
        let Some(kind) = experiment::kind_of(table) else {
            continue;
        };
        let own = keys::workload::of_kind(kind).iter();
        for key in own.filter(|key| key.shape == Shape::File) {
            let named = table
                .iter()
                .find(|(written, _)| written.get_ref().replace('_', "-") == key.name)
                .and_then(|(_, node)| node.get_ref().as_str());
            let Some(path) = named.filter(|path| !files.contains_key(*path)) else {
                continue;
            };
            let file = find_data(path).map(|source| {
                let place = u16::try_from(sources.len()).unwrap_or(u16::MAX);
                sources.push(source.clone());
                DataFile {
                    role: FileRole::Data(place),
                    source,
                }
            });
            files.insert(path.to_owned(), file);
        }
    }
    reader.data = files;
    sources.into_boxed_slice()
}

fn profile_source(
    reader: &mut Reader<'_>,
    top: &Fields<'_>,
    find_profile: &mut dyn FnMut(&str) -> Result<Source, String>,
) -> Option<Source> {
    let text = top.text("profile")?;
    let field = top.get("profile")?;
    match find_profile(&text) {
        Ok(source) => Some(source),
        Err(why) => {
            let at = reader.span(field.node.span());
            reader.report(Diagnostic::error(
                at,
                format!("the profile cannot be read: {why}"),
            ));
            None
        }
    }
}

/// The stem of the file's name; it names a folder, so it must be safe as one.
fn experiment_name(reader: &mut Reader<'_>, path: &str) -> String {
    let name = stem(path).to_owned();
    let safe = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if !safe {
        reader.report(
            Diagnostic::error(
                FileRole::Experiment,
                format!("the file's name gives the results their folder, and `{name}` is not safe as one"),
            )
            .label("expected up to 64 of A-Z a-z 0-9 _ . - with a letter or digit first"),
        );
    }
    name
}

fn stem(path: &str) -> &str {
    Path::new(path)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default()
}
