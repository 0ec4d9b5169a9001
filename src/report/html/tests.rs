//! Whole pages: large, empty and hostile runs.

use crate::decide::fixture::{self, Numbers};
use crate::diagnose::FailureClass;
use crate::outcome::Outcome;
use crate::report::build;

/// What a name, a log line or an answer may hold.
const EVIL: &str = "</script></style><img src=x onerror=alert(1)>|`*\u{202e}\u{1b}[31m\u{0}\"'&";

#[test]
fn a_page_of_five_hundred_configurations_stays_below_two_megabytes() {
    let page = build(&fixture::crowd(500)).html();
    assert!(page.len() < 2_000_000, "{}", page.len());
    assert_eq!(
        page.matches("<tr class=\"more").count() + page.matches(" more\"").count(),
        460
    );
    assert!(page.contains("show the other 460 of 500 configurations"));
}

#[test]
fn an_empty_run_has_a_page_that_says_so() {
    let mut record = fixture::record(Vec::new());
    let page = build(&record).html();
    assert!(page.contains("no configuration"));
    assert!(page.contains("It ran in no start."));
    let main = &page[page.find("<main>").unwrap()..page.find("</main>").unwrap()];
    assert!(!main.contains("NaN"), "no number was made");
    record.manifest.cells.clear();
    assert!(build(&record).html().contains("There are none."));
}

#[test]
fn hostile_texts_stay_texts_wherever_they_stand() {
    let mut died = fixture::died("d", 1, FailureClass::KvCacheTooSmall);
    if let Outcome::Infeasible(failure) = &mut died.outcome {
        failure.cause = Some(EVIL.to_owned());
        failure.explanation = EVIL.to_owned();
        failure.suggestion = Some(format!("{EVIL}\n[[when]]\n{EVIL}"));
        failure.log_tail = vec![EVIL.to_owned()];
    }
    let mut record = fixture::record(vec![
        fixture::measured("a", 1, Numbers::new(900.0, 90.0).note(EVIL)),
        fixture::measured("b", 1, Numbers::new(900.0, 80.0).contradicted(EVIL)),
        died,
    ]);
    record.manifest.experiment.name = EVIL.to_owned();
    record.manifest.host.hostname = EVIL.to_owned();
    for cell in &mut record.manifest.cells {
        cell.name = format!("{}{EVIL}", cell.name);
    }
    let report = build(&record);
    let figures = report.figures();
    assert!(!figures.is_empty());
    for text in figures
        .into_iter()
        .map(|(_, svg)| svg)
        .chain([report.html()])
    {
        assert!(!text.contains("<img"), "a tag came through");
        assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}') && !text.contains('\0'));
        assert_eq!(
            text.matches("<script").count(),
            text.matches("</script>").count()
        );
        assert!(text.matches("<script").count() <= 1);
    }
}

#[test]
fn no_request_can_leave_and_figures_do_without_the_script() {
    let page = build(&fixture::full()).html();
    assert!(page.contains("default-src 'none'; style-src 'sha256-"));
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("url(http"));
    assert!(
        !page.contains(" style=\"") && !page.contains(" onclick"),
        "the policy forbids them"
    );
    // Hatches stand in a picture that is always shown.
    let defs = page.find("<svg class=\"defs\"").unwrap();
    let hatch = page.find("<pattern id=\"hatch\"").unwrap();
    assert!(hatch > defs && hatch < page.find("<main>").unwrap());
    assert!(
        !page.contains("content-visibility"),
        "it leaves rows blank in print"
    );
}

#[test]
fn stand_in_numbers_are_stamped_wherever_they_appear() {
    let mut record = fixture::full();
    record.manifest.runtime.stand_in = true;
    let page = build(&record).html();
    let headings = page.matches("<h2").count();
    assert!(
        page.matches("class=\"stamp\"").count() >= headings,
        "{headings}"
    );
    assert!(page.contains("<title>STAND-IN RESULTS: gridrun"));
}
