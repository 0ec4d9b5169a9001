//! Reads the settings of a `stability` workload.

use crate::spec::diagnostic::Diagnostic;
use crate::spec::keys::workload::stability::TASK;
use crate::spec::read::walk::{Fields, Reader};
use crate::spec::read::workload::demand::{arrival, extent, only_one};
use crate::spec::workload::stability::{Source, StabilitySpec, Task};

/// Users where the file gives neither them nor a rate.
const USERS: u32 = 4;

/// Reads the settings.
pub fn read(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<StabilitySpec> {
    if fields.get("requests").is_none() && fields.get("duration").is_none() {
        reader.report_absence(
            Diagnostic::error(
                fields.place(),
                "a stability workload needs `requests` or `duration`",
            )
            .help("add\nrequests = 20"),
        );
    }
    soak(reader, fields, USERS)
}

/// Requests where the file does not say of what kind.
const SHORT: Task = Task {
    prompt_tokens: 256,
    max_tokens: 64,
};
const LONG: Task = Task {
    prompt_tokens: 2048,
    max_tokens: 512,
};

/// A soak by requests or time; `users` where the file gives neither them nor a rate.
pub fn soak(reader: &mut Reader<'_>, fields: &Fields<'_>, users: u32) -> Option<StabilitySpec> {
    let before = reader.diagnostics.len();
    let extent = extent(reader, fields, "requests", "duration");
    only_one(reader, fields, &["users", "rate"]);
    let arrival = arrival(reader, fields, fields.get("rate").is_some());
    let short = task(reader, fields, "short", SHORT);
    let long = task(reader, fields, "long", LONG);
    if reader.diagnostics.len() > before {
        return None;
    }
    let source = match fields.number("rate") {
        Some(per_second) => Source::Rate {
            per_second,
            arrival: arrival?,
        },
        None => Source::Users(fields.count("users").unwrap_or(users)),
    };
    Some(StabilitySpec {
        extent: extent?,
        source,
        short: short?,
        long: long?,
        long_share: fields.number("long-share")?,
    })
}

fn task(reader: &mut Reader<'_>, fields: &Fields<'_>, name: &str, usual: Task) -> Option<Task> {
    let Some(field) = fields.get(name) else {
        return Some(usual);
    };
    let table = reader.table(field)?;
    let fields = reader.walk(table, &format!("`{name}`"), field.at, &[TASK]);
    Some(Task {
        prompt_tokens: fields.count("prompt-tokens")?,
        max_tokens: fields.count("max-tokens")?,
    })
}
