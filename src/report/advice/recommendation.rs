//! Which configuration for which use: one engine for all of them unless the data say what that
//! costs.

use serde::Serialize;

use crate::decide::number;
use crate::report::text::Prose;
use crate::report::view::{UseCaseRow, UseCaseView, VerdictKind, View};

/// What to run for one use.
#[derive(Debug, Clone, Serialize)]
pub struct Recommendation {
    /// Its name; `None` for the experiment's own objectives.
    pub use_case: Option<String>,
    /// `None` where nothing is ranked.
    pub cell: Option<String>,
    /// How sure the first place of this ranking is.
    pub kind: VerdictKind,
    /// By which fraction the configuration that is first over all is worse here than the first of
    /// this use; `None` where it is that, or is not ranked here.
    pub cost_of_first: Option<f64>,
    /// The 95 % interval of that; `None` where no noise is known.
    pub cost_interval: Option<(f64, f64)>,
    pub text: Prose,
}

/// The experiment's own first, then its use cases in the order of the file.
pub fn recommendations(view: &View) -> Vec<Recommendation> {
    let cases = view.use_cases.iter().map(|case| of_case(view, case));
    std::iter::once(over_all(view)).chain(cases).collect()
}

fn over_all(view: &View) -> Recommendation {
    let verdict = &view.verdict;
    let first = view
        .cells
        .iter()
        .find(|row| verdict.cell.as_ref() == Some(&row.cell));
    let text = match first {
        None => nothing(&verdict.headline),
        Some(first) => Prose::name_first(&first.cell).words(format!(
            ": {}.",
            sureness(
                verdict.kind,
                first.chance.map(|chance| chance.equivalent),
                view.equivalence
            )
        )),
    };
    Recommendation {
        use_case: None,
        cell: verdict.cell.clone(),
        kind: verdict.kind,
        cost_of_first: None,
        cost_interval: None,
        text,
    }
}

fn of_case(view: &View, case: &UseCaseView) -> Recommendation {
    let verdict = &case.verdict;
    let mut told = Recommendation {
        use_case: Some(case.name.clone()),
        cell: verdict.cell.clone(),
        kind: verdict.kind,
        cost_of_first: None,
        cost_interval: None,
        text: Prose::default(),
    };
    let find = |name: &String| case.cells.iter().find(|row| row.cell == *name);
    let Some(first) = verdict.cell.as_ref().and_then(find) else {
        told.text = nothing(&verdict.headline);
        return told;
    };
    let sure = sureness(
        verdict.kind,
        first.chance.map(|chance| chance.equivalent),
        view.equivalence,
    );
    let named = || Prose::name_first(&first.cell);
    let Some(usual) = &view.verdict.cell else {
        told.text = named().words(format!(": {sure}."));
        return told;
    };
    if *usual == first.cell {
        told.text = named().words(format!(", as over all: {sure}."));
        return told;
    }
    let Some(row) = find(usual) else {
        told.text = named()
            .words(format!(": {sure}. "))
            .name(usual)
            .words(", first over all, is not ranked here.");
        return told;
    };
    told.cost_of_first = row.behind_first;
    told.cost_interval = row.behind_interval;
    let Some(behind) = row.behind_first else {
        told.text = named().words(format!(": {sure}."));
        return told;
    };
    let stays = is_no_reason(row, view.equivalence);
    if stays {
        told.cell = Some(usual.clone());
        told.text = Prose::name_first(usual)
            .words(", as over all: ")
            .name(&first.cell);
    } else {
        told.text = named().words(format!(": {sure}. ")).name(usual);
    }
    told.text = told
        .text
        .clone()
        .words(cost(behind, row.behind_interval, stays, view.equivalence));
    told
}

/// The configuration that is first over all does as well here, as far as the data tell.
fn is_no_reason(row: &UseCaseRow, equivalence: f64) -> bool {
    let is_same = row.behind_first.is_some_and(|behind| behind < equivalence);
    is_same || row.behind_interval.is_some_and(|(low, _)| low <= 0.0)
}

fn cost(behind: f64, interval: Option<(f64, f64)>, stays: bool, equivalence: f64) -> String {
    let by = number::percent(behind);
    let span = interval.map(|(low, high)| {
        format!(
            "95 % interval {} to {}",
            number::percent(low),
            number::percent(high)
        )
    });
    match (stays, span) {
        (true, _) if behind < equivalence => format!(
            " is better here by {by}, within the margin of {}: no reason for a second engine.",
            number::chosen_percent(equivalence)
        ),
        (true, Some(span)) => format!(
            " has the better mean here by {by} ({span}), which cannot be told from nothing: no \
             reason yet for a second engine."
        ),
        (_, Some(span)) => format!(", first over all, costs {by} here ({span})."),
        (_, None) => format!(
            ", first over all, costs {by} here by its mean; from these starts no interval can be \
             stated."
        ),
    }
}

fn nothing(headline: &Prose) -> Prose {
    Prose::new("Nothing can be recommended: ").extended(Some(headline.clone()))
}

/// How sure the first place is, in a clause.
fn sureness(kind: VerdictKind, within: Option<f64>, equivalence: f64) -> String {
    let margin = number::chosen_percent(equivalence);
    let within = within.map(|p| {
        format!(
            "within {margin} of the best with a probability of {}",
            number::probability(p)
        )
    });
    match (kind, within) {
        (VerdictKind::Champion, Some(within)) => format!("the champion, {within}"),
        (VerdictKind::Champion, None) => "the champion".to_owned(),
        (VerdictKind::NoClearChampion, Some(within)) => {
            format!("first by its mean and not settled ({within})")
        }
        (VerdictKind::NoClearChampion, None) => "first by its mean and not settled".to_owned(),
        (VerdictKind::LeaderByMean, _) => {
            "first by its mean, from too few starts to say how sure".to_owned()
        }
        (VerdictKind::LeaderOfSingleStarts, _) => {
            "first of single starts, which do not say how sure".to_owned()
        }
        (VerdictKind::NothingRanked, _) => "not ranked".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::report::view_of;

    /// `ttft` decides over all, `speed` the use case.
    fn told(cells: &[(&str, f64, f64)], n: u32) -> Vec<Recommendation> {
        let starts = cells.iter().flat_map(|&(cell, ttft, speed)| {
            (1..=n).map(move |number| {
                let wobble = 1.0 + 0.004 * f64::from(number % 3);
                let numbers = Numbers::new(900.0, ttft * wobble).speed(speed * wobble);
                fixture::measured(cell, number, numbers)
            })
        });
        let mut record = fixture::record(starts.collect());
        record.manifest.experiment.use_cases = vec![fixture::use_case_by_speed()];
        view_of(&record).advice.recommendations
    }

    #[test]
    fn one_engine_serves_all_where_it_is_first_everywhere() {
        let told = told(&[("a", 80.0, 44.0), ("b", 100.0, 40.0)], 8);
        assert_eq!(told[0].cell.as_deref(), Some("a"));
        assert!(
            told[1]
                .text
                .plain()
                .starts_with("a, as over all: the champion, within 2 %"),
            "{}",
            told[1].text.plain()
        );
    }

    #[test]
    fn another_one_is_recommended_only_with_what_the_first_costs() {
        let told = told(&[("a", 80.0, 40.0), ("b", 100.0, 44.0)], 6);
        assert_eq!(told[1].cell.as_deref(), Some("b"));
        let cost = told[1].cost_of_first.unwrap();
        assert!((cost - 0.1).abs() < 1e-9, "{cost}");
        let text = told[1].text.plain();
        assert!(
            text.contains(". a, first over all, costs 10.0 % here (95 % interval "),
            "{text}"
        );
    }

    #[test]
    fn a_difference_within_the_margin_is_no_reason_for_a_second_engine() {
        let told = told(&[("a", 80.0, 43.9), ("b", 100.0, 44.0)], 6);
        assert_eq!(told[1].cell.as_deref(), Some("a"));
        assert_eq!(
            told[1].text.plain(),
            "a, as over all: b is better here by 0.23 %, within the margin of 2 %: no reason for \
             a second engine."
        );
    }

    #[test]
    fn single_starts_are_never_told_as_sure() {
        let told = told(&[("a", 80.0, 40.0), ("b", 100.0, 44.0)], 1);
        assert_eq!(
            told[1].text.plain(),
            "b: first of single starts, which do not say how sure. a, first over all, costs 10.0 % \
             here by its mean; from these starts no interval can be stated."
        );
    }

    #[test]
    fn where_nothing_lived_nothing_is_recommended() {
        let died = fixture::died("a", 1, crate::diagnose::FailureClass::GpuOomServing);
        let view = view_of(&fixture::record(vec![died]));
        let told = &view.advice.recommendations[0];
        assert_eq!(told.cell, None);
        assert!(
            told.text
                .plain()
                .starts_with("Nothing can be recommended: ")
        );
    }
}
