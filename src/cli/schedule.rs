//! `gridrun schedule FILE --at 02:00`: the night as units of systemd or lines of cron.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::args::ScheduleArgs;
use crate::cli::fault::BadInput;
use crate::cli::{check, source};
use crate::exit::Exit;
use crate::guard::hours::ClockTime;
use crate::pack::units::{Schedule, Scope};
use crate::store::durable;

pub(super) fn schedule(args: &ScheduleArgs) -> anyhow::Result<Exit> {
    let checked = match source::load(&args.file)? {
        Ok(checked) => checked,
        Err(rejected) => return Ok(check::reject(&rejected)),
    };
    let at: ClockTime = args.at.parse().map_err(BadInput)?;
    let of_system = rustix::process::geteuid().is_root() && !args.user;
    let here = std::env::current_dir().context("cannot tell where this is")?;
    let program = std::env::current_exe().context("cannot tell where gridrun lies")?;
    let mut arguments = vec![text(&std::path::absolute(&args.file)?)?];
    arguments.extend(args.nightly.iter().cloned());
    let env_file = match &args.env_file {
        Some(path) if path.is_file() => Some(text(&std::path::absolute(path)?)?),
        Some(path) => return Err(BadInput(format!("there is no file {}", path.display())).into()),
        None => None,
    };
    let schedule = Schedule {
        name: checked.experiment.name.clone(),
        program: text(&program)?,
        folder: text(&here)?,
        arguments,
        at: at.to_string(),
        env_file,
        scope: match of_system {
            true => Scope::System,
            false => Scope::User,
        },
    };
    let mut out = std::io::stdout().lock();
    if let Some(variable) = checked
        .experiment
        .profile
        .production
        .and_then(|production| production.api_key_env)
        && args.env_file.is_none()
    {
        writeln!(
            std::io::stderr(),
            "note: the night needs {variable} of [production]: name a file that sets it with --env-file"
        )?;
    }
    if args.cron {
        write!(out, "{}", schedule.cron())?;
        return Ok(Exit::Success);
    }
    let units = schedule.units();
    if !args.install {
        for unit in &units {
            writeln!(out, "# {}\n{}", unit.name, unit.text)?;
        }
        return Ok(Exit::Success);
    }
    let folder = unit_folder(schedule.scope)?;
    durable::make_folder(&folder)?;
    for unit in &units {
        let path = folder.join(&unit.name);
        durable::write(&path, unit.text.as_bytes())?;
        writeln!(out, "{}", path.display())?;
    }
    writeln!(out, "\nnow:")?;
    for command in schedule.enabling() {
        writeln!(out, "  {command}")?;
    }
    Ok(Exit::Success)
}

fn unit_folder(scope: Scope) -> anyhow::Result<PathBuf> {
    match scope {
        Scope::System => Ok(PathBuf::from("/etc/systemd/system")),
        Scope::User => {
            let home =
                std::env::var_os("HOME").ok_or_else(|| BadInput("HOME is not set".to_owned()))?;
            let config = std::env::var_os("XDG_CONFIG_HOME")
                .map_or_else(|| Path::new(&home).join(".config"), PathBuf::from);
            Ok(config.join("systemd/user"))
        }
    }
}

fn text(path: &Path) -> Result<String, BadInput> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| {
        BadInput(format!(
            "{} is no UTF-8: a scheduler cannot be told of it",
            path.display()
        ))
    })
}
