//! Reads a profile: the engine that does not vary, and the numbers of its stand-in.

use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use crate::guard::hours::{ClockTime, Window};
use crate::measure::profiling::AlertBounds;
use crate::spec::diagnostic::{Diagnostic, FileRole, Span};
use crate::spec::imagined::{Thinking, ToolFormat};
use crate::spec::keys;
use crate::spec::near::nearest;
use crate::spec::profile::{
    BaseFlag, EngineProfile, EnvSource, Gpus, Network, Production, Profile, RuntimeChoice,
    Sampling, StandInProfile, Ulimit, Volume, Whom,
};
use crate::spec::read::knob::quoted_help;
use crate::spec::read::scalar::{integer, is_env_name};
use crate::spec::read::walk::{Field, Fields, Node, Reader, in_file_order, with_help};
use crate::spec::secret::is_secret_variable;
use crate::spec::vllm_version::VllmVersion;
use crate::time_scale::TimeScale;

/// `None` when a part that the rest depends on is wrong; that has been reported.
pub(super) fn profile(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    name: String,
) -> Option<Profile> {
    let top = reader.walk(table, "the profile", FileRole::Profile, &[keys::PROFILE]);
    let production = top
        .get("production")
        .and_then(|field| production(reader, field));
    let stand_in = top
        .get("stand-in")
        .and_then(|field| stand_in(reader, field));
    let sampling = sampling(reader, &top);
    let engine = top.get("engine").and_then(|field| engine(reader, field));
    if let (Some(engine), None) = (&engine, top.get("stand-in"))
        && engine.runtime == RuntimeChoice::StandIn
    {
        reader.report_absence(
            Diagnostic::error(
                FileRole::Profile,
                "runtime \"stand-in\" needs a section [stand-in]: it decides which configurations fit",
            )
            .help(
                "add\n[stand-in]\ngpu-memory = \"24GiB\"\nweights = \"9.6GiB\"\nkv-bytes-per-token = \"64KiB\"",
            ),
        );
    }
    Some(Profile {
        name,
        engine: engine?,
        stand_in,
        sampling: sampling?,
        production,
    })
}

/// `None` when the beat cannot be kept; that has been reported.
fn sampling(reader: &mut Reader<'_>, top: &Fields<'_>) -> Option<Sampling> {
    let Some(field) = top.get("sampling") else {
        return Some(Sampling::default());
    };
    let table = reader.table(field)?;
    let at = reader.span(field.node.span());
    let fields = reader.walk(table, "[sampling]", at, &[keys::sampling::SAMPLING]);
    let bearable = Sampling::SHORTEST_BEAT..=Sampling::LONGEST_BEAT;
    let beat = fields.duration("beat");
    let too_far = beat.is_some_and(|beat| !bearable.contains(&beat));
    if let (true, Some(field)) = (too_far, fields.get("beat")) {
        let found = reader.mismatch("beat", field.node, "a time from \"100ms\" to \"60s\"");
        reader.report(found);
    }
    let alerts = match fields.get("alerts") {
        Some(field) => alerts(reader, field),
        None => Some(AlertBounds::default()),
    };
    Some(Sampling {
        beat: beat.filter(|_| !too_far)?,
        alerts: alerts?,
    })
}

fn alerts(reader: &mut Reader<'_>, field: Field<'_>) -> Option<AlertBounds> {
    let table = reader.table(field)?;
    let at = reader.span(field.node.span());
    let fields = reader.walk(table, "[sampling.alerts]", at, &[keys::sampling::ALERTS]);
    // Shares are read as fractions, and 0.57 x 100 is a little less than 57.
    let percent = |name| {
        let share = fields.number(name)?;
        Some((share * 100.0 * 1e9).round() / 1e9)
    };
    Some(AlertBounds {
        utilisation_below_pct: percent("utilisation-below")?,
        utilisation_above_pct: percent("utilisation-above")?,
        memory_above_pct: percent("memory-above")?,
        temperature_above_c: fields.whole("temperature-above")? as f64,
        power_above_w: fields.number("power-above")?,
    })
}

fn production(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Production> {
    let table = reader.table(field)?;
    let at = reader.span(field.node.span());
    let fields = reader.walk(table, "[production]", at, &[keys::production::PRODUCTION]);
    let blackout = fields
        .get("blackout")
        .map_or_else(Vec::new, |field| windows(reader, field));
    let restore_by = fields.text("restore-by");
    let restore_by = restore_by.and_then(|text| {
        let read = text.parse::<ClockTime>();
        if let (Err(_), Some(field)) = (&read, fields.get("restore-by")) {
            let found =
                reader.mismatch("restore-by", field.node, "a time of day such as \"06:30\"");
            reader.report(found);
        }
        read.ok()
    });
    Some(Production {
        whom: whom(reader, &fields, at)?,
        url: fields.text("url"),
        api_key_env: fields.text("api-key-env"),
        drain: fields.duration("drain")?,
        blackout,
        restore_by,
    })
}

fn whom(reader: &mut Reader<'_>, fields: &Fields<'_>, at: Span) -> Option<Whom> {
    let text = |name| fields.text(name);
    match (text("container"), text("project"), text("service")) {
        (Some(container), None, None) => Some(Whom::Container(container)),
        (None, Some(project), Some(service)) => Some(Whom::Compose { project, service }),
        (Some(_), _, _) => {
            reader.report(
                Diagnostic::error(
                    at,
                    "[production] has `container` and a Compose service beside it",
                )
                .help("keep `container`, or `project` and `service`"),
            );
            None
        }
        (None, _, _) => {
            // A key of the wrong type was reported as that.
            let given = ["container", "project", "service"].map(|name| fields.get(name).is_some());
            if given == [false; 3] || given == [false, true, false] || given == [false, false, true]
            {
                reader.report_absence(
                    Diagnostic::error(at, "[production] does not say who serves by day").help(
                        "add the container\ncontainer = \"...\"\nor the service of a Compose project\nproject = \"...\"\nservice = \"...\"",
                    ),
                );
            }
            None
        }
    }
}

fn windows(reader: &mut Reader<'_>, field: Field<'_>) -> Vec<Window> {
    let mut windows = Vec::new();
    for (text, node) in reader.texts(field) {
        match text.parse() {
            Ok(window) => windows.push(window),
            Err(_) => {
                let found = reader.mismatch("blackout", node, "hours such as \"08:00-20:00\"");
                reader.report(found);
            }
        }
    }
    windows
}

fn engine(reader: &mut Reader<'_>, field: Field<'_>) -> Option<EngineProfile> {
    let table = reader.table(field)?;
    let at = reader.span(field.node.span());
    let fields = reader.walk(table, "[engine]", at, &[keys::ENGINE]);
    let runtime = match fields.text("runtime")?.as_str() {
        "docker" => RuntimeChoice::Docker,
        _ => RuntimeChoice::StandIn,
    };
    if runtime == RuntimeChoice::Docker && fields.get("image").is_none() {
        reader.report_absence(
            Diagnostic::error(at, "[engine] has no `image`, and the docker runtime needs one").help(
                "add the image, or choose gridrun's own engine with runtime = \"stand-in\":\nimage = \"vllm/vllm-openai:v0.11.0\"",
            ),
        );
    }
    let ipc_host = fields.text("ipc").is_some();
    if let (true, Some(shm)) = (ipc_host, fields.get("shm")) {
        reader.report(
            Diagnostic::warning(shm.at, "`shm` has no effect beside ipc = \"host\"")
                .label("the host's /dev/shm is used"),
        );
    }
    let ulimits = fields
        .get("ulimits")
        .map_or_else(Vec::new, |field| ulimits(reader, field));
    let volumes = volumes(reader, &fields);
    let flags = base_flags(reader, &fields);
    let env = fields
        .get("env")
        .map_or_else(Vec::new, |field| env(reader, field));
    let gpus = fields
        .get("gpus")
        .map_or(Some(Gpus::None), |field| gpus(reader, field.node));
    Some(EngineProfile {
        runtime,
        image: fields.text("image"),
        model: fields.text("model")?,
        gpus: gpus?,
        shm: fields.bytes("shm"),
        ipc_host,
        memory: fields.bytes("memory"),
        ulimits,
        network: match fields.text("network")?.as_str() {
            "host" => Network::Host,
            _ => Network::Bridge,
        },
        volumes,
        flags,
        env,
        ready_timeout: fields.duration("ready-timeout")?,
        stop_timeout: fields.duration("stop-timeout")?,
        request_timeout: fields.duration("request-timeout")?,
    })
}

fn base_flags(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Vec<BaseFlag> {
    let Some(field) = fields.get("flags") else {
        return Vec::new();
    };
    let knobs = reader.knobs(field, false);
    knobs
        .into_iter()
        .filter_map(|knobbed| {
            let value = reader.value(&knobbed, knobbed.node)?;
            let name = knobbed.flag_name()?;
            Some(BaseFlag {
                name,
                value,
                at: knobbed.at,
            })
        })
        .collect()
}

fn env(reader: &mut Reader<'_>, field: Field<'_>) -> Vec<(String, EnvSource)> {
    let Some(table) = reader.table(field) else {
        return Vec::new();
    };
    let mut variables = Vec::new();
    for (key, node) in in_file_order(table) {
        let name = key.get_ref().as_ref();
        let at = reader.span(key.span());
        if !reader.env_name(name, at) {
            continue;
        }
        if let Some(source) = env_source(reader, name, at, node) {
            variables.push((name.to_owned(), source));
        }
    }
    variables
}

/// Messages here never quote a value: it may be a secret.
fn env_source(reader: &mut Reader<'_>, name: &str, at: Span, node: &Node<'_>) -> Option<EnvSource> {
    if let DeValue::Table(table) = node.get_ref()
        && !(is_secret_variable(name) && table.get("from-env").is_none())
    {
        let what = format!("the table of `{name}`");
        let place = reader.span(node.span());
        let fields = reader.walk(table, &what, place, &[keys::FROM_ENV]);
        return fields.text("from-env").map(EnvSource::FromEnv);
    }
    if is_secret_variable(name) {
        reader.report(
            Diagnostic::error(
                at,
                format!("the value of `{name}` looks like a secret and must not stand in a file"),
            )
            .help(format!(
                "export it before gridrun starts, and write\n{name} = {{ from-env = \"{name}\" }}"
            )),
        );
        return None;
    }
    match node.get_ref() {
        DeValue::String(text) if text.starts_with('$') && is_env_name(&text[1..]) => {
            reader.report(
                Diagnostic::error(
                    reader.span(node.span()),
                    format!("`{name}` would be the text `{text}` itself"),
                )
                .help(format!(
                    "write {name} = {{ from-env = \"{}\" }}",
                    &text[1..]
                )),
            );
            None
        }
        DeValue::String(text) => Some(EnvSource::Literal(text.clone().into_owned())),
        value => match integer(value) {
            Some(number) => Some(EnvSource::Literal(number.to_string())),
            None => {
                let found =
                    reader.mismatch(name, node, "a text in quotes or { from-env = \"NAME\" }");
                reader.report(with_help(found, quoted_help(value)));
                None
            }
        },
    }
}

fn gpus(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Gpus> {
    const EXPECTED: &str = "\"all\", \"none\", a count, or a list such as [\"0\", \"1\"]";
    let read = match node.get_ref() {
        DeValue::String(text) if text == "all" => Some(Gpus::All),
        DeValue::String(text) if text == "none" => Some(Gpus::None),
        DeValue::Array(items) => {
            let ids: Option<Vec<String>> = items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) if !text.trim().is_empty() => {
                        Some(text.trim().to_owned())
                    }
                    value => integer(value)
                        .filter(|index| *index >= 0)
                        .map(|index| index.to_string()),
                })
                .collect();
            ids.filter(|ids| !ids.is_empty()).map(Gpus::Ids)
        }
        value => integer(value)
            .and_then(|count| u32::try_from(count).ok())
            .map(|count| {
                if count == 0 {
                    Gpus::None
                } else {
                    Gpus::Count(count)
                }
            }),
    };
    if read.is_none() {
        let help = match node.get_ref() {
            DeValue::String(text)
                if text.chars().all(|c| c.is_ascii_digit() || c == ',') && !text.is_empty() =>
            {
                let ids: Vec<String> = text.split(',').map(|id| format!("\"{id}\"")).collect();
                Some(format!("write [{}]", ids.join(", ")))
            }
            _ => None,
        };
        let found = reader.mismatch("gpus", node, EXPECTED);
        reader.report(with_help(found, help));
        return None;
    }
    if let Some(Gpus::Ids(ids)) = &read
        && let Some(twice) = ids
            .iter()
            .enumerate()
            .find(|(at, id)| ids[..*at].contains(id))
    {
        let at = reader.span(node.span());
        reader.report(Diagnostic::error(
            at,
            format!("GPU \"{}\" is given twice", twice.1),
        ));
    }
    read
}

fn ulimits(reader: &mut Reader<'_>, field: Field<'_>) -> Vec<Ulimit> {
    let Some(table) = reader.table(field) else {
        return Vec::new();
    };
    let mut limits = Vec::new();
    for (key, node) in in_file_order(table) {
        let name = key.get_ref().as_ref();
        if !keys::LIMITS.contains(&name) {
            let near = nearest(name, keys::LIMITS.iter().copied());
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("limits: {}", keys::LIMITS.join(", ")),
            };
            let found = Diagnostic::error(
                reader.span(key.span()),
                format!("there is no limit `{name}`"),
            );
            reader.report(found.help(help));
            continue;
        }
        let bounds = match node.get_ref() {
            DeValue::Table(table) => {
                let what = format!("the limit `{name}`");
                let at = reader.span(node.span());
                let fields = reader.walk(table, &what, at, &[keys::ULIMIT]);
                match (fields.whole("soft"), fields.whole("hard")) {
                    (Some(soft), Some(hard)) => Some((soft, hard)),
                    _ => continue,
                }
            }
            value => integer(value)
                .filter(|limit| *limit >= -1)
                .map(|limit| (limit, limit)),
        };
        let Some((soft, hard)) = bounds else {
            let found = reader.mismatch(name, node, "a number, or { soft, hard }; -1 is unlimited");
            reader.report(found);
            continue;
        };
        if hard != -1 && (soft == -1 || soft > hard) {
            let at = reader.span(node.span());
            reader.report(Diagnostic::error(
                at,
                format!("`{name}` has a soft limit above its hard limit"),
            ));
            continue;
        }
        limits.push(Ulimit {
            name: name.to_owned(),
            soft,
            hard,
        });
    }
    limits
}

fn volumes(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Vec<Volume> {
    let Some(field) = fields.get("volumes") else {
        return Vec::new();
    };
    let mut volumes: Vec<Volume> = Vec::new();
    for (table, at) in reader.tables(field) {
        let fields = reader.walk(table, "a volume", at, &[keys::VOLUME]);
        let from = path(reader, &fields, "from", true);
        let to = path(reader, &fields, "to", false);
        let (Some(from), Some(to), Some(read_only)) = (from, to, fields.bool("read-only")) else {
            continue;
        };
        if volumes.iter().any(|earlier| earlier.to == to) {
            let message = format!("two volumes are mounted at `{}`", to.display());
            reader.report(Diagnostic::error(at, message));
            continue;
        }
        volumes.push(Volume {
            from,
            to,
            read_only,
        });
    }
    volumes
}

/// A path that means the same whatever the current folder is.
fn path(reader: &mut Reader<'_>, fields: &Fields<'_>, name: &str, home: bool) -> Option<PathBuf> {
    let text = fields.text(name)?;
    if text.starts_with('/') || (home && (text == "~" || text.starts_with("~/"))) {
        return Some(PathBuf::from(text));
    }
    let field = fields.get(name)?;
    let expected = if home {
        "an absolute path, or one that begins with ~/"
    } else {
        "an absolute path"
    };
    let found = reader.mismatch(name, field.node, expected);
    reader.report(found);
    None
}

fn stand_in(reader: &mut Reader<'_>, field: Field<'_>) -> Option<StandInProfile> {
    let table = reader.table(field)?;
    let at = reader.span(field.node.span());
    let fields = reader.walk(table, "[stand-in]", at, &[keys::STAND_IN]);
    Some(StandInProfile {
        vllm_version: VllmVersion::named(&fields.text("vllm-version")?)?,
        gpu_memory: fields.bytes("gpu-memory")?,
        weights: fields.bytes("weights")?,
        kv_bytes_per_token: fields.bytes("kv-bytes-per-token")?,
        activation_bytes_per_token: fields.bytes("activation-bytes-per-token")?,
        overhead: fields.bytes("overhead")?,
        overhead_per_seq: fields.bytes("overhead-per-seq")?,
        host_memory: fields.bytes("host-memory")?,
        start_up: fields.duration("start-up")?,
        prefill_tokens_per_second: fields.number("prefill-tokens-per-second")?,
        decode_tokens_per_second: fields.number("decode-tokens-per-second")?,
        tool_calls: ToolFormat::named(&fields.text("tool-calls")?)?,
        reasoning: Thinking::named(&fields.text("reasoning")?)?,
        speed: TimeScale::new(f64::from(fields.count("speed")?)).ok()?,
    })
}
