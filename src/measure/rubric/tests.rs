//! Whole tasks graded: points, reasons, and what is missing.

use crate::measure::rubric::check::{
    Check, CodeRule, ContainRule, JudgeRule, NumberRule, Rule, Take, Task,
};
use crate::measure::rubric::evidence::{Evidence, Need, Verdict};
use crate::measure::rubric::grade::{grade, needs};

fn task(rules: Vec<(f64, Rule)>) -> Task {
    Task {
        name: "t".to_owned(),
        category: "own".to_owned(),
        system: None,
        prompt: "?".to_owned(),
        weight: 1.0,
        checks: rules
            .into_iter()
            .map(|(weight, rule)| Check { weight, rule })
            .collect(),
    }
}

fn number(equals: f64) -> Rule {
    Rule::Number(NumberRule {
        equals,
        tolerance: 0.0,
        relative: 0.0,
        unit: None,
        take: Take::Answer,
        marker: None,
    })
}

fn code() -> Rule {
    Rule::Code(CodeRule {
        defines: "twice".to_owned(),
        tests: vec![
            "assert twice(2) == 4".to_owned(),
            "assert twice(0) == 0".to_owned(),
        ],
    })
}

const CODE: &str = "```python\ndef twice(x):\n    return 2 * x\n```";

#[test]
fn points_are_weighted() {
    let contains = Rule::ContainsAny(ContainRule {
        texts: vec!["because".to_owned()],
        match_case: false,
    });
    let task = task(vec![(3.0, number(42.0)), (1.0, contains)]);
    let graded = grade(&task, "ANSWER: 42", &[]);
    assert_eq!(graded.share(), Some(0.75));
    let lost: Vec<&str> = graded.lost().map(|check| check.check.as_str()).collect();
    assert_eq!(lost, ["contains `because`"]);
    assert_eq!(grade(&task, "", &[]).share(), Some(0.0));
}

#[test]
fn tests_that_pass_give_their_share() {
    let task = task(vec![(2.0, code())]);
    assert_eq!(
        needs(&task, CODE),
        [Some(Need::Sandbox {
            code: "def twice(x):\n    return 2 * x\n".to_owned(),
            tests: vec![
                "assert twice(2) == 4".to_owned(),
                "assert twice(0) == 0".to_owned()
            ],
        })]
    );
    let share = |results: [Option<&str>; 2]| {
        let results = results.map(|result| result.map(str::to_owned)).to_vec();
        let graded = grade(&task, CODE, &[Some(Evidence::Tests(results))]);
        (
            graded.share(),
            graded.checks[0].verdict.because().map(str::to_owned),
        )
    };
    assert_eq!(share([None, None]), (Some(1.0), None));
    assert_eq!(
        share([Some("AssertionError"), None]),
        (
            Some(0.5),
            Some("1 of 2 tests failed: `assert twice(2) == 4`: AssertionError".to_owned())
        )
    );
    assert_eq!(share([Some("x"), Some("y")]).0, Some(0.0));
    // Without code there is nothing to run, and that is known.
    assert_eq!(needs(&task, "Use a loop."), [None]);
    assert_eq!(grade(&task, "Use a loop.", &[]).share(), Some(0.0));
}

#[test]
fn what_nobody_could_find_out_is_not_graded() {
    let judge = Rule::Judge(JudgeRule {
        ask: "Is it polite?".to_owned(),
    });
    let unknown = || {
        Some(Evidence::Unknown {
            because: "no sandbox here".to_owned(),
        })
    };
    for (rule, evidence) in [
        (code(), unknown()),
        (code(), None),
        (judge.clone(), unknown()),
        (judge.clone(), None),
    ] {
        let graded = grade(
            &task(vec![(1.0, number(4.0)), (1.0, rule)]),
            CODE,
            &[None, evidence],
        );
        assert_eq!(graded.share(), None);
        assert!(matches!(
            graded.checks[1].verdict,
            Verdict::NotGraded { .. }
        ));
    }
    let graded = grade(
        &task(vec![(1.0, judge)]),
        "Please.",
        &[Some(Evidence::Score {
            share: 0.5,
            because: "curt".to_owned(),
        })],
    );
    assert_eq!(graded.share(), Some(0.5));
    assert!(graded.checks[0].by_judge);
}
