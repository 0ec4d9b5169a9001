//! Do nodes hand over what others ask of them? A node that starts where a former one ended needs
//! a former one that finds what it can start from.

use crate::spec::diagnostic::Diagnostic;
use crate::spec::experiment::Experiment;
use crate::spec::workload::WorkloadSpec;
use crate::spec::workload::load::Demand;

/// One error for each `start-from` that can never be followed. That the node exists and runs
/// before is known from `after`.
pub fn check(experiment: &Experiment) -> Vec<Diagnostic> {
    let workloads = &experiment.workloads;
    workloads
        .iter()
        .filter_map(|workload| {
            let WorkloadSpec::Load(spec) = &workload.spec else {
                return None;
            };
            let from = spec.start_from.as_ref()?;
            let former = workloads.iter().find(|other| other.name == *from)?;
            let (name, from) = (&workload.name, &former.name);
            let (message, help) = match &former.spec {
                WorkloadSpec::Load(former) => {
                    let (asked, found) = (unit(spec.demand), unit(former.demand));
                    if asked == found {
                        return None;
                    }
                    (
                        format!("`{name}` starts from {asked}, and `{from}` finds {found}"),
                        format!("let both raise {asked}"),
                    )
                }
                other => (
                    format!(
                        "`{name}` cannot start from `{from}`: a {} workload finds no level of load",
                        other.kind().name()
                    ),
                    "name a load workload, or take `start-from` away".to_owned(),
                ),
            };
            Some(Diagnostic::error(workload.at, message).help(help))
        })
        .collect()
}

fn unit(demand: Demand) -> &'static str {
    match demand {
        Demand::Concurrency => "users at once",
        Demand::Rate { .. } => "requests per second",
    }
}
