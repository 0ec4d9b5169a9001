//! The Pareto front of two metrics: the cells that no other beats in both.
//!
//! It is drawn through means and knows nothing of noise; how sure a difference is, is the fit's
//! to say.

use crate::spec::experiment::Goal;

/// Which of the points no other dominates: none is at least as good in both and better in one.
/// Points that are equal in both stand or fall together. All numbers must be finite.
pub fn front(points: &[(f64, f64)], goals: (Goal, Goal)) -> Vec<bool> {
    let cost = |value: f64, goal: Goal| match goal {
        Goal::Min => value,
        Goal::Max => -value,
    };
    let costs: Vec<(f64, f64)> = points
        .iter()
        .map(|&(x, y)| (cost(x, goals.0), cost(y, goals.1)))
        .collect();
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_unstable_by(|&a, &b| {
        let by_x = costs[a].0.total_cmp(&costs[b].0);
        by_x.then(costs[a].1.total_cmp(&costs[b].1))
    });
    let mut is_on_front = vec![false; costs.len()];
    let mut last: Option<(f64, f64)> = None;
    for at in order {
        let here = costs[at];
        // In this order, what comes later is no better in x: it must be better in y.
        if last.is_none_or(|last| here.1 < last.1 || here == last) {
            is_on_front[at] = true;
            last = Some(here);
        }
    }
    is_on_front
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_front_is_what_nothing_beats_in_both() {
        let points = [(1.0, 9.0), (2.0, 5.0), (2.0, 4.0), (3.0, 4.0), (4.0, 1.0)];
        assert_eq!(
            front(&points, (Goal::Min, Goal::Min)),
            [true, false, true, false, true]
        );
        assert_eq!(
            front(&points, (Goal::Max, Goal::Max)),
            [true, true, false, true, true]
        );
        assert_eq!(front(&[(1.0, 1.0); 2], (Goal::Min, Goal::Max)), [true; 2]);
        assert!(front(&[], (Goal::Min, Goal::Min)).is_empty());
    }

    proptest! {
        #[test]
        fn it_is_the_definition(points in prop::collection::vec((0_u8..6, 0_u8..6), 0..20)) {
            let points: Vec<(f64, f64)> =
                points.into_iter().map(|(x, y)| (f64::from(x), f64::from(y))).collect();
            let by_definition: Vec<bool> = points
                .iter()
                .map(|a| {
                    !points.iter().any(|b| b.0 <= a.0 && b.1 >= a.1 && (b.0 < a.0 || b.1 > a.1))
                })
                .collect();
            prop_assert_eq!(front(&points, (Goal::Min, Goal::Max)), by_definition);
        }
    }
}
