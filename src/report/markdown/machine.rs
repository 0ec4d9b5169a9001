//! The section on the GPUs and the host beside each node.

use crate::report::machine::{self, AlertView, MachineView};
use crate::report::markdown::{Page, remarks};
use crate::report::text::{code, inline};

impl Page {
    pub(super) fn machine(&mut self, machine: &MachineView) {
        self.heading(2, "The GPUs and the host beside each node");
        if let Some(because) = &machine.without_gpus {
            self.paragraph(format!("No GPU was watched: {}.", inline(because)));
        }
        for node in &machine.nodes {
            self.paragraph(format!("Beside {}:", code(&node.node)));
            if let Some(cards) = machine::cards(node) {
                self.table(&cards);
            }
            self.table(&machine::host(node));
        }
        if !machine.gpus.is_empty() {
            self.paragraph(
                "Means are over the samples of a start and then over starts, maxima over all of \
                 them. Utilisation, power and clock are those while requests were in flight, energy \
                 that of the whole node in one start.",
            );
        }
        if !machine.alerts.is_empty() {
            self.paragraph("Bounds that were passed, with the worst start of each:");
            let alerts: Vec<String> = machine.alerts.iter().map(alert).collect();
            self.bullets(&alerts);
        }
        if !machine.notes.is_empty() {
            self.paragraph("What else happened:");
            self.bullets(&remarks(&machine.notes));
        }
    }
}

fn alert(alert: &AlertView) -> String {
    let starts: Vec<String> = alert.starts.iter().map(u32::to_string).collect();
    format!(
        "{} beside {}, in start {}: {}",
        code(&alert.cell),
        code(&alert.node),
        starts.join(", "),
        inline(&alert.text)
    )
}
