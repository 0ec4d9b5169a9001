//! `--metrics ADDR`: answers Prometheus while a run goes on. One path, one answer, no state of
//! its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::event::RunEvent;
use crate::ui::exposition::Exposition;

/// How long a caller may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest head of a request that is read.
const LONGEST_HEAD: usize = 8 << 10;

/// A listener, until it is dropped.
#[derive(Debug)]
pub struct MetricsServer {
    address: SocketAddr,
    told: Arc<Mutex<Option<Exposition>>>,
    serving: JoinHandle<()>,
}

impl MetricsServer {
    /// Listens from now on; before a run is known there is nothing to tell.
    ///
    /// # Errors
    /// When nobody may listen there.
    pub async fn listen(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let told = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&told);
        let serving = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    // A caller that goes away is nobody's loss.
                    let _ = tokio::time::timeout(PATIENCE, answer(stream, &shared)).await;
                });
            }
        });
        Ok(Self {
            address,
            told,
            serving,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn begin(&self, exposition: Exposition) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(exposition);
    }

    pub fn take(&self, event: &RunEvent) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = &mut *told {
            told.take(event);
        }
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(mut stream: TcpStream, told: &Mutex<Option<Exposition>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        match stream.read(&mut buffer).await? {
            0 => break,
            n => head.extend_from_slice(&buffer[..n]),
        }
    }
    let wants_metrics = head.starts_with(b"GET /metrics ") || head.starts_with(b"GET /metrics?");
    let (status, body) = match wants_metrics {
        true => {
            let told = told.lock().unwrap_or_else(PoisonError::into_inner);
            (
                "200 OK",
                told.as_ref().map_or_else(String::new, Exposition::text),
            )
        }
        false => ("404 Not Found", "see /metrics\n".to_owned()),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture;

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn the_metrics_are_answered_and_nothing_else_is() {
        let server = MetricsServer::listen("127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        assert!(
            ask(server.address(), "/metrics")
                .await
                .starts_with("HTTP/1.1 200")
        );
        server.begin(Exposition::of(&fixture::full().manifest));
        let text = ask(server.address(), "/metrics").await;
        assert!(text.contains("gridrun_attempts_planned 0\n"), "{text}");
        assert!(ask(server.address(), "/").await.starts_with("HTTP/1.1 404"));
    }
}
