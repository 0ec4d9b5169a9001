//! Reads a scenario file: its faults one after another, each with the keys of its kind.

use toml::de::{DeTable, DeValue};

use crate::spec::diagnostic::{Diagnostic, FileRole, Source, Span, has_errors};
use crate::spec::flag::{FlagName, FlagValue};
use crate::spec::keys::{Key, scenario as keys};
use crate::spec::read::experiment::{condition, each, is_empty_table};
use crate::spec::read::scalar::integer;
use crate::spec::read::walk::{Field, Fields, Others, Reader};
use crate::spec::scenario::{
    AgeingUnit, Deafness, Fault, FaultKind, FaultSpec, FrontEnd, Garbling, Growth, LoadTrigger,
    LoadingDeath, Missing, MissingMetrics, OomStage, RequestTrigger, Scenario, Starts, Victim,
    Which,
};

const BY_DEFAULT: &str = "the key table gives it a default";

/// What a scenario file says, and what is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedScenario {
    /// `None` when anything is wrong.
    pub scenario: Option<Scenario>,
    /// Warnings too.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a scenario file. Touches nothing outside.
pub fn load_scenario(source: &Source) -> LoadedScenario {
    let (mut reader, tree) = Reader::open(FileRole::Scenario, &source.text);
    let scenario = scenario(&mut reader, tree.get_ref());
    let diagnostics = reader.diagnostics;
    LoadedScenario {
        scenario: (!has_errors(&diagnostics)).then_some(scenario),
        diagnostics,
    }
}

fn scenario(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Scenario {
    let top = reader.walk(table, "the scenario", FileRole::Scenario, &[keys::SCENARIO]);
    if let Some(field) = top.get("fault")
        && field
            .node
            .get_ref()
            .as_array()
            .is_some_and(|list| list.is_empty())
    {
        let at = reader.span(field.node.span());
        reader.report(
            Diagnostic::error(at, "the scenario has no fault").label("expected at least one"),
        );
    }
    Scenario {
        seed: top.whole("seed").map(i64::cast_unsigned).expect(BY_DEFAULT),
        faults: each(reader, &top, "fault", fault),
    }
}

fn fault(reader: &mut Reader<'_>, table: &DeTable<'_>, at: Span) -> Option<Fault> {
    let kind = kind_of(table);
    let (own, others) = match kind {
        Some(kind) => (keys::of_kind(kind), Others::Unknown),
        None => (&[] as &[Key], Others::Unclear),
    };
    let what = match kind {
        Some(kind) => format!("[[fault]] of kind \"{}\"", kind.name()),
        None => "[[fault]]".to_owned(),
    };
    let fields = reader.walk_with(table, &what, at, &[keys::FAULT, own], others);
    let condition = condition(reader, &fields);
    let starts = fields
        .get("starts")
        .map_or(Some(Starts::Every), |field| starts(reader, field));
    let spec = Own {
        reader,
        fields: &fields,
        what: &what,
        at,
    }
    .spec(kind?);
    Some(Fault {
        spec: spec?,
        condition,
        starts: starts?,
        probability: fields.number("probability"),
    })
}

fn kind_of(table: &DeTable<'_>) -> Option<FaultKind> {
    let kind = table.get("kind")?.get_ref().as_str()?;
    FaultKind::ALL
        .into_iter()
        .find(|known| known.name() == kind)
}

fn starts(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Starts> {
    const EXPECTED: &str = "\"every\", \"first\", or a list of numbers from 1, such as [1, 2]";
    let number = |value: &DeValue<'_>| {
        integer(value)
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number > 0)
    };
    let value = field.node.get_ref();
    let read = match value {
        DeValue::String(text) if text == "every" => Some(Starts::Every),
        DeValue::String(text) if text == "first" => Some(Starts::Only(vec![1])),
        DeValue::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| number(item.get_ref()))
            .collect::<Option<Vec<u32>>>()
            .map(Starts::Only),
        _ => None,
    };
    if read.is_none() {
        let found = reader.mismatch("starts", field.node, EXPECTED);
        reader.report(match number(value) {
            Some(number) => found.help(format!("write [{number}]")),
            None => found,
        });
    }
    read
}

/// The keys that a fault has of its kind.
struct Own<'r, 'f, 'n, 't> {
    reader: &'r mut Reader<'t>,
    fields: &'f Fields<'n>,
    /// How messages name the fault, and where it stands.
    what: &'f str,
    at: Span,
}

impl Own<'_, '_, '_, '_> {
    /// `None` where a key was wrong or missing, which has been reported.
    fn spec(&mut self, kind: FaultKind) -> Option<FaultSpec> {
        let fields = self.fields;
        Some(match kind {
            FaultKind::ImportError => FaultSpec::ImportError {
                missing: self.word("missing", Missing::of)?,
            },
            FaultKind::PortHeld => FaultSpec::PortHeld,
            FaultKind::DiesWhileLoading => FaultSpec::DiesWhileLoading {
                how: self.word("how", LoadingDeath::of)?,
            },
            FaultKind::HangsWhileLoading => FaultSpec::HangsWhileLoading,
            FaultKind::SlowStart => FaultSpec::SlowStart {
                by: fields.duration("by")?,
            },
            FaultKind::KvCacheTooSmall => FaultSpec::KvCacheTooSmall {
                left: fields.bytes("left")?,
            },
            FaultKind::GpuOomAtStart => FaultSpec::GpuOomAtStart {
                at: self.word("at", OomStage::of)?,
            },
            FaultKind::HostOom => FaultSpec::HostOom {
                victim: self.word("victim", Victim::of)?,
                up_to: fields.bytes("up-to")?,
            },
            FaultKind::WrongConfig => FaultSpec::WrongConfig { set: self.set()? },
            FaultKind::WrongModelName => FaultSpec::WrongModelName {
                name: fields.text("name")?,
            },
            FaultKind::GpuOomUnderLoad => FaultSpec::GpuOomUnderLoad {
                trigger: match self.one_of(&["running", "batch-tokens", "after"])? {
                    "running" => LoadTrigger::Running(fields.count("running")?),
                    "batch-tokens" => LoadTrigger::BatchTokens(fields.count("batch-tokens")?),
                    _ => LoadTrigger::After(fields.duration("after")?),
                },
                lingers: fields.duration("lingers")?,
            },
            FaultKind::GpuLeak => FaultSpec::GpuLeak {
                growth: self.growth()?,
                lingers: fields.duration("lingers")?,
            },
            FaultKind::HostLeak => FaultSpec::HostLeak {
                growth: self.growth()?,
                up_to: fields.bytes("up-to")?,
            },
            FaultKind::WorkerDies => FaultSpec::WorkerDies {
                trigger: match self.one_of(&["at-request", "after"])? {
                    "at-request" => RequestTrigger::AtRequest(fields.count("at-request")?),
                    _ => RequestTrigger::After(fields.duration("after")?),
                },
                lingers: fields.duration("lingers")?,
                front_end: self.word("front-end", FrontEnd::of)?,
            },
            FaultKind::NoCompletion => FaultSpec::NoCompletion {
                how: self.word("how", Deafness::of)?,
                from_request: fields.count("from-request")?,
            },
            FaultKind::HttpErrors => FaultSpec::HttpErrors {
                status: u16::try_from(fields.whole("status")?)
                    .expect("the key table keeps it below 600"),
                which: self.which()?,
            },
            FaultKind::CutStream => FaultSpec::CutStream {
                after_tokens: fields.count("after-tokens")?,
                which: self.which()?,
            },
            FaultKind::GarbledStream => FaultSpec::GarbledStream {
                how: self.word("how", Garbling::of)?,
                which: self.which()?,
            },
            FaultKind::StalledStream => FaultSpec::StalledStream {
                after_tokens: fields.count("after-tokens")?,
                silent_for: fields.duration("silent-for")?,
                which: self.which()?,
            },
            FaultKind::StartNoise => FaultSpec::StartNoise {
                sd: fields.number("sd")?,
            },
            FaultKind::RequestNoise => FaultSpec::RequestNoise {
                sd: fields.number("sd")?,
            },
            FaultKind::Ageing => match self.one_of(&["per-minute", "per-1000-requests"])? {
                "per-minute" => FaultSpec::Ageing {
                    loss: fields.number("per-minute")?,
                    per: AgeingUnit::Minute,
                },
                _ => FaultSpec::Ageing {
                    loss: fields.number("per-1000-requests")?,
                    per: AgeingUnit::ThousandRequests,
                },
            },
            FaultKind::MetricsMissing => FaultSpec::MetricsMissing {
                what: self.word("what", MissingMetrics::of)?,
            },
            FaultKind::IgnoresSigterm => FaultSpec::IgnoresSigterm,
            FaultKind::DirtyStop => FaultSpec::DirtyStop {
                code: u8::try_from(fields.whole("code")?)
                    .expect("the key table keeps it below 256"),
            },
        })
    }

    fn word<T>(&self, name: &str, of: fn(&str) -> Option<T>) -> Option<T> {
        of(&self.fields.text(name)?)
    }

    fn which(&self) -> Option<Which> {
        Some(Which {
            from: self.fields.count("from-request")?,
            count: self.fields.count("requests"),
            share: self.fields.number("share"),
        })
    }

    fn growth(&mut self) -> Option<Growth> {
        Some(match self.one_of(&["per-request", "per-second"])? {
            "per-request" => Growth::PerRequest(self.fields.bytes("per-request")?),
            _ => Growth::PerSecond(self.fields.bytes("per-second")?),
        })
    }

    /// The one of these keys that the fault has.
    fn one_of(&mut self, names: &[&'static str]) -> Option<&'static str> {
        let mut present = names
            .iter()
            .filter_map(|name| Some((*name, self.fields.get(name)?.at)));
        let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        match (present.next(), present.next()) {
            (Some((name, _)), None) => Some(name),
            (Some((first, first_at)), Some((second, second_at))) => {
                let (name, at, other) = if first_at.start < second_at.start {
                    (second, second_at, first)
                } else {
                    (first, first_at, second)
                };
                self.reader.report(
                    Diagnostic::error(at, format!("`{name}` cannot stand beside `{other}`"))
                        .label(format!("expected one of {}", listed.join(", "))),
                );
                None
            }
            (None, _) => {
                self.reader.report_absence(Diagnostic::error(
                    self.at,
                    format!("{} needs one of {}", self.what, listed.join(", ")),
                ));
                None
            }
        }
    }

    /// The flags that the engine runs with instead of what it was given.
    fn set(&mut self) -> Option<Vec<(FlagName, FlagValue)>> {
        let field = self.fields.get("set")?;
        let knobs = self.reader.knobs(field, false);
        if is_empty_table(field) {
            let at = self.reader.span(field.node.span());
            self.reader.report(
                Diagnostic::error(at, "`set` names no flag")
                    .label("expected flags and values, such as { prefix = true }"),
            );
        }
        let mut set = Vec::new();
        for knob in knobs {
            let value = self.reader.value(&knob, knob.node);
            if let (Some(name), Some(value)) = (knob.flag_name(), value) {
                set.push((name, value));
            }
        }
        Some(set)
    }
}
