//! What is left to do before the first-placed configuration serves: what the run has shown, what
//! it has left open, and what only a person can do.

use serde::Serialize;

use crate::decide::number;
use crate::decide::standing::survival_bound;
use crate::measure::kind::load::DemandKind;
use crate::measure::kind::tool_calling::{Check, Share};
use crate::measure::metric::WorkloadKind;
use crate::measure::node::NodeDetail;
use crate::report::claims;
use crate::report::text::Prose;
use crate::report::view::{FlagView, Row, StartName, VerdictKind, View, WorkloadStart};
use crate::report::wording::span;

/// A soak below this many hours says nothing of a day: memory that leaks by a per cent an hour is
/// not seen in minutes.
const SOAK_HOURS: f64 = 1.0;

/// One line of the list.
#[derive(Debug, Clone, Serialize)]
pub struct Item {
    pub state: State,
    pub text: Prose,
}

/// Who has still to do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The run has shown it.
    Shown,
    /// The run has not shown it, or shown the contrary.
    Open,
    /// Nothing that a run can show: it is a person's to do.
    Yours,
}

impl State {
    fn of(is_shown: bool) -> Self {
        match is_shown {
            true => Self::Shown,
            false => Self::Open,
        }
    }

    fn item(self, text: Prose) -> Item {
        Item { state: self, text }
    }

    fn says(self, words: impl Into<String>) -> Item {
        self.item(Prose::new(words))
    }
}

/// For the configuration of the command to run by hand; empty where nothing is ranked.
pub fn checklist(view: &View) -> Vec<Item> {
    let Some(row) = claims::first(view) else {
        return Vec::new();
    };
    let about = About { view, row };
    let mut items: Vec<Item> = Vec::new();
    items.extend(about.production());
    items.extend(about.stand_in());
    items.extend(about.complete());
    items.push(about.settled());
    items.push(about.gates());
    items.push(about.requests());
    items.extend(about.flags());
    items.push(about.soak());
    items.extend(about.tools());
    items.push(about.load());
    items.extend(about.cards());
    items.extend(about.starts());
    items.extend(about.image());
    items.push(
        State::Yours.item(
            Prose::new("Set an API key (")
                .name("VLLM_API_KEY")
                .words(") and the limits of your network before others reach it."),
        ),
    );
    items.extend(about.afterwards());
    items
}

struct About<'v> {
    view: &'v View,
    row: &'v Row,
}

impl About<'_> {
    fn production(&self) -> Option<Item> {
        let stay = self.view.production.as_ref()?;
        Some(State::of(!stay.is_down()).item(Prose::quoted(&format!("{}.", stay.told()))))
    }

    fn stand_in(&self) -> Option<Item> {
        self.view.stand_in.then(|| {
            State::Open.says(
                "Nothing was measured on a real engine: every number here is a stand-in's. Run \
                 the experiment itself.",
            )
        })
    }

    fn complete(&self) -> Option<Item> {
        let is_complete = self.view.progress.missing.is_empty();
        (!is_complete).then(|| {
            let sentence = Prose::new("The run is not complete: go on with ");
            State::Open.item(sentence.name("gridrun resume").words("."))
        })
    }

    fn settled(&self) -> Item {
        let name = &self.row.cell;
        match self.view.verdict.kind {
            VerdictKind::Champion => {
                State::Shown.item(Prose::name_first(name).words(" is the champion of this run."))
            }
            VerdictKind::LeaderOfSingleStarts
            | VerdictKind::LeaderByMean
            | VerdictKind::NoClearChampion
            | VerdictKind::NothingRanked => {
                let sentence = Prose::name_first(name).words(" leads and is not settled.");
                let more = claims::what_would_change_it(self.view);
                State::Open.item(match more {
                    Some(more) => sentence.words(" ").extended(Some(more.clone())),
                    None => sentence,
                })
            }
        }
    }

    fn gates(&self) -> Item {
        let results = &self.row.gate_results;
        let borderline: Vec<&str> = results
            .iter()
            .filter(|result| result.borderline)
            .map(|result| result.gate.as_str())
            .collect();
        match (results.len(), borderline.as_slice()) {
            (0, _) => State::Open.says(
                "No gate was asked: nothing says from when on it would be too slow, or wrong too \
                 often.",
            ),
            (1, []) => State::Shown.says("The gate holds."),
            (n, []) => State::Shown.says(format!("All {n} gates hold.")),
            (_, names) => State::Open.item(
                Prose::new("Gates that the next start may miss: ")
                    .names(names.iter().copied())
                    .words("."),
            ),
        }
    }

    fn requests(&self) -> Item {
        let (n, n_failed) = claims::requests(self.view, &self.row.cell);
        State::of(n_failed == 0 && n > 0).says(format!("{n_failed} of {n} requests failed."))
    }

    fn flags(&self) -> Option<Item> {
        let flags = &self.view.attestation;
        let names = |starts: &[StartName]| starts.iter().any(|it| it.cell == self.row.cell);
        let is_open = |flag: &&FlagView| names(&flag.accepted) || names(&flag.unattested);
        let open: Vec<&str> = flags
            .iter()
            .filter(is_open)
            .map(|flag| flag.flag.as_str())
            .collect();
        if flags.is_empty() {
            return None;
        }
        Some(match open.as_slice() {
            [] => State::Shown.says("The engine's own state shows every varied flag as asked."),
            names => State::Open.item(
                Prose::new("The engine's own state does not show: ")
                    .names(names.iter().copied())
                    .words("."),
            ),
        })
    }

    /// Starts of the configuration in every workload of these kinds.
    fn ran(&self, kinds: &'static [WorkloadKind]) -> impl Iterator<Item = &WorkloadStart> {
        let workloads = self.view.workloads.iter();
        workloads
            .filter(|workload| kinds.contains(&workload.kind))
            .flat_map(|workload| &workload.starts)
            .filter(|start| start.cell == self.row.cell)
    }

    fn soak(&self) -> Item {
        let soaks = self
            .ran(&[WorkloadKind::Stability, WorkloadKind::Age])
            .filter_map(|start| match &start.detail {
                Some(NodeDetail::Stability(detail)) => Some(detail),
                _ => None,
            });
        let (mut longest, mut n_failures): (Option<f64>, u32) = (None, 0);
        for detail in soaks {
            longest = Some(longest.map_or(detail.lasted_h, |it| it.max(detail.lasted_h)));
            n_failures += detail.failures.iter().map(|it| it.n).sum::<u32>();
        }
        let Some(longest) = longest else {
            return State::Open.says(
                "No soak was run: whether it stays as good for hours is not known (a workload of \
                 kind stability or age).",
            );
        };
        let failed = match n_failures {
            0 => "without a failed request".to_owned(),
            1 => "with 1 failed request".to_owned(),
            n => format!("with {n} failed requests"),
        };
        let short = match longest < SOAK_HOURS {
            true => "; that says nothing of a day: let it run for hours",
            false => "",
        };
        State::of(n_failures == 0 && longest >= SOAK_HOURS).says(format!(
            "Its longest soak lasted {} {failed}{short}.",
            span(longest)
        ))
    }

    /// Only where tools are meant to be called.
    fn tools(&self) -> Option<Item> {
        let mut parsed = Share::default();
        for start in self.ran(&[WorkloadKind::ToolCalling]) {
            if let Some(NodeDetail::ToolCalling(detail)) = &start.detail {
                for result in &detail.scenarios {
                    parsed.add(result.checks.get(Check::Parsed));
                }
            }
        }
        if parsed.of > 0 {
            return Some(State::of(parsed.n == parsed.of).says(format!(
                "{} of {} expected tool calls arrived as calls.",
                parsed.n, parsed.of
            )));
        }
        let is_parser = |name: &str| name == "tool-call-parser";
        let base = self.view.method.base_flags.iter();
        let axes = self.view.axes.iter();
        let is_meant = base.map(|(name, _)| name.as_str()).any(is_parser)
            || axes.map(|axis| axis.name.as_str()).any(is_parser);
        is_meant.then(|| {
            State::Open.says(
                "A parser of tool calls is set, and no call was tried (a workload of kind \
                 tool-calling).",
            )
        })
    }

    fn load(&self) -> Item {
        let details: Vec<_> = self
            .ran(&[WorkloadKind::Load])
            .filter_map(|start| match &start.detail {
                Some(NodeDetail::Load(detail)) => Some(detail),
                _ => None,
            })
            .collect();
        let Some(first) = details.first() else {
            return State::Open.says(
                "No load was tried: how many users at once it carries is not known (a workload \
                 of kind load).",
            );
        };
        let proved = details.iter().filter_map(|detail| detail.proved.as_ref());
        let levels: Vec<Option<f64>> = proved.map(|proved| proved.kept).collect();
        if levels.is_empty() {
            return State::Open.says(
                "Load was tried without bounds: what it may carry is for you to say (slo of the \
                 workload).",
            );
        }
        let level = match first.demand {
            DemandKind::Concurrency => "users at once",
            DemandKind::Rate => "requests per second",
        };
        let lowest = levels.iter().copied().collect::<Option<Vec<f64>>>();
        match lowest.and_then(|levels| levels.into_iter().reduce(f64::min)) {
            Some(kept) => State::Shown.says(format!(
                "It kept the bounds of its load up to {kept} {level} in every start; admit no more."
            )),
            None => State::Open.says("In some start it kept the bounds of its load at no level."),
        }
    }

    fn cards(&self) -> Option<Item> {
        let machine = self.view.machine.as_ref()?;
        if let Some(because) = &machine.without_gpus {
            let sentence = Prose::new("No card was watched: ").words(because.as_str());
            return Some(State::Open.item(sentence.words(".")));
        }
        let alerts = machine.alerts.iter();
        let told: Vec<&str> = alerts
            .filter(|alert| alert.cell == self.row.cell)
            .map(|alert| alert.text.as_str())
            .collect();
        Some(match told.as_slice() {
            [] => State::Shown.says("No card passed a bound."),
            told => State::Open.item(Prose::quoted(&format!("{}.", told.join("; ")))),
        })
    }

    fn starts(&self) -> Option<Item> {
        let n = self.row.tally.n_measured;
        let bound = number::percent(survival_bound(n)?);
        let starts = if n == 1 { "start" } else { "starts" };
        Some(State::Yours.says(format!(
            "Watch its first starts: after {n} {starts} without a death it may still die in up to \
             {bound} of them (95 % bound)."
        )))
    }

    fn image(&self) -> Option<Item> {
        let digest = self.view.method.runtime.image_digest.as_ref()?;
        let is_real = !self.view.stand_in;
        is_real.then(|| {
            let sentence = Prose::new("Pin the image that was measured, ").name(digest);
            State::Yours.item(sentence.words(": a tag can move."))
        })
    }

    /// How it is put in force, watched, and taken back.
    fn afterwards(&self) -> Vec<Item> {
        let folder = shell_words::quote(&self.view.folder);
        let accept = match self.view.verdict.kind {
            VerdictKind::Champion => "",
            VerdictKind::LeaderOfSingleStarts
            | VerdictKind::LeaderByMean
            | VerdictKind::NoClearChampion
            | VerdictKind::NothingRanked => " --accept-leader",
        };
        let name = shell_words::quote(&self.view.experiment);
        [
            Prose::new("Put it in force: ").name(&format!("gridrun promote {folder}{accept}")),
            Prose::new("Write its alert rules, dashboard and Compose file: ")
                .name(&format!("gridrun pack results/{name}/champion.toml")),
            Prose::new("Let every night say whether it still holds: ").name("gridrun schedule"),
            Prose::new("Know the way back: ").name(&format!("gridrun rollback {name}")),
        ]
        .map(|text| State::Yours.item(text.words(".")))
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::manifest::RunRecord;
    use crate::report::view_of;

    fn record() -> RunRecord {
        let cells = [("a", 100.0), ("b", 80.0)];
        let starts = cells.iter().flat_map(|&(cell, ms)| {
            (1..=8).map(move |number| {
                let wobble = 1.0 + 0.002 * f64::from(number % 3);
                fixture::measured(cell, number, Numbers::new(900.0, ms * wobble))
            })
        });
        fixture::record(starts.collect())
    }

    fn told(record: &RunRecord) -> Vec<(State, String)> {
        let items = view_of(record).advice.checklist.into_iter();
        items.map(|item| (item.state, item.text.plain())).collect()
    }

    fn item<'t>(told: &'t [(State, String)], begins: &str) -> Option<&'t (State, String)> {
        told.iter().find(|(_, text)| text.starts_with(begins))
    }

    #[test]
    fn what_was_shown_what_is_open_and_what_is_yours() {
        let told = told(&record());
        let states = |wanted: State| -> Vec<&str> {
            let of = told.iter().filter(|(state, _)| *state == wanted);
            of.map(|(_, text)| text.as_str()).collect()
        };
        insta::assert_debug_snapshot!(states(State::Shown), @r#"
[
    "b is the champion of this run.",
    "0 of 80 requests failed.",
]
"#);
        insta::assert_debug_snapshot!(states(State::Open), @r#"
[
    "No gate was asked: nothing says from when on it would be too slow, or wrong too often.",
    "The engine's own state does not show: max-num-seqs.",
    "No soak was run: whether it stays as good for hours is not known (a workload of kind stability or age).",
    "No load was tried: how many users at once it carries is not known (a workload of kind load).",
]
"#);
        insta::assert_debug_snapshot!(states(State::Yours), @r#"
[
    "Watch its first starts: after 8 starts without a death it may still die in up to 31.2 % of them (95 % bound).",
    "Pin the image that was measured, vllm/vllm-openai@sha256:abababababababababababababababababababababababababababababababab: a tag can move.",
    "Set an API key (VLLM_API_KEY) and the limits of your network before others reach it.",
    "Put it in force: gridrun promote results/medium/20261124T044826Z-3f9a.",
    "Write its alert rules, dashboard and Compose file: gridrun pack results/medium/champion.toml.",
    "Let every night say whether it still holds: gridrun schedule.",
    "Know the way back: gridrun rollback medium.",
]
"#);
    }

    #[test]
    fn stand_ins_and_leaders_are_open() {
        let mut record = record();
        record.manifest.runtime.stand_in = true;
        record.settled.truncate(2);
        let told = told(&record);
        assert_eq!(told[0].0, State::Open);
        assert!(
            told[0]
                .1
                .starts_with("Nothing was measured on a real engine")
        );
        assert_eq!(
            item(&told, "a leads and is not settled.").unwrap().0,
            State::Open
        );
        let promote = item(&told, "Put it in force").unwrap();
        assert!(promote.1.ends_with(" --accept-leader."), "{}", promote.1);
    }

    #[test]
    fn production_that_is_down_comes_first() {
        use crate::guard::stay::{Return, Stay};
        let mut record = record();
        let at = record.manifest.started_at;
        record.production = Some(Stay {
            name: "prod".to_owned(),
            stopped_at: Some(at),
            outcome: Return::Down {
                because: "it does not answer".to_owned(),
            },
            settled_at: at,
        });
        let told = told(&record);
        assert_eq!(told[0].0, State::Open);
        assert!(told[0].1.starts_with("PRODUCTION prod IS DOWN"));
    }

    #[test]
    fn without_a_first_place_there_is_no_list() {
        let died = fixture::died("a", 1, crate::diagnose::FailureClass::GpuOomServing);
        assert!(told(&fixture::record(vec![died])).is_empty());
    }
}
