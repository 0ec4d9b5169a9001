//! The attestation part of a report: per varied flag, in which attempts the engine's own state
//! shows it, and what engines warned of.

use crate::attest::{Attestation, Attested};
use crate::decide::decision::Decision;
use crate::report::view::{Contradiction, FlagView, Remark, StartName};
use crate::report::workload::remark;

/// One entry per varied flag, in the order of their names.
pub fn flags(decision: &Decision<'_>) -> Vec<FlagView> {
    let mut flags: Vec<FlagView> = Vec::new();
    for &index in &decision.order {
        let cell = &decision.cells[index];
        for start in &cell.starts {
            let name = StartName {
                cell: cell.cell.name.clone(),
                start: start.number(),
            };
            for attestation in &start.measured.attestation {
                add(&mut flags, attestation, name.clone());
            }
        }
    }
    flags.sort_by(|a, b| a.flag.cmp(&b.flag));
    flags
}

fn add(flags: &mut Vec<FlagView>, attestation: &Attestation, start: StartName) {
    let flag = attestation.flag.to_string();
    let index = flags
        .iter()
        .position(|view| view.flag == flag)
        .unwrap_or_else(|| {
            flags.push(FlagView {
                flag,
                confirmed: Vec::new(),
                accepted: Vec::new(),
                contradicted: Vec::new(),
                unattested: Vec::new(),
                evidence: None,
            });
            flags.len() - 1
        });
    let view = &mut flags[index];
    match &attestation.attested {
        Attested::Confirmed { by } => {
            if view.confirmed.is_empty() {
                view.evidence = Some(by.clone());
            }
            view.confirmed.push(start);
        }
        Attested::Accepted { by } => {
            view.evidence.get_or_insert_with(|| by.clone());
            view.accepted.push(start);
        }
        Attested::Contradicted { found, by } => view.contradicted.push(Contradiction {
            start,
            asked: attestation.asked.clone(),
            found: found.clone(),
            by: by.clone(),
        }),
        Attested::Unattested => view.unattested.push(start),
    }
}

/// What engines warned of when they started, each warning once.
pub fn warnings(decision: &Decision<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for &index in &decision.order {
        let cell = &decision.cells[index];
        for start in &cell.starts {
            for warning in &start.measured.engine.warnings {
                remark(&mut remarks, warning, cell, start);
            }
        }
    }
    remarks
}
