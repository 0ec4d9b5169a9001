//! What the settings of `load` and `stability` have in common: how requests arrive, and keys of
//! which only one may be there.

use crate::spec::diagnostic::Diagnostic;
use crate::spec::read::walk::{Field, Fields, Reader};
use crate::spec::workload::arrival::Arrival;
use crate::spec::workload::load::Extent;

/// The one of these keys that is there; the others are reported. `None` for none.
pub fn only_one<'n>(
    reader: &mut Reader<'_>,
    fields: &Fields<'n>,
    names: &[&str],
) -> Option<Field<'n>> {
    let mut there = names.iter().filter_map(|name| fields.get(name));
    let first = there.next()?;
    for other in there {
        let message = format!(
            "`{}` and `{}` exclude each other",
            first.key.name, other.key.name
        );
        reader.report(Diagnostic::error(other.at, message).help("keep one of them"));
    }
    Some(first)
}

/// A number of requests or a time, by the keys of these names.
pub fn extent(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    requests: &str,
    duration: &str,
) -> Option<Extent> {
    only_one(reader, fields, &[requests, duration])?;
    let of_time = fields.duration(duration).map(Extent::Lasting);
    fields.count(requests).map(Extent::Requests).or(of_time)
}

/// How requests at a rate arrive; `at_rate` says whether there is a rate.
pub fn arrival(reader: &mut Reader<'_>, fields: &Fields<'_>, at_rate: bool) -> Option<Arrival> {
    let Some(field) = fields.get("arrival") else {
        return Some(Arrival::Poisson);
    };
    if !at_rate {
        reader.report(
            Diagnostic::error(field.at, "`arrival` says nothing about users at once")
                .help("take it away, or ask for a rate"),
        );
        return None;
    }
    let name = fields.text("arrival")?;
    Arrival::ALL
        .into_iter()
        .find(|arrival| arrival.name() == name)
}
