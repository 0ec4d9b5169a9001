//! The engine's log in the form of vLLM's: whose line it is, its level, the time, and the place
//! in vLLM's source that would have written it. What the lines say is decided elsewhere.

use std::fmt::Display;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use crate::stand_in::version::{Decoration, Generation, VllmVersion};

/// Which of vLLM's processes a line claims to come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    ApiServer,
    EngineCore,
    /// The worker of this rank. A single worker lives in the process of the engine core.
    Worker(usize),
    /// A worker that does not know its rank yet.
    Newborn,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Info,
    Warning,
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

type Sink = Arc<Mutex<dyn Write + Send>>;

/// Where in vLLM's source a line comes from: one place for each of [`VllmVersion::ALL`], or one
/// for all.
#[derive(Debug, Clone, Copy)]
pub struct Place(pub [&'static str; 7]);

impl From<&'static str> for Place {
    fn from(place: &'static str) -> Self {
        Self([place; 7])
    }
}

/// Where the log goes, and in whose form; clones write to the same place. A line that cannot be
/// written is lost: an engine does not die of a full disk behind its standard output.
#[derive(Clone)]
pub struct Log {
    out: Sink,
    err: Sink,
    version: VllmVersion,
    /// Workers that the engine has, at least one.
    n_workers: usize,
}

impl Log {
    /// Standard output, and standard error for what Python itself would print.
    pub fn stdio() -> Self {
        Self {
            out: Arc::new(Mutex::new(std::io::stdout())),
            err: Arc::new(Mutex::new(std::io::stderr())),
            version: VllmVersion::default(),
            n_workers: 1,
        }
    }

    /// Everything to one writer, in order.
    #[cfg(test)]
    pub fn to(sink: impl Write + Send + 'static) -> Self {
        let out: Sink = Arc::new(Mutex::new(sink));
        Self {
            err: Arc::clone(&out),
            out,
            version: VllmVersion::default(),
            n_workers: 1,
        }
    }

    /// The same log in the form of a version, of an engine with so many workers.
    pub fn playing(&self, version: VllmVersion, n_workers: usize) -> Self {
        Self {
            version,
            n_workers: n_workers.max(1),
            ..self.clone()
        }
    }

    /// Whose form the log has.
    pub fn version(&self) -> VllmVersion {
        self.version
    }

    /// The workers of the engine, in their order.
    pub fn workers(&self) -> impl Iterator<Item = Process> + use<> {
        (0..self.n_workers).map(Process::Worker)
    }

    /// The workers that say what all of them would say alike: newer versions let only the first
    /// speak.
    pub fn speakers(&self) -> impl Iterator<Item = Process> + use<> {
        let n = match self.version {
            VllmVersion::V0_6_4
            | VllmVersion::V0_8_5
            | VllmVersion::V0_9_2
            | VllmVersion::V0_10_1
            | VllmVersion::V0_11_0 => self.n_workers,
            VllmVersion::V0_18_0 | VllmVersion::V0_32_0 => 1,
        };
        self.workers().take(n)
    }

    /// A line of vLLM's logger; each line of a longer text gets the same head.
    pub fn line(
        &self,
        process: Process,
        level: Level,
        place: impl Into<Place>,
        text: impl Display,
    ) {
        let time = jiff::Timestamp::now().strftime("%m-%d %H:%M:%S");
        let place = place.into().0[self.version as usize];
        let open = match self.version {
            VllmVersion::V0_6_4 => "",
            VllmVersion::V0_8_5
            | VllmVersion::V0_9_2
            | VllmVersion::V0_10_1
            | VllmVersion::V0_11_0
            | VllmVersion::V0_18_0
            | VllmVersion::V0_32_0 => "[",
        };
        let mark = self.mark(process);
        let head = format!("{mark}{} {time} {open}{place}]", level.name());
        let text = text.to_string();
        let lines: String = text
            .split('\n')
            .map(|line| format!("{head} {line}\n"))
            .collect();
        write(&self.out, &lines);
    }

    /// [`Level::Info`] of the API server.
    pub fn api(&self, place: impl Into<Place>, text: impl Display) {
        self.line(Process::ApiServer, Level::Info, place, text);
    }

    /// [`Level::Info`] of the engine core.
    pub fn core(&self, place: impl Into<Place>, text: impl Display) {
        self.line(Process::EngineCore, Level::Info, place, text);
    }

    /// A line of uvicorn: `INFO:     Application startup complete.`
    pub fn uvicorn(&self, text: impl Display) {
        let mark = self.print_mark(Process::ApiServer);
        write(&self.out, &format!("{mark}INFO:     {text}\n"));
    }

    /// What Python prints on standard error in the API server: usage, tracebacks.
    pub fn python(&self, text: impl Display) {
        self.python_in(Process::ApiServer, text);
    }

    /// What Python prints on standard error in one of the processes.
    pub fn python_in(&self, process: Process, text: impl Display) {
        let mark = self.print_mark(process);
        let lines: String = text
            .to_string()
            .split('\n')
            .map(|line| format!("{mark}{line}\n"))
            .collect();
        write(&self.err, &lines);
    }

    /// What stands in front of the lines of vLLM's logger.
    fn mark(&self, process: Process) -> String {
        match self.version.decoration() {
            Decoration::Workers | Decoration::Coloured | Decoration::Plain => {
                self.print_mark(process)
            }
            Decoration::Logger => self.named(process),
        }
    }

    /// What stands in front of everything that a process prints.
    fn print_mark(&self, process: Process) -> String {
        let colour = |mark: String| format!("\u{1b}[1;36m{}\u{1b}[0;0m ", mark.trim_end());
        match self.version.decoration() {
            Decoration::Workers => match process {
                Process::Worker(rank) if self.is_marked_worker(rank) => colour(self.named(process)),
                Process::Worker(_)
                | Process::Newborn
                | Process::ApiServer
                | Process::EngineCore => String::new(),
            },
            Decoration::Coloured => colour(self.named(process)),
            Decoration::Plain => self.named(process),
            Decoration::Logger => String::new(),
        }
    }

    /// V0 keeps its first worker in the engine's own process.
    fn is_marked_worker(&self, rank: usize) -> bool {
        match self.version.generation() {
            Generation::V0 => rank > 0,
            Generation::V1 => self.n_workers > 1,
        }
    }

    fn named(&self, process: Process) -> String {
        let name = match process {
            Process::ApiServer => "APIServer".to_owned(),
            Process::Worker(rank) if self.n_workers > 1 => self.version.worker(rank),
            Process::Newborn if self.n_workers > 1 => "Worker".to_owned(),
            Process::EngineCore | Process::Worker(_) | Process::Newborn => {
                self.version.engine_core().to_owned()
            }
        };
        format!("({name} pid={}) ", std::process::id())
    }
}

/// Written and flushed at once, so that nothing is held back when the engine is killed.
fn write(sink: &Sink, text: &str) {
    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = sink.write_all(text.as_bytes()).and_then(|()| sink.flush());
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A writer that can be read while it is written.
    #[derive(Clone, Default)]
    pub struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_of_a_text_has_the_head() {
        let captured = Captured::default();
        Log::to(captured.clone()).line(
            Process::EngineCore,
            Level::Error,
            "core.py:1510",
            "one\ntwo",
        );
        let text = captured.text();
        let head = format!("(EngineCore pid={}) ERROR ", std::process::id());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.starts_with(&head)), "{text}");
        assert!(
            lines[0].ends_with(" [core.py:1510] one") && lines[1].ends_with(" [core.py:1510] two")
        );
        assert_eq!(
            lines[0].len(),
            head.len() + "11-24 02:36:15 [core.py:1510] one".len()
        );
    }

    /// What the processes of one version write, without pid and time.
    fn heads(version: VllmVersion, n_workers: usize) -> Vec<String> {
        let captured = Captured::default();
        let log = Log::to(captured.clone()).playing(version, n_workers);
        log.api("a.py:1", "x");
        log.core("a.py:1", "x");
        for worker in log.workers() {
            log.line(worker, Level::Info, "a.py:1", "x");
        }
        log.uvicorn("x");
        log.python_in(Process::EngineCore, "x\ny");
        let pid = format!("pid={}", std::process::id());
        captured
            .text()
            .lines()
            .map(|line| {
                let line = line.replace(&pid, "pid=1");
                match line.split_once("INFO ") {
                    // `MM-DD HH:MM:SS`.
                    Some((mark, rest)) => format!("{mark}INFO{}", &rest[14..]),
                    None => line,
                }
            })
            .collect()
    }

    #[test]
    fn each_age_marks_its_processes_in_its_own_way() {
        use VllmVersion::*;
        let cyan = |name: &str| format!("\u{1b}[1;36m({name} pid=1)\u{1b}[0;0m ");
        let logged = "INFO [a.py:1] x";
        let old = "INFO a.py:1] x";
        let printed = ["INFO:     x", "x", "y"];
        let marked = |mark: &str, rest: &str| format!("{mark}{rest}");

        let mut expected: Vec<String> = [old; 4].map(str::to_owned).to_vec();
        expected[3] = marked(&cyan("VllmWorkerProcess"), old);
        expected.extend(printed.map(str::to_owned));
        assert_eq!(heads(V0_6_4, 2), expected);

        for version in [V0_8_5, V0_9_2] {
            let workers = ["VllmWorker rank=0", "VllmWorker rank=1"].map(cyan);
            let mut expected = vec![logged.to_owned(), logged.to_owned()];
            expected.extend(workers.map(|mark| marked(&mark, logged)));
            expected.extend(printed.map(str::to_owned));
            assert_eq!(heads(version, 2), expected);
            // A single worker is the engine core itself.
            let mut expected = [logged; 3].map(str::to_owned).to_vec();
            expected.extend(printed.map(str::to_owned));
            assert_eq!(heads(version, 1), expected);
        }
        let everything = |names: [&str; 4], mark: &dyn Fn(&str) -> String| -> Vec<String> {
            let lines = names.map(|name| marked(&mark(name), logged));
            let server = marked(&mark(names[0]), printed[0]);
            let core = ["x", "y"].map(|line| marked(&mark(names[1]), line));
            lines.into_iter().chain([server]).chain(core).collect()
        };
        let v10 = [
            "APIServer",
            "EngineCore_0",
            "VllmWorker TP0",
            "VllmWorker TP1",
        ];
        let v11 = ["APIServer", "EngineCore_DP0", "Worker_TP0", "Worker_TP1"];
        let new = ["APIServer", "EngineCore", "Worker_TP0", "Worker_TP1"];
        let plain = |name: &str| format!("({name} pid=1) ");
        assert_eq!(heads(V0_10_1, 2), everything(v10, &cyan));
        assert_eq!(heads(V0_11_0, 2), everything(v11, &cyan));
        assert_eq!(heads(V0_18_0, 2), everything(new, &plain));

        let mut expected: Vec<String> = new.map(|name| marked(&plain(name), logged)).to_vec();
        expected.extend(printed.map(str::to_owned));
        assert_eq!(heads(V0_32_0, 2), expected);
        expected.remove(3);
        expected[2] = marked(&plain("EngineCore"), logged);
        assert_eq!(heads(V0_32_0, 1), expected);
    }

    #[test]
    fn a_line_comes_from_the_place_that_it_has_in_its_version() {
        let captured = Captured::default();
        let log = Log::to(captured.clone());
        let place = Place(["a:1", "b:2", "c:3", "d:4", "e:5", "f:6", "g:7"]);
        for version in VllmVersion::ALL {
            log.playing(version, 1).core(place, "");
        }
        let text = captured.text();
        let places: Vec<&str> = text
            .lines()
            .map(|line| {
                line.trim_end_matches([']', ' '])
                    .rsplit([' ', '['])
                    .next()
                    .unwrap()
            })
            .collect();
        assert_eq!(places, place.0);
    }

    #[test]
    fn uvicorn_and_python_write_without_a_head() {
        let captured = Captured::default();
        let log = Log::to(captured.clone());
        log.uvicorn("Application startup complete.");
        log.python("usage: vllm");
        assert_eq!(
            captured.text(),
            "INFO:     Application startup complete.\nusage: vllm\n"
        );
    }
}
