//! `gridrun schema experiment|profile|scenario`.

use std::io::Write;

use crate::cli::args::{SchemaArgs, SchemaKind};
use crate::exit::Exit;
use crate::spec::schema::{self, FileKind};

pub(super) fn schema(args: &SchemaArgs) -> anyhow::Result<Exit> {
    let kind = match args.kind {
        SchemaKind::Experiment => FileKind::Experiment,
        SchemaKind::Profile => FileKind::Profile,
        SchemaKind::Scenario => FileKind::Scenario,
    };
    write!(std::io::stdout().lock(), "{}", schema::text(kind))?;
    Ok(Exit::Success)
}
