//! The engine's log in the form of vLLM's: whose line it is, its level, the time, and the place
//! in vLLM's source that would have written it. What the lines say is decided elsewhere.

use std::fmt::Display;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// Which of vLLM's processes a line claims to come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    ApiServer,
    EngineCore,
    Worker,
}

impl Process {
    fn name(self) -> &'static str {
        match self {
            Self::ApiServer => "APIServer",
            Self::EngineCore => "EngineCore",
            Self::Worker => "Worker",
        }
    }
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

/// Where the log goes; clones write to the same place. A line that cannot be written is lost:
/// an engine does not die of a full disk behind its standard output.
#[derive(Clone)]
pub struct Log {
    out: Sink,
    err: Sink,
}

impl Log {
    /// Standard output, and standard error for what Python itself would print.
    pub fn stdio() -> Self {
        Self {
            out: Arc::new(Mutex::new(std::io::stdout())),
            err: Arc::new(Mutex::new(std::io::stderr())),
        }
    }

    /// Everything to one writer, in order.
    #[cfg(test)]
    pub fn to(sink: impl Write + Send + 'static) -> Self {
        let out: Sink = Arc::new(Mutex::new(sink));
        Self {
            err: Arc::clone(&out),
            out,
        }
    }

    /// A line of vLLM's logger; each line of a longer text gets the same head.
    pub fn line(&self, process: Process, level: Level, place: &str, text: impl Display) {
        let time = jiff::Timestamp::now().strftime("%m-%d %H:%M:%S");
        let head = format!(
            "({} pid={}) {} {time} [{place}]",
            process.name(),
            std::process::id(),
            level.name()
        );
        let text = text.to_string();
        let lines: String = text
            .split('\n')
            .map(|line| format!("{head} {line}\n"))
            .collect();
        write(&self.out, &lines);
    }

    /// [`Level::Info`] of the API server.
    pub fn api(&self, place: &str, text: impl Display) {
        self.line(Process::ApiServer, Level::Info, place, text);
    }

    /// [`Level::Info`] of the engine core.
    pub fn core(&self, place: &str, text: impl Display) {
        self.line(Process::EngineCore, Level::Info, place, text);
    }

    /// A line of uvicorn: `INFO:     Application startup complete.`
    pub fn uvicorn(&self, text: impl Display) {
        write(&self.out, &format!("INFO:     {text}\n"));
    }

    /// What Python prints on standard error: usage, tracebacks.
    pub fn python(&self, text: impl Display) {
        write(&self.err, &format!("{text}\n"));
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
