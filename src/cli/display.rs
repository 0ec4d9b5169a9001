//! Wires the display: which sink shows the events of a run, and the pull of its image.

use std::io::IsTerminal;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::cli::args::{Format, ProgressKind};
use crate::event::RunEvent;
use crate::runtime::PullProgress;
use crate::ui::metrics::MetricsServer;
use crate::ui::progress::Progress;
use crate::ui::pull::{Look, Pulled};
use crate::ui::tally::Tally;
use crate::ui::{jsonl, plain};

pub(super) async fn show(
    mut events: mpsc::UnboundedReceiver<RunEvent>,
    mut tally: Tally,
    format: Format,
    kind: ProgressKind,
    metrics: Option<Arc<MetricsServer>>,
) {
    let terminal = std::io::stderr().is_terminal();
    let mut bar = (kind == ProgressKind::Auto && terminal).then(Progress::new);
    while let Some(event) = events.recv().await {
        tally.take(&event);
        if let Some(metrics) = &metrics {
            metrics.take(&event);
        }
        if format == Format::Json {
            jsonl::show(&mut std::io::stdout(), &event);
        }
        match (&mut bar, kind) {
            (Some(bar), _) => bar.show(&event, &tally),
            (None, ProgressKind::None) => {}
            (None, ProgressKind::Auto | ProgressKind::Plain) => {
                plain::show(&mut std::io::stderr(), &event, &tally)
            }
        }
    }
    if let Some(bar) = bar {
        bar.finish();
    }
}

pub(super) fn look_of_pull(kind: ProgressKind) -> Look {
    match kind {
        ProgressKind::None => Look::Nothing,
        ProgressKind::Auto if std::io::stderr().is_terminal() => Look::Bar,
        ProgressKind::Auto | ProgressKind::Plain => Look::Lines,
    }
}

pub(super) fn pulled(progress: &PullProgress) -> Pulled<'_> {
    Pulled {
        image: &progress.image,
        n_layers: progress.n_layers,
        n_layers_done: progress.n_layers_done,
        bytes: progress.bytes,
        total_bytes: progress.total_bytes,
    }
}
