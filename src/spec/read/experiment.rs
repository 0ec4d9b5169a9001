//! Reads an experiment file: its sections one after another, and what must hold among them.

use toml::de::DeTable;

use crate::measure::metric::WorkloadKind;
use crate::measure::token_instants::TokenTimes;
use crate::spec::diagnostic::{Diagnostic, FileRole, Span};
use crate::spec::experiment::{
    Assigned, Assignment, Axis, Condition, Exclude, Experiment, Gate, Goal, NamedCell, Objective,
    OnMiss, Predecessor, Pruning, RunSettings, Strategy, Term, UseCase, When, Workload,
};
use crate::spec::keys::{self, Key};
use crate::spec::near::suggestion;
use crate::spec::profile::Profile;
use crate::spec::read::metric::NodeName;
use crate::spec::read::walk::{Field, Fields, Others, Reader, with_help};
use crate::spec::read::workload;

/// The experiment file without its profile.
pub(super) struct Parts {
    axes: Vec<Axis>,
    whens: Vec<When>,
    named_cells: Vec<NamedCell>,
    excludes: Vec<Exclude>,
    workloads: Vec<Workload>,
    gates: Vec<Gate>,
    objectives: Vec<Objective>,
    use_cases: Vec<UseCase>,
    run: RunSettings,
    /// True when nothing was wrong with what makes the cells and the workloads, so that checks
    /// across them find real mistakes.
    sound: bool,
}

impl Parts {
    /// `None` when checks across the cells would only repeat what has been reported.
    pub fn with_profile(self, name: String, profile: Option<Profile>) -> Option<Experiment> {
        let profile = profile.filter(|_| self.sound)?;
        Some(Experiment {
            name,
            profile,
            axes: self.axes,
            whens: self.whens,
            named_cells: self.named_cells,
            excludes: self.excludes,
            workloads: self.workloads,
            gates: self.gates,
            objectives: self.objectives,
            use_cases: self.use_cases,
            run: self.run,
        })
    }
}

/// The top level of the file; `profile` is read from it before the rest.
pub(super) fn top<'n>(reader: &mut Reader<'_>, table: &'n DeTable<'n>) -> Fields<'n> {
    reader.walk(
        table,
        "the experiment",
        FileRole::Experiment,
        &[keys::EXPERIMENT],
    )
}

pub(super) fn parts(reader: &mut Reader<'_>, top: &Fields<'_>) -> Parts {
    let before = n_errors(reader);
    let axes = axes(reader, top);
    let whens = whens(reader, top);
    let named_cells = named_cells(reader, top);
    let excludes = excludes(reader, top);
    if top.get("matrix").is_none() && named_cells.is_empty() {
        reader.report_absence(
            Diagnostic::error(
                FileRole::Experiment,
                "the experiment has neither [matrix] nor [[cell]]",
            )
            .help("add\n[matrix]\ngpu-mem = [0.85, 0.90]\nprefix = [true, false]"),
        );
    }
    let (nodes, workloads) = workloads(reader, top);
    let sound = reader.is_whole() && n_errors(reader) == before;
    Parts {
        axes,
        whens,
        named_cells,
        excludes,
        workloads,
        gates: gates(reader, top, &nodes),
        objectives: top_objectives(reader, top, &nodes),
        use_cases: use_cases(reader, top, &nodes),
        run: run(reader, top),
        sound,
    }
}

fn n_errors(reader: &Reader<'_>) -> usize {
    reader
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .count()
}

fn axes(reader: &mut Reader<'_>, top: &Fields<'_>) -> Vec<Axis> {
    let Some(field) = top.get("matrix") else {
        return Vec::new();
    };
    let knobs = reader.knobs(field, true);
    if is_empty_table(field) {
        reader.report_absence(
            Diagnostic::error(reader.span(field.node.span()), "[matrix] has no axis")
                .help("add the values to try, such as\ngpu-mem = [0.85, 0.90]"),
        );
    }
    knobs
        .into_iter()
        .map(|knob| Axis {
            values: reader.axis_values(&knob),
            at: knob.at,
            knob: knob.knob,
        })
        .collect()
}

fn whens(reader: &mut Reader<'_>, top: &Fields<'_>) -> Vec<When> {
    each(reader, top, "when", |reader, table, at| {
        let fields = reader.walk(table, "[[when]]", at, &[keys::WHEN]);
        let condition = condition(reader, &fields);
        let set = assignment(reader, &fields);
        Some(When {
            condition: condition?,
            set: set?,
            at,
        })
    })
}

fn excludes(reader: &mut Reader<'_>, top: &Fields<'_>) -> Vec<Exclude> {
    each(reader, top, "exclude", |reader, table, at| {
        let fields = reader.walk(table, "[[exclude]]", at, &[keys::EXCLUDE]);
        Some(Exclude {
            condition: condition(reader, &fields)?,
            reason: fields.text("reason"),
            at,
        })
    })
}

fn named_cells(reader: &mut Reader<'_>, top: &Fields<'_>) -> Vec<NamedCell> {
    let mut names = Names::new("cell");
    each(reader, top, "cell", |reader, table, at| {
        let fields = reader.walk(table, "[[cell]]", at, &[keys::CELL]);
        let name = names.take(reader, &fields);
        let set = assignment(reader, &fields);
        Some(NamedCell {
            name: name?,
            set: set?,
            memory: fields.bytes("memory"),
            at,
        })
    })
}

pub(super) fn is_empty_table(field: Field<'_>) -> bool {
    field
        .node
        .get_ref()
        .as_table()
        .is_some_and(|table| table.is_empty())
}

pub(super) fn condition(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Condition> {
    let field = fields.get("where")?;
    let knobs = reader.knobs(field, true);
    if is_empty_table(field) {
        reader.report(
            Diagnostic::error(reader.span(field.node.span()), "`where` names no flag")
                .label("expected flags and values, such as { prefix = false }"),
        );
        return None;
    }
    let terms = knobs
        .into_iter()
        .map(|knob| Term {
            any_of: reader.any_of(&knob),
            at: knob.at,
            knob: knob.knob,
        })
        .collect();
    Some(Condition { terms })
}

fn assignment(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Assignment> {
    let field = fields.get("set")?;
    let knobs = reader.knobs(field, true);
    if is_empty_table(field) {
        reader.report(
            Diagnostic::error(reader.span(field.node.span()), "`set` names no flag")
                .label("expected flags and values, such as { prefix = false }"),
        );
        return None;
    }
    let values = knobs
        .into_iter()
        .filter_map(|knob| {
            let value = reader.value(&knob, knob.node)?;
            Some(Assigned {
                value,
                at: knob.at,
                knob: knob.knob,
            })
        })
        .collect();
    Some(Assignment { values })
}

/// The names of the file's nodes (also of those that are wrong otherwise), and the workloads.
fn workloads(reader: &mut Reader<'_>, top: &Fields<'_>) -> (Vec<NodeName>, Vec<Workload>) {
    let mut names = Names::new("workload");
    let mut nodes: Vec<NodeName> = Vec::new();
    let workloads = each(reader, top, "workload", |reader, table, at| {
        let kind = kind_of(table);
        let (own, others) = match kind {
            Some(kind) => (keys::workload::of_kind(kind), Others::Unknown),
            None => (&[] as &[Key], Others::Unclear),
        };
        let all = &[keys::WORKLOAD, own];
        let fields = reader.walk_with(table, "[[workload]]", at, all, others);
        let name = names.take(reader, &fields);
        let after = match fields.get("after") {
            Some(field) => reader
                .texts(field)
                .into_iter()
                .map(|(text, node)| Predecessor {
                    node: text.to_owned(),
                    at: reader.span(node.span()),
                })
                .collect(),
            None => Vec::new(),
        };
        let spec = kind.and_then(|kind| workload::settings(reader, &fields, kind));
        if let Some(name) = &name {
            nodes.push(NodeName {
                name: name.clone(),
                kind,
                metrics: match (&spec, kind) {
                    (Some(spec), _) => spec.metrics().to_vec(),
                    (None, Some(kind)) => kind.metrics().to_vec(),
                    (None, None) => Vec::new(),
                },
            });
        }
        Some(Workload {
            name: name?,
            after,
            spec: spec?,
            at,
        })
    });
    for workload in &workloads {
        for predecessor in &workload.after {
            if !nodes.iter().any(|node| node.name == predecessor.node) {
                let others = nodes
                    .iter()
                    .map(|node| node.name.as_str())
                    .filter(|name| *name != workload.name);
                let help = suggestion(&predecessor.node, others, "workloads");
                reader.report_absence(with_help(
                    Diagnostic::error(
                        predecessor.at,
                        format!("no workload has the name `{}`", predecessor.node),
                    ),
                    help,
                ));
            }
        }
    }
    (nodes, workloads)
}

pub(super) fn kind_of(table: &DeTable<'_>) -> Option<WorkloadKind> {
    let kind = table.get("kind")?.get_ref().as_str()?;
    WorkloadKind::ALL
        .into_iter()
        .find(|known| known.name() == kind)
}

fn gates(reader: &mut Reader<'_>, top: &Fields<'_>, nodes: &[NodeName]) -> Vec<Gate> {
    each(reader, top, "gate", |reader, table, at| {
        let fields = reader.walk(table, "[[gate]]", at, &[keys::GATE]);
        let text = fields.text("require")?;
        let field = fields.get("require")?;
        if nodes.is_empty() {
            return None;
        }
        let condition = reader.condition(field.node, nodes)?;
        let on_miss = if fields.bool("stop")? {
            OnMiss::SkipDescendants
        } else {
            OnMiss::Continue
        };
        Some(Gate {
            text: text.trim().to_owned(),
            metric: condition.metric,
            comparison: condition.comparison,
            bound: condition.bound,
            on_miss,
            at: reader.span(field.node.span()),
        })
    })
}

fn top_objectives(reader: &mut Reader<'_>, top: &Fields<'_>, nodes: &[NodeName]) -> Vec<Objective> {
    objectives(reader, top, nodes, "[[objective]]")
}

fn objectives(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    nodes: &[NodeName],
    what: &str,
) -> Vec<Objective> {
    if let Some(field) = fields.get("objective")
        && field
            .node
            .get_ref()
            .as_array()
            .is_some_and(|items| items.is_empty())
    {
        reader.report(
            Diagnostic::error(
                reader.span(field.node.span()),
                "there is nothing to optimise",
            )
            .label("expected at least one { metric, goal }"),
        );
    }
    let mut seen: Vec<Objective> = Vec::new();
    for objective in each(reader, fields, "objective", |reader, table, at| {
        let fields = reader.walk(table, what, at, &[keys::OBJECTIVE]);
        let field = fields.get("metric")?;
        fields.text("metric")?;
        if nodes.is_empty() {
            return None;
        }
        let resolved = reader.metric(field.node, nodes)?;
        if !reader.is_objective(field.node, &resolved) {
            return None;
        }
        let goal = match fields.text("goal")?.as_str() {
            "min" => Goal::Min,
            _ => Goal::Max,
        };
        let weight = fields.number("weight")?;
        Some(Objective {
            metric: resolved.metric,
            goal,
            weight,
            at: reader.span(field.node.span()),
        })
    }) {
        match seen
            .iter()
            .find(|earlier| earlier.metric == objective.metric)
        {
            Some(earlier) => {
                let label = format!(
                    "the same metric as in line {}",
                    reader.line_number(earlier.at)
                );
                reader.report(
                    Diagnostic::error(
                        objective.at,
                        format!("`{}` is an objective twice", objective.metric),
                    )
                    .label(label)
                    .help("give it a weight instead"),
                );
            }
            None => seen.push(objective),
        }
    }
    seen
}

fn use_cases(reader: &mut Reader<'_>, top: &Fields<'_>, nodes: &[NodeName]) -> Vec<UseCase> {
    let mut names = Names::new("use case");
    each(reader, top, "use-case", |reader, table, at| {
        let fields = reader.walk(table, "[[use-case]]", at, &[keys::USE_CASE]);
        let name = names.take(reader, &fields);
        let objectives = objectives(reader, &fields, nodes, "an objective of [[use-case]]");
        Some(UseCase {
            name: name?,
            objectives,
            at,
        })
    })
}

fn run(reader: &mut Reader<'_>, top: &Fields<'_>) -> RunSettings {
    let empty = DeTable::new();
    let table = top
        .get("run")
        .and_then(|field| reader.table(field))
        .unwrap_or(&empty);
    let fields = reader.walk(table, "[run]", FileRole::Experiment, &[keys::RUN]);
    let by_default = "the key table gives it a default";
    RunSettings {
        repeats: fields.count("repeats").expect(by_default),
        seed: fields
            .whole("seed")
            .map(|seed| u64::try_from(seed).expect("the key table keeps it at 0 or above"))
            .expect(by_default),
        equivalence: fields.number("equivalence").expect(by_default),
        deadline: fields.duration("deadline"),
        token_times: match fields.bool("token-times").expect(by_default) {
            true => TokenTimes::Kept,
            false => TokenTimes::Dropped,
        },
        strategy: fields
            .text("strategy")
            .and_then(|name| Strategy::ALL.into_iter().find(|one| one.name() == name))
            .expect(by_default),
        pruning: match fields.bool("prune").expect(by_default) {
            true => Pruning::ByProof,
            false => Pruning::Off,
        },
        retries_invalid: fields.count("retries-invalid").expect(by_default),
        reuse: fields.duration("reuse"),
    }
}

/// Reads every table of a list; what a table lacks is reported where it is read.
pub(super) fn each<'n, T>(
    reader: &mut Reader<'_>,
    fields: &Fields<'n>,
    name: &str,
    mut read: impl FnMut(&mut Reader<'_>, &'n DeTable<'n>, Span) -> Option<T>,
) -> Vec<T> {
    let Some(field) = fields.get(name) else {
        return Vec::new();
    };
    let tables = reader.tables(field);
    tables
        .into_iter()
        .filter_map(|(table, at)| read(reader, table, at))
        .collect()
}

/// The names that tables of one section have taken.
struct Names {
    what: &'static str,
    taken: Vec<(String, Span)>,
}

impl Names {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            taken: Vec::new(),
        }
    }

    /// The table's name; reported and `None` when another has it.
    fn take(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<String> {
        let name = fields.text("name")?;
        let at = reader.span(fields.get("name")?.node.span());
        if let Some((_, first)) = self.taken.iter().find(|(taken, _)| *taken == name) {
            let label = format!("taken in line {}", reader.line_number(*first));
            reader.report(
                Diagnostic::error(at, format!("two {}s have the name `{name}`", self.what))
                    .label(label),
            );
            return None;
        }
        self.taken.push((name.clone(), at));
        Some(name)
    }
}
