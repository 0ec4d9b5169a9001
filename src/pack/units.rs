//! The night as units of systemd, and as lines of cron.

/// What is to be started, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The experiment's name, which names the units.
    pub name: String,
    /// Absolute paths: a scheduler starts from nowhere.
    pub program: String,
    pub folder: String,
    /// Arguments of `gridrun nightly`, the file first.
    pub arguments: Vec<String>,
    /// Hour and minute, `02:00`.
    pub at: String,
    /// A file with the variables that the profile names.
    pub env_file: Option<String>,
    pub scope: Scope,
}

/// Whose systemd it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    System,
    User,
}

/// A file for the scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub name: String,
    pub text: String,
}

/// How long a night may take to end once it was asked to: an engine is stopped, production
/// started and proved.
const LONGEST_END: &str = "45min";

impl Schedule {
    /// The service of the night, its timer, and the service that keeps promises at boot.
    pub fn units(&self) -> Vec<Unit> {
        let name = self.stem();
        let program = quoted(&self.program);
        let arguments: Vec<String> = self.arguments.iter().map(|word| quoted(word)).collect();
        let env = self.env_file.as_ref().map_or_else(String::new, |path| {
            format!("EnvironmentFile={}\n", unexpanded(path))
        });
        let (docker, wanted_by) = match self.scope {
            Scope::System => (
                "After=docker.service network-online.target\nWants=network-online.target\n",
                "multi-user.target",
            ),
            // A user's manager does not know the system's units.
            Scope::User => ("", "default.target"),
        };
        let folder = unexpanded(&self.folder);
        let service = format!(
            "[Unit]\nDescription=gridrun: the night of {}\n{docker}\n[Service]\nType=oneshot\n\
             WorkingDirectory={folder}\n{env}ExecStart={program} nightly {}\n\
             # Whatever ends the night: production serves again.\nExecStopPost={program} restore\n\
             KillMode=mixed\nTimeoutStopSec={LONGEST_END}\n",
            unexpanded(&self.name),
            arguments.join(" "),
        );
        let timer = format!(
            "[Unit]\nDescription=gridrun: every night at {} for {}\n\n[Timer]\nOnCalendar=*-*-* {}:00\n\
             # A night that was missed is not made up for by day.\nPersistent=false\nAccuracySec=1min\n\n\
             [Install]\nWantedBy=timers.target\n",
            self.at,
            unexpanded(&self.name),
            self.at,
        );
        let restore = format!(
            "[Unit]\nDescription=gridrun: production that a night had stopped serves again after a reboot\n\
             {docker}\n[Service]\nType=oneshot\n{env}ExecStart={program} restore\nTimeoutStartSec={LONGEST_END}\n\n\
             [Install]\nWantedBy={wanted_by}\n"
        );
        let unit = |name: String, text: String| Unit { name, text };
        vec![
            unit(format!("{name}.service"), service),
            unit(format!("{name}.timer"), timer),
            unit("gridrun-restore.service".to_owned(), restore),
        ]
    }

    /// What enables them.
    pub fn enabling(&self) -> Vec<String> {
        let systemctl = match self.scope {
            Scope::System => "systemctl",
            Scope::User => "systemctl --user",
        };
        vec![
            format!("{systemctl} daemon-reload"),
            format!("{systemctl} enable --now {}.timer", self.stem()),
            format!("{systemctl} enable gridrun-restore.service"),
        ]
    }

    /// The same for cron, which knows no stop: `restore` follows every night, and every boot.
    pub fn cron(&self) -> String {
        let shell = |word: &String| shell_words::quote(word).into_owned();
        let program = shell(&self.program);
        let arguments: Vec<String> = self.arguments.iter().map(shell).collect();
        let env = self.env_file.as_ref().map_or_else(String::new, |path| {
            format!("set -a; . {}; set +a; ", shell(path))
        });
        let (hour, minute) = self.at.split_once(':').unwrap_or(("2", "0"));
        let number = |digits: &str| digits.trim_start_matches('0').to_owned();
        let number = |digits: &str| match number(digits).as_str() {
            "" => "0".to_owned(),
            digits => digits.to_owned(),
        };
        // A percent sign ends a command of cron's.
        let night = format!(
            "{env}cd {} && {program} nightly {}; {program} restore",
            shell(&self.folder),
            arguments.join(" ")
        )
        .replace('%', "\\%");
        let boot = format!("{env}{program} restore").replace('%', "\\%");
        format!(
            "{} {} * * * {night}\n@reboot {boot}\n",
            number(minute),
            number(hour)
        )
    }

    fn stem(&self) -> String {
        format!("gridrun-nightly-{}", self.name)
    }
}

/// A word of a command line of systemd: quoted, and nothing in it expanded.
fn quoted(word: &str) -> String {
    let escaped = unexpanded(word)
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('$', "$$");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => escaped,
        false => format!("\"{escaped}\""),
    }
}

/// Percent signs introduce what systemd fills in.
fn unexpanded(text: &str) -> String {
    text.replace('%', "%%").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule {
            name: "medium".to_owned(),
            program: "/opt/my tools/gridrun".to_owned(),
            folder: "/srv/100%".to_owned(),
            arguments: vec![
                "experiments/medium.toml".to_owned(),
                "--notify-env".to_owned(),
                "$HOOK".to_owned(),
            ],
            at: "02:05".to_owned(),
            env_file: Some("/etc/gridrun.env".to_owned()),
            scope: Scope::System,
        }
    }

    #[test]
    fn words_reach_the_program_as_they_were_given() {
        let service = schedule().units().remove(0);
        assert_eq!(service.name, "gridrun-nightly-medium.service");
        let lines: Vec<&str> = service.text.lines().collect();
        assert!(lines.contains(
            &"ExecStart=\"/opt/my tools/gridrun\" nightly experiments/medium.toml --notify-env \"$$HOOK\""
        ), "{}", service.text);
        assert!(lines.contains(&"ExecStopPost=\"/opt/my tools/gridrun\" restore"));
        assert!(lines.contains(&"WorkingDirectory=/srv/100%%"));
        assert!(lines.contains(&"EnvironmentFile=/etc/gridrun.env"));
    }

    #[test]
    fn a_missed_night_is_not_made_up_for() {
        let timer = &schedule().units()[1];
        assert!(
            timer.text.contains("OnCalendar=*-*-* 02:05:00\n"),
            "{}",
            timer.text
        );
        assert!(timer.text.contains("Persistent=false"));
    }

    #[test]
    fn a_line_of_cron_restores_after_every_night_and_every_boot() {
        assert_eq!(
            schedule().cron(),
            "5 2 * * * set -a; . /etc/gridrun.env; set +a; cd '/srv/100\\%' && '/opt/my tools/gridrun' nightly \
             experiments/medium.toml --notify-env '$HOOK'; '/opt/my tools/gridrun' restore\n\
             @reboot set -a; . /etc/gridrun.env; set +a; '/opt/my tools/gridrun' restore\n"
        );
    }
}
