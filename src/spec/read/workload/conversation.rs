//! Reads the settings of a `conversation` workload.

use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::read::walk::{DataFile, Fields, Reader};
use crate::spec::read::workload::dialogue::{self, Dialogues};
use crate::spec::workload::conversation::{ConversationSpec, Script};

pub fn read(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<ConversationSpec> {
    let prompt_tokens = fields.count("prompt-tokens");
    let spec = ConversationSpec {
        turns: fields.count("turns")?,
        iterations: fields.count("iterations")?,
        users: fields.count("users")?,
        think_time: fields.duration("think-time"),
        max_tokens: fields.count("max-tokens")?,
        system_tokens: fields.count("system-tokens"),
        script: Script::Seeded {
            prompt_tokens: prompt_tokens?,
        },
    };
    let Some(data) = fields.get("data") else {
        return Some(spec);
    };
    if let Some(length) = fields.get("prompt-tokens") {
        reader.report(
            Diagnostic::error(length.at, "`prompt-tokens` and `data` exclude each other")
                .label("the messages of a file have their own lengths")
                .help("take one of them out"),
        );
        return None;
    }
    let file = reader.data_file(fields, "data")?;
    let at = reader.span(data.node.span());
    let script = Script::Given(given(reader, &file, at, &spec)?);
    Some(ConversationSpec { script, ..spec })
}

/// The conversations of the file that are held: the first that are long enough.
fn given(
    reader: &mut Reader<'_>,
    file: &DataFile,
    at: Span,
    spec: &ConversationSpec,
) -> Option<Vec<Vec<String>>> {
    let (turns, wanted) = (spec.turns as usize, spec.n_conversations() as usize);
    let Dialogues { mut long, n_short } = match dialogue::read(&file.source.text, turns) {
        Ok(found) => found,
        Err(mistakes) => {
            for mistake in mistakes {
                let at = Span::new(file.role, mistake.range);
                reader.report(Diagnostic::error(at, mistake.message));
            }
            return None;
        }
    };
    let has = long.len();
    if has < wanted {
        reader.report(
            Diagnostic::error(
                at,
                format!(
                    "{wanted} conversations of {turns} turns are needed (users x iterations), and \
                     the file has {has}"
                ),
            )
            .label(format!("{n_short} more are shorter"))
            .help("take fewer turns, iterations or users"),
        );
        return None;
    }
    long.truncate(wanted);
    Some(long)
}
