//! Any two metrics against each other, for whoever has the script: what it draws from. The pairs
//! of what decides are pictures of their own.

use serde::Serialize;

use crate::decide::wanted::Role;
use crate::measure::metric::Scale;
use crate::outcome::Standing;
use crate::report::html::markup::Page;
use crate::report::measures::MeasureView;
use crate::report::text::escape;
use crate::report::view::{Row, View};
use crate::spec::experiment::Goal;

/// Bytes that its numbers may take: a page of 500 configurations stays small.
const ROOM: usize = 150_000;

/// What the script reads. Names are short, since they are repeated.
#[derive(Serialize)]
struct Data<'v> {
    cells: Vec<Cell<'v>>,
    metrics: Vec<Metric<'v>>,
}

#[derive(Serialize)]
struct Cell<'v> {
    n: &'v str,
    k: Kind,
}

/// How a configuration is drawn.
#[derive(Serialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    First,
    Tie,
    Ranked,
    Missed,
    Other,
}

#[derive(Serialize)]
struct Metric<'v> {
    n: &'v str,
    u: &'static str,
    b: Option<Goal>,
    /// Bound, whether larger numbers miss it, and how the file writes it.
    l: Vec<(f64, bool, &'v str)>,
    /// By cell: the mean, and where it is known its interval.
    v: Vec<Option<Vec<f64>>>,
}

/// The choice, hidden until the script fills it; nothing where there is nothing to choose.
pub fn chooser(page: &mut Page, view: &View) {
    let cells: Vec<Cell<'_>> = view.cells.iter().map(cell).collect();
    let mut data = Data {
        cells,
        metrics: Vec::new(),
    };
    let wanted = || view.measures.iter().filter(|measure| is_offered(measure));
    let mut room = ROOM;
    for measure in wanted() {
        let metric = metric(measure);
        let size = serde_json::to_string(&metric).map_or(usize::MAX, |text| text.len());
        if size > room {
            break;
        }
        room -= size;
        data.metrics.push(metric);
    }
    let n_left = wanted().count() - data.metrics.len();
    if data.metrics.len() < 2 {
        return;
    }
    let text = serde_json::to_string(&data).expect("numbers and names");
    page.raw(format!(
        "<div id=\"xy\" hidden data-xy=\"{}\"><h3>Any two metrics</h3>\
         <p class=\"ctl\"><label>across <select id=\"xy-x\"></select></label> \
         <label>upwards <select id=\"xy-y\"></select></label></p>\
         <figure><figcaption id=\"xy-c\" aria-live=\"polite\"></figcaption></figure></div>\n",
        escape(&text)
    ));
    let left = match n_left {
        0 => String::new(),
        n => format!(" {n} further metrics are in report.json."),
    };
    page.raw(format!(
        "<noscript><p class=\"cap\">With its script the page draws any two of {} metrics against \
         each other.{left}</p></noscript>\n",
        data.metrics.len()
    ));
}

/// What anything asks for, and what can be better or worse; shares only where they are asked for.
fn is_offered(measure: &MeasureView) -> bool {
    let is_there = measure.estimates.iter().flatten().count() > 1;
    let scale = measure.definition.as_ref().map(|it| it.scale);
    is_there
        && match measure.role {
            Role::Objective | Role::UseCase | Role::Gate => true,
            Role::Other => measure.better.is_some() && scale != Some(Scale::Proportion),
        }
}

fn cell(row: &Row) -> Cell<'_> {
    let k = match &row.standing {
        Standing::Ranked if row.rank == Some(1) => Kind::First,
        Standing::Ranked if row.same_as_first => Kind::Tie,
        Standing::Ranked => Kind::Ranked,
        Standing::Rejected { .. } => Kind::Missed,
        Standing::Infeasible { .. } | Standing::Skipped { .. } | Standing::Undecided { .. } => {
            Kind::Other
        }
    };
    Cell { n: &row.cell, k }
}

fn metric(measure: &MeasureView) -> Metric<'_> {
    let numbers = measure.estimates.iter().map(|it| {
        let it = it.as_ref()?;
        let mut numbers = vec![rounded(it.mean)];
        if let Some((low, high)) = it.interval {
            numbers.extend([rounded(low), rounded(high)]);
        }
        Some(numbers)
    });
    Metric {
        n: &measure.metric,
        u: measure.unit,
        b: measure.better,
        l: measure
            .limits
            .iter()
            .map(|limit| (limit.bound, limit.is_upper(), limit.gate.as_str()))
            .collect(),
        v: numbers.collect(),
    }
}

/// To five digits: more is not seen in a picture.
fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture;
    use crate::report::view_of;

    fn drawn(view: &View) -> String {
        let mut page = Page::new(None);
        chooser(&mut page, view);
        page.out
    }

    #[test]
    fn what_is_measured_is_offered_with_its_interval_and_what_is_missing_is_null() {
        let page = drawn(&view_of(&fixture::full()));
        assert!(
            page.contains("{&quot;n&quot;:&quot;b&quot;,&quot;k&quot;:&quot;first&quot;}"),
            "{page}"
        );
        assert!(page.contains("&quot;n&quot;:&quot;kv-cache.ttft_repeat_ms.p50&quot;"));
        assert!(page.contains("[132.5,"), "{page}");
        // `d` died and `e` was never measured.
        assert!(page.contains("null,null]"), "{page}");
        assert!(page.contains("[0.95,false,&quot;kv-cache.success_rate &gt;= 0.95&quot;]"));
    }

    #[test]
    fn its_numbers_take_little_of_a_large_page() {
        let page = drawn(&view_of(&fixture::crowd(500)));
        assert!(page.contains("<select"));
        assert!(page.len() < 2 * ROOM, "{}", page.len());
    }

    #[test]
    fn with_nothing_measured_there_is_nothing_to_choose() {
        assert_eq!(drawn(&view_of(&fixture::record(Vec::new()))), "");
    }

    #[test]
    fn numbers_keep_five_digits() {
        assert_eq!(rounded(16_820.123_4), 16_820.0);
        assert_eq!(rounded(0.998_765_4), 0.99877);
    }
}
