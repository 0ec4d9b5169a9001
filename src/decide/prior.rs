//! The noise of earlier runs on the same ground, for runs that alone tell too little of it.

use crate::decide::decision::{Decision, Ranking};
use crate::decide::fit::Noise;
use crate::manifest::{Manifest, PriorNoise, RunRecord};
use crate::spec::experiment::Experiment;

/// Earlier runs count for so many degrees of freedom at most: about what a night of four living
/// cells and eight blocks leaves.
pub const MOST_DEGREES: f64 = 20.0;

/// The noise that a run was given for one of its rankings.
pub fn noise_of(manifest: &Manifest, use_case: Option<&str>) -> Option<Noise> {
    let mut known = manifest.prior_noise.iter();
    let known = known.find(|prior| prior.use_case.as_deref() == use_case)?;
    Some(Noise {
        variance: known.variance,
        degrees: known.degrees.min(MOST_DEGREES),
    })
}

/// What these runs, the latest first, tell of the noise in each ranking of the experiment. They
/// must have measured the same on the same ground; they are judged by this experiment's
/// objectives and gates.
pub fn prior_noise(experiment: &Experiment, earlier: Vec<RunRecord>) -> Vec<PriorNoise> {
    let mut found: Vec<PriorNoise> = Vec::new();
    for mut record in earlier {
        let theirs = &mut record.manifest.experiment;
        theirs.objectives.clone_from(&experiment.objectives);
        theirs.use_cases.clone_from(&experiment.use_cases);
        theirs.gates.clone_from(&experiment.gates);
        record.manifest.prior_noise.clear();
        // What it took over is told by the run that made it.
        record.settled.retain(|one| one.origin.is_none());
        let decision = Decision::of(&record);
        for ranking in decision.rankings() {
            add(&mut found, ranking, &record);
        }
    }
    found
}

fn add(found: &mut Vec<PriorNoise>, ranking: &Ranking<'_>, record: &RunRecord) {
    let Some(noise) = ranking.confidence.own_noise() else {
        return;
    };
    let run = record.manifest.run.clone();
    let use_case = ranking.name.map(str::to_owned);
    match found.iter_mut().find(|prior| prior.use_case == use_case) {
        Some(prior) => {
            let before = Noise {
                variance: prior.variance,
                degrees: prior.degrees,
            };
            let Noise { variance, degrees } = before.pooled(noise);
            (prior.variance, prior.degrees) = (variance, degrees);
            prior.runs.push(run);
        }
        None => found.push(PriorNoise {
            use_case,
            variance: noise.variance,
            degrees: noise.degrees,
            runs: vec![run],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::confidence::LEAST_DEGREES;
    use crate::decide::fixture::{self, Numbers};

    /// Two cells in so many blocks: as many degrees less one.
    fn record(blocks: u32) -> RunRecord {
        let starts = (1..=blocks).flat_map(|block| {
            [("a", 90.0, 1.0), ("b", 120.0, -1.0)].map(|(cell, ms, lean)| {
                let wiggle = f64::from(block % 3) * lean;
                let mut start = fixture::measured(cell, block, Numbers::new(900.0, ms + wiggle));
                start.block = block;
                start
            })
        });
        fixture::record(starts.collect())
    }

    #[test]
    fn a_short_run_borrows_the_noise_of_earlier_ones_and_says_so() {
        let mut short = record(2);
        let alone = Decision::of(&short).ranking.confidence.own_noise().unwrap();
        assert!(Decision::of(&short).ranking.confidence.chance(0).is_none());
        let earlier = prior_noise(&short.manifest.experiment, vec![record(4), record(5)]);
        assert_eq!(
            (earlier.len(), earlier[0].degrees, earlier[0].runs.len()),
            (1, 7.0, 2)
        );
        short.manifest.prior_noise = earlier;
        let decision = Decision::of(&short);
        let confidence = &decision.ranking.confidence;
        let noise = confidence.noise().unwrap();
        assert_eq!(noise.degrees, alone.degrees + 7.0);
        assert!(confidence.is_with_earlier() && confidence.chance(0).is_some());
        // By hand: the mean of both variances by their degrees.
        let prior = short.manifest.prior_noise[0].variance;
        let expected = (alone.variance * alone.degrees + prior * 7.0) / noise.degrees;
        assert!((noise.variance - expected).abs() < 1e-15);
    }

    #[test]
    fn neither_a_long_run_nor_single_starts_borrow() {
        let prior = prior_noise(&record(2).manifest.experiment, vec![record(30)]);
        let capped = |record: &RunRecord| noise_of(&record.manifest, None).unwrap().degrees;
        for blocks in [1, 7] {
            let mut record = record(blocks);
            record.manifest.prior_noise.clone_from(&prior);
            assert_eq!((prior[0].degrees, capped(&record)), (29.0, MOST_DEGREES));
            let decision = Decision::of(&record);
            let confidence = &decision.ranking.confidence;
            assert!(!confidence.is_with_earlier());
            assert_eq!(confidence.noise(), confidence.own_noise());
        }
        let own = Decision::of(&record(7)).ranking.confidence.own_noise();
        assert_eq!(own.unwrap().degrees, LEAST_DEGREES);
    }
}
