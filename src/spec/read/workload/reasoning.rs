//! Reads the settings of a `reasoning` workload: which tasks are asked, and who judges.

use toml::Spanned;
use toml::de::DeTable;

use crate::measure::kind::reasoning::{BUILT_IN, metrics_of};
use crate::measure::rubric::{Rule, Task};
use crate::spec::diagnostic::{Diagnostic, FileRole};
use crate::spec::keys::workload::reasoning::{JUDGE, TASK_FILE};
use crate::spec::near::suggestion;
use crate::spec::read::walk::{Fields, Reader, with_help};
use crate::spec::read::workload::task::{self, Placed};
use crate::spec::workload::reasoning::{JudgeSpec, ReasoningSpec};

/// The built-in tasks, in the form in which users write theirs.
const BUILT_IN_TASKS: &[&str] = &[
    include_str!("../../workload/tasks/planning.toml"),
    include_str!("../../workload/tasks/logic.toml"),
    include_str!("../../workload/tasks/code.toml"),
];

pub fn read(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<ReasoningSpec> {
    let at = fields.get("kind")?.at;
    let mut sound = true;
    let mut tasks = match built_in(reader, fields) {
        Some(tasks) => tasks,
        None => {
            sound = false;
            Vec::new()
        }
    };
    let own = task::read_all(reader, fields);
    sound &= own.is_some();
    let from_file = match fields.get("tasks") {
        Some(_) => of_file(reader, fields),
        None => Some(Vec::new()),
    };
    sound &= from_file.is_some();
    let placed: Vec<Placed> = own.into_iter().chain(from_file).flatten().collect();
    for Placed { task, at } in placed {
        if tasks.iter().any(|other| other.name == task.name) {
            reader.report(Diagnostic::error(
                at,
                format!("a task with the name `{}` is there already", task.name),
            ));
            sound = false;
        }
        tasks.push(task);
    }
    let judge = match fields.get("judge") {
        Some(_) => {
            let judge = judge(reader, fields);
            sound &= judge.is_some();
            judge
        }
        None => None,
    };
    if sound && tasks.is_empty() {
        reader.report(
            Diagnostic::error(at, "the workload has no task")
                .help("name categories in `built-in`, or add a [[workload.task]]"),
        );
        return None;
    }
    let asks_judge = |task: &Task| {
        task.checks
            .iter()
            .any(|check| matches!(check.rule, Rule::Judge(_)))
    };
    if fields.get("judge").is_none()
        && let Some(task) = tasks.iter().find(|task| asks_judge(task))
    {
        reader.report(
            Diagnostic::error(
                at,
                format!("the task `{}` asks a judge, and there is none", task.name),
            )
            .help("add\n[workload.judge]\nurl = \"http://127.0.0.1:8001\"\nmodel = \"...\""),
        );
        sound = false;
    }
    let categories: Vec<&str> = tasks.iter().map(|task| task.category.as_str()).collect();
    let metrics = metrics_of(&categories);
    let spec = ReasoningSpec {
        iterations: fields.count("iterations")?,
        max_tokens: fields.count("max-tokens")?,
        thinking: fields.bool("thinking"),
        judge,
        metrics,
        tasks,
    };
    sound.then_some(spec)
}

/// The built-in tasks of the categories that are asked for.
fn built_in(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Vec<Task>> {
    let Some(field) = fields.get("built-in") else {
        return Some(built_in_tasks());
    };
    let wanted = reader.texts(field);
    let mut sound = true;
    for (text, node) in &wanted {
        if !BUILT_IN.contains(text) {
            let help = suggestion(text, BUILT_IN.iter().copied(), "the categories");
            let at = reader.span(node.span());
            reader.report(with_help(
                Diagnostic::error(at, format!("there are no built-in tasks of `{text}`")),
                help,
            ));
            sound = false;
        }
    }
    let is_list = field.node.get_ref().as_array().is_some();
    (sound && is_list).then(|| {
        let mut tasks = built_in_tasks();
        tasks.retain(|task| wanted.iter().any(|(text, _)| *text == task.category));
        tasks
    })
}

/// All built-in tasks.
pub(in crate::spec::read) fn built_in_tasks() -> Vec<Task> {
    BUILT_IN_TASKS
        .iter()
        .flat_map(|text| {
            let (mut reader, tree): (_, Spanned<DeTable<'_>>) =
                Reader::open(FileRole::Data(0), text);
            let tasks = tasks_of(&mut reader, tree.get_ref(), FileRole::Data(0));
            tasks.expect("tests read the built-in tasks")
        })
        .map(|placed| placed.task)
        .collect()
}

/// The tasks of the file that the workload names.
fn of_file(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Vec<Placed>> {
    let file = reader.data_file(fields, "tasks")?;
    let (mut inner, tree): (_, Spanned<DeTable<'_>>) = Reader::open(file.role, &file.source.text);
    let tasks = tasks_of(&mut inner, tree.get_ref(), file.role);
    let sound = !inner.diagnostics.iter().any(Diagnostic::is_error);
    reader.diagnostics.append(&mut inner.diagnostics);
    tasks.filter(|_| sound)
}

fn tasks_of(reader: &mut Reader<'_>, table: &DeTable<'_>, role: FileRole) -> Option<Vec<Placed>> {
    let fields = reader.walk(table, "the file of tasks", role, &[TASK_FILE]);
    task::read_all(reader, &fields)
}

fn judge(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<JudgeSpec> {
    let field = fields.get("judge")?;
    let at = reader.span(field.node.span());
    let table = reader.table(field)?;
    let fields = reader.walk(table, "[workload.judge]", at, &[JUDGE]);
    let url = fields.text("url")?;
    let node = fields.get("url")?.node;
    let url = url.trim_end_matches('/').to_owned();
    if !url.starts_with("http://") && !url.starts_with("https://") {
        let found = reader.mismatch("url", node, "a URL, such as \"http://127.0.0.1:8001\"");
        reader.report(found);
        return None;
    }
    if let Some(stem) = url.strip_suffix("/v1") {
        let found = reader
            .mismatch("url", node, "a URL without `/v1`")
            .help(format!("write \"{stem}\""));
        reader.report(found);
        return None;
    }
    Some(JudgeSpec {
        url,
        model: fields.text("model")?,
        api_key_env: fields.text("api-key-env"),
    })
}

#[cfg(test)]
mod tests;
