//! What holds for every matrix.

use proptest::prelude::*;

use crate::matrix::expand;
use crate::matrix::tests::build::{Build, experiment, names};
use crate::spec::flag::FlagValue;

fn any_value() -> impl Strategy<Value = FlagValue> {
    prop_oneof![
        any::<bool>().prop_map(FlagValue::Bool),
        (-2..4_i64).prop_map(FlagValue::Int),
        prop_oneof![Just(0.5), Just(1.0), Just(f64::NAN)].prop_map(FlagValue::Float),
        "[a-c\"\\\\\n]{0,2}".prop_map(FlagValue::Text),
        Just(FlagValue::Default),
        prop::collection::vec("[ab]", 0..3).prop_map(FlagValue::List),
    ]
}

fn any_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "gpu-mem",
        "chunked",
        "max-num-seqs",
        "max-num-batched-tokens",
        "max-model-len",
        "tool-call-parser",
        "enable-auto-tool-choice",
        "grpc",
        "of-tomorrow",
        "env.VLLM_X",
    ])
}

type Pairs = Vec<(&'static str, FlagValue)>;
type Terms = Vec<(&'static str, Vec<FlagValue>)>;

fn any_pairs() -> impl Strategy<Value = Pairs> {
    prop::collection::vec((any_name(), any_value()), 0..3)
}

fn any_terms() -> impl Strategy<Value = Terms> {
    prop::collection::vec((any_name(), prop::collection::vec(any_value(), 0..3)), 0..3)
}

proptest! {
    #[test]
    fn any_matrix_expands_to_distinct_cells(
        base in any_pairs(),
        axes in any_terms(),
        whens in prop::collection::vec((any_terms(), any_pairs()), 0..4),
        cells in prop::collection::vec(any_pairs(), 0..3),
        excludes in prop::collection::vec(any_terms(), 0..3),
    ) {
        let mut experiment = experiment();
        for (flag, value) in base.into_iter().filter(|(name, _)| !name.starts_with("env.")) {
            experiment = experiment.base(flag, value);
        }
        for (name, values) in axes {
            experiment = experiment.axis(name, &values);
        }
        for (terms, set) in &whens {
            let terms: Vec<(&str, &[FlagValue])> = terms.iter().map(|(name, any_of)| (*name, any_of.as_slice())).collect();
            experiment = experiment.when(&terms, set);
        }
        for (index, set) in cells.iter().enumerate() {
            experiment = experiment.cell(&format!("cell{index}"), set);
        }
        for terms in &excludes {
            let terms: Vec<(&str, &[FlagValue])> = terms.iter().map(|(name, any_of)| (*name, any_of.as_slice())).collect();
            experiment = experiment.exclude(&terms);
        }
        let expansion = expand(&experiment);
        prop_assert_eq!(format!("{expansion:?}"), format!("{:?}", expand(&experiment)));
        let mut ids: Vec<_> = expansion.cells.iter().map(|cell| &cell.id).collect();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), expansion.cells.len());
        let mut names = names(&expansion);
        names.sort_unstable();
        names.dedup();
        prop_assert_eq!(names.len(), expansion.cells.len());
        prop_assert!(!expansion.cells.is_empty() || !expansion.diagnostics.is_empty());
    }
}
