//! One stand-in engine, served as a user would by hand.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::folder::{Folder, eventually};

/// Serves on a port that the system picks, until it is dropped.
pub struct StandIn {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl StandIn {
    /// A small and fast one with some more arguments, when it serves.
    pub fn serve(folder: &Folder, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gridrun"))
            .args(["stand-in", "serve", "tiny", "--host=127.0.0.1", "--port=0"])
            .args(["--max-model-len=4096", "--stand-in-start-up=20ms"])
            .args(["--stand-in-prefill-tokens-per-second=20000"])
            .args(["--stand-in-decode-tokens-per-second=1000"])
            // It ends with the test, however that ends.
            .arg("--stand-in-exit-with-stdin")
            .args(more)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, shared) = (
            BufReader::new(child.stdout.take().unwrap()).lines(),
            Arc::clone(&log),
        );
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = shared.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let stand_in = Self { child, log };
        assert!(
            eventually(|| stand_in.log().contains("Application startup complete.")),
            "{}",
            stand_in.log()
        );
        stand_in
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn url(&self) -> String {
        let log = self.log();
        let (_, after) = log.split_once("server on http://").unwrap();
        format!("http://{}", after.lines().next().unwrap())
    }

    /// Completions that it has begun to answer.
    pub fn n_answers(&self) -> usize {
        self.log().matches("POST /v1/chat/completions").count()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
