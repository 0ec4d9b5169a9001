//! A night for people and for gates: one line, a page, and JUnit XML. Opens no file.

pub mod age;

use std::fmt::Write;

use serde::Serialize;

use crate::decide::night::{Against, Call, ChallengerSays, Judgement};
use crate::decide::number;
use crate::decide::plain::plain;
use crate::guard::stay::Stay;
use crate::report::nightly::age::Aged;
use crate::report::text::inline;

/// Version of `night.json`.
pub const FORMAT: u32 = 1;

/// Earlier nights that the page lists.
const LISTED: usize = 14;

/// A night with everything that is said of it.
#[derive(Debug, Clone, Serialize)]
pub struct NightReport {
    pub format: u32,
    pub experiment: String,
    pub run: String,
    pub at: jiff::Timestamp,
    pub stand_in: bool,
    /// The word that stands for the night: that of the judgement, unless something else ended it.
    pub verdict: Call,
    /// Why it is inconclusive whatever was measured.
    pub ended: Option<String>,
    pub judgement: Judgement,
    /// What the `age` nodes of the night found.
    pub aged: Vec<Aged>,
    /// By the last of its starts that aged, tonight or before: why the champion ages.
    pub champion_ages: Option<String>,
    /// Closer than this fraction is the same to the user.
    pub margin: f64,
    /// What is another one than in the last night.
    pub changed: Vec<String>,
    /// Since when the champion reigns.
    pub reigns_since: Option<jiff::Timestamp>,
    /// Who follows it from now on, where `--promote` was given.
    pub promoted: Option<String>,
    pub production: Option<Stay>,
    /// Older nights, the latest first.
    pub earlier: Vec<Earlier>,
    /// The run's folder.
    pub folder: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Earlier {
    pub at: jiff::Timestamp,
    pub run: String,
    pub champion: String,
    pub challengers: Vec<String>,
    pub verdict: Call,
}

impl NightReport {
    /// What tells one state from another: the verdict and whom it is about. A message is sent
    /// when it changes.
    pub fn state(&self) -> String {
        let about = match self.verdict {
            Call::Regressed | Call::Holds => self.judgement.champion.name.as_str(),
            Call::Dethroned => self.judgement.successor().map_or("", |says| &says.name),
            Call::Inconclusive => "",
        };
        let down = match self.production.as_ref().is_some_and(Stay::is_down) {
            true => " production-down",
            false => "",
        };
        let ages = match self.champion_ages.is_some() {
            true => " ages",
            false => "",
        };
        format!("{} {about}{ages}{down}", self.verdict.name())
            .trim()
            .to_owned()
    }

    /// The night in one line, for the morning.
    pub fn line(&self) -> String {
        let stamp = match self.stand_in {
            true => "STAND-IN: ",
            false => "",
        };
        let down = match &self.production {
            Some(stay) if stay.is_down() => format!("{}. ", stay.told()),
            _ => String::new(),
        };
        let line = format!(
            "{stamp}{down}{}: {}: {}",
            self.experiment,
            self.verdict.name(),
            self.sentences().join("; ")
        );
        plain(&line)
    }

    /// What the verdict rests on.
    pub fn sentences(&self) -> Vec<String> {
        let mut said: Vec<String> = self.ended.iter().cloned().collect();
        said.push(champion(&self.judgement));
        if !self.changed.is_empty() {
            said.push(format!(
                "changed since it was measured last: {}",
                self.changed.join("; ")
            ));
        }
        said.extend(
            self.judgement
                .challengers
                .iter()
                .map(|says| challenger(says, self.margin)),
        );
        said.extend(self.aged.iter().map(Aged::clause));
        if let Some(promoted) = &self.promoted {
            said.push(format!("{promoted} reigns from now on"));
        }
        said
    }

    /// `night.md`.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let mut line = |text: String| {
            out += &text;
            out += "\n\n";
        };
        if let Some(stay) = self.production.as_ref().filter(|stay| stay.is_down()) {
            line(format!("# {}", inline(&stay.told())));
        }
        if self.stand_in {
            line("**STAND-IN RESULTS: no real model answered; no number here says anything about a model or a GPU.**".to_owned());
        }
        line(format!(
            "# {}: {}",
            inline(&self.experiment),
            self.verdict.name()
        ));
        let since = self
            .reigns_since
            .map_or_else(String::new, |since| format!(", which reigns since {since}"));
        line(format!(
            "Night {} of {}. Champion: {}{since}.",
            inline(&self.run),
            self.at,
            inline(&self.judgement.champion.name)
        ));
        let bullets: Vec<String> = self
            .sentences()
            .iter()
            .map(|text| format!("- {}", inline(text)))
            .collect();
        line(bullets.join("\n"));
        if let Some(stay) = self.production.as_ref().filter(|stay| !stay.is_down()) {
            line(format!("{}.", inline(&stay.told())));
        }
        for aged in self.aged.iter().filter(|aged| !aged.drifts.is_empty()) {
            line(format!(
                "## How {} aged in {}",
                inline(&aged.name),
                inline(&aged.node)
            ));
            let mut table = "| of | at the end | per hour | 95 % interval | where it leads |\n\
                 | --- | --- | --- | --- | --- |"
                .to_owned();
            for drift in &aged.drifts {
                let number = number::significant;
                let _ = write!(
                    table,
                    "\n| {} ({}) | {} | {} | {} to {} | {} |",
                    drift.of.name(),
                    drift.of.unit(),
                    number(drift.last),
                    number(drift.per_hour),
                    number(drift.low),
                    number(drift.high),
                    drift.course(),
                );
            }
            line(table);
        }
        if !self.earlier.is_empty() {
            line("## Earlier nights".to_owned());
            let mut table =
                "| night | reigned | challenged | verdict |\n| --- | --- | --- | --- |".to_owned();
            for night in self.earlier.iter().take(LISTED) {
                let _ = write!(
                    table,
                    "\n| {} | {} | {} | {} |",
                    night.at,
                    inline(&night.champion),
                    inline(&night.challengers.join(", ")),
                    night.verdict.name()
                );
            }
            line(table);
        }
        line(format!(
            "All that was measured: `{}/report.md`.",
            plain(&self.folder)
        ));
        out.trim_end().to_owned() + "\n"
    }

    /// JUnit XML: a case for the champion and one for each challenger; only what fails the
    /// champion is a failure.
    pub fn junit(&self) -> String {
        let failed = self.verdict == Call::Regressed;
        let skipped = self.verdict == Call::Inconclusive;
        let mut out = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{}\" tests=\"{}\" \
             failures=\"{}\" errors=\"0\" skipped=\"{}\" timestamp=\"{}\">\n",
            xml(&self.experiment),
            1 + self.judgement.challengers.len(),
            u8::from(failed),
            u8::from(skipped),
            self.at.strftime("%Y-%m-%dT%H:%M:%S"),
        );
        let mut case = |name: &str, inside: String| {
            let _ = writeln!(
                out,
                "<testcase classname=\"{}\" name=\"{}\">{inside}</testcase>",
                xml(&self.experiment),
                xml(name)
            );
        };
        let said = xml(&champion(&self.judgement));
        case(
            &format!("champion {}", self.judgement.champion.name),
            match (failed, skipped) {
                (true, _) => format!("<failure message=\"{said}\"/>"),
                (_, true) => format!(
                    "<skipped message=\"{}\"/>",
                    xml(&self.sentences().join("; "))
                ),
                (false, false) => format!("<system-out>{said}</system-out>"),
            },
        );
        for says in &self.judgement.challengers {
            case(
                &format!("challenger {}", says.name),
                format!(
                    "<system-out>{}</system-out>",
                    xml(&challenger(says, self.margin))
                ),
            );
        }
        out + "</testsuite>\n</testsuites>\n"
    }

    /// `night.json`.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a night is plain data") + "\n"
    }
}

fn champion(judgement: &Judgement) -> String {
    let says = &judgement.champion;
    let name = &says.name;
    if says.n_died > 0 {
        return format!(
            "{name} died of its own making in {}",
            count(says.n_died as usize, "start")
        );
    }
    if let Some(gate) = &says.rejected {
        return format!("{name} missed a gate: {gate}");
    }
    match says.against {
        Against::History {
            n_nights,
            change,
            allowed,
        } => format!(
            "{name} {} than in its last {n_nights} nights (usual is up to {:.1} % worse)",
            worse(change),
            allowed * 100.0
        ),
        Against::Reference {
            n_nights,
            change,
            warn,
            alert,
        } => {
            let against = match n_nights {
                0 => "than when it was put in force".to_owned(),
                1 => "than in its one night so far".to_owned(),
                n => format!("than in its {n} nights so far"),
            };
            let warning = match judgement.warns() {
                true => format!(", more than {:.0} %", warn * 100.0),
                false => String::new(),
            };
            format!(
                "{name} {} {against}{warning} (too few nights to know what is usual: a regression from {:.0} % on)",
                worse(change),
                alert * 100.0
            )
        }
        Against::Nothing => {
            format!("{name} was measured under these conditions for the first time")
        }
        Against::NotMeasured => format!("{name} was not measured"),
    }
}

fn challenger(says: &ChallengerSays, margin: f64) -> String {
    let name = &says.name;
    if says.n_died > 0 {
        return format!("challenger {name} died of its own making");
    }
    if let Some(gate) = &says.rejected {
        return format!("challenger {name} missed a gate: {gate}");
    }
    let Some(paired) = says.paired else {
        return format!("challenger {name} was not measured beside the champion");
    };
    let sure = match (says.dethrones, paired.at_most) {
        (true, Some(at_most)) => format!(
            ", surely by more than {:.1} %: it should reign",
            -at_most * 100.0
        ),
        (false, _) if paired.difference.abs() < margin => ", the same to you".to_owned(),
        (false, Some(_)) if paired.difference < 0.0 => ", not surely".to_owned(),
        _ => String::new(),
    };
    format!(
        "challenger {name} {} than the champion over {} of {}{sure}",
        worse(paired.difference),
        count(paired.n_blocks, "block"),
        count(paired.n_nights, "night"),
    )
}

fn count(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

/// `3.1 % worse`.
fn worse(change: f64) -> String {
    match change < 0.0 {
        true => format!("{:.1} % better", -change * 100.0),
        false => format!("{:.1} % worse", change * 100.0),
    }
}

fn xml(text: &str) -> String {
    plain(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::night::{CellNight, Night, judge};
    use crate::id::CellId;

    fn cell(name: &str, scores: &[f64]) -> CellNight {
        CellNight {
            cell: CellId::of(name),
            name: name.to_owned(),
            scores: (1..).zip(scores.iter().copied()).collect(),
            n_died: 0,
            rejected: None,
        }
    }

    fn report(champion: f64) -> NightReport {
        let night = Night {
            champion: cell("safe", &[champion; 4]),
            challengers: vec![cell(
                "<wild> & \"big\"",
                &[champion - 0.005, champion, champion, champion],
            )],
            was_regression: false,
        };
        let judgement = judge(&night, &[], Some(1.0), 0.02);
        NightReport {
            format: FORMAT,
            experiment: "medium".to_owned(),
            run: "20261124T020000Z-0001".to_owned(),
            at: "2026-11-24T02:00:00Z".parse().unwrap(),
            stand_in: true,
            verdict: judgement.call,
            ended: None,
            judgement,
            aged: Vec::new(),
            champion_ages: None,
            margin: 0.02,
            changed: Vec::new(),
            reigns_since: None,
            promoted: None,
            production: None,
            earlier: Vec::new(),
            folder: "results/medium/20261124T020000Z-0001".to_owned(),
        }
    }

    #[test]
    fn a_night_is_one_line() {
        assert_eq!(
            report(1.01).line(),
            "STAND-IN: medium: holds: safe 1.0 % worse than when it was put in force (too few nights to know \
             what is usual: a regression from 15 % on); challenger <wild> & \"big\" 0.1 % better than the \
             champion over 4 blocks of 1 night, the same to you"
        );
        assert!(
            report(1.3)
                .line()
                .starts_with("STAND-IN: medium: regressed: safe 35.0 % worse")
        );
    }

    #[test]
    fn the_state_changes_with_the_verdict_and_not_with_its_numbers() {
        assert_eq!(report(1.0).state(), report(1.03).state());
        assert_eq!(report(1.3).state(), "regressed safe");
        let mut down = report(1.0);
        down.production = Some(Stay {
            name: "prod".to_owned(),
            stopped_at: None,
            outcome: crate::guard::stay::Return::Down {
                because: "x".to_owned(),
            },
            settled_at: jiff::Timestamp::UNIX_EPOCH,
        });
        assert_ne!(down.state(), report(1.0).state());
        assert!(
            down.markdown().starts_with("# PRODUCTION prod IS DOWN"),
            "{}",
            down.markdown()
        );
    }

    #[test]
    fn names_of_others_stay_names_in_xml_and_markdown() {
        let report = report(1.3);
        let junit = report.junit();
        assert!(junit.contains("failures=\"1\""), "{junit}");
        assert!(
            junit.contains("challenger &lt;wild&gt; &amp; &quot;big&quot;"),
            "{junit}"
        );
        assert!(
            report.markdown().contains("\\<wild\\> \\& \"big\""),
            "{}",
            report.markdown()
        );
        assert!(report.markdown().contains("STAND-IN"));
    }
}
