//! An engine's log on disk: written from the first byte with secrets replaced.
//!
//! Knows nothing of where the bytes come from; both runtimes share it. Reading it back is
//! `log_text`'s.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::task::JoinHandle;

use crate::runtime::log_text;
use crate::runtime::redact::Redactor;

/// Which of the engine's two streams some bytes belong to. A secret can be cut over two chunks
/// of one stream while the other one speaks in between, so each has a redactor of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Out,
    Err,
}

/// Appends an engine's output to a file.
#[derive(Debug)]
pub struct LogWriter {
    file: File,
    out: Redactor,
    err: Redactor,
}

impl LogWriter {
    /// Opens or makes the file at `path`, and the folder around it; what is there already
    /// stays.
    pub fn create<S: AsRef<str>>(path: &Path, secrets: &[S]) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let redactor = Redactor::new(secrets);
        Ok(Self {
            file,
            out: redactor.clone(),
            err: redactor,
        })
    }

    /// Stores the next bytes of one channel. The file is not buffered: what is stored is with
    /// the operating system when this returns.
    pub fn write(&mut self, channel: Channel, bytes: &[u8]) -> io::Result<()> {
        let safe = match channel {
            Channel::Out => self.out.push(bytes),
            Channel::Err => self.err.push(bytes),
        };
        self.file.write_all(&safe)
    }

    /// Both channels have ended: stores what was held back.
    pub fn finish(&mut self) -> io::Result<()> {
        let mut rest = self.out.finish();
        rest.extend(self.err.finish());
        self.file.write_all(&rest)
    }
}

/// The task that moves an engine's output to its log.
///
/// It reads on when the file cannot be written (a full disk), because an engine whose output
/// nobody takes hangs; the first error is kept and told by [`LogPump::drain`].
#[derive(Debug)]
pub struct LogPump {
    moving: JoinHandle<io::Result<()>>,
}

impl LogPump {
    /// Starts moving `chunks` to `writer`. An error of `chunks` ends the log there: that the
    /// source broke shows elsewhere too, and is judged there.
    pub fn start<S, E>(chunks: S, mut writer: LogWriter) -> Self
    where
        S: Stream<Item = Result<(Channel, Bytes), E>> + Send + 'static,
        E: Send,
    {
        let moving = tokio::spawn(async move {
            let mut chunks = std::pin::pin!(chunks);
            let mut written = Ok(());
            while let Some(Ok((channel, bytes))) = chunks.next().await {
                if written.is_ok() {
                    written = writer.write(channel, &bytes);
                }
            }
            written.and_then(|()| writer.finish())
        });
        Self { moving }
    }

    /// Waits until the engine's last byte is stored, at most `patience`: a process that the
    /// engine left behind may hold its output open.
    ///
    /// # Errors
    /// The first error with which the log could not be written.
    pub async fn drain(mut self, patience: Duration) -> io::Result<()> {
        match tokio::time::timeout(patience, &mut self.moving).await {
            Ok(Ok(written)) => written,
            Ok(Err(panicked)) => Err(io::Error::other(panicked)),
            Err(_) => {
                self.moving.abort();
                Ok(())
            }
        }
    }
}

impl Drop for LogPump {
    fn drop(&mut self) {
        self.moving.abort();
    }
}

/// Appends a sentence of gridrun's own to an engine's log. Used where nobody is left to be
/// told: a failure to write it is lost.
pub fn append_remark(path: &Path, remark: &str) {
    if let Ok(mut file) = OpenOptions::new().append(true).open(path) {
        let _ = writeln!(file, "\n[gridrun: {remark}]");
    }
}

/// The log so far for people and for diagnosis; a log that cannot be read says so itself.
pub fn read_log_or_say_why(path: &Path) -> String {
    match log_text::read(path) {
        Ok(log) => log.text,
        Err(error) => format!(
            "[gridrun: the log {} could not be read: {error}]",
            path.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn chunk(channel: Channel, text: &'static str) -> Result<(Channel, Bytes), io::Error> {
        Ok((channel, Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test]
    async fn a_secret_cut_by_the_other_channel_is_not_stored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/engine.log");
        let writer = LogWriter::create(&path, &["sesame-open"]).unwrap();
        let chunks = stream::iter([
            chunk(Channel::Out, "key sesame"),
            chunk(Channel::Err, "warning\n"),
            chunk(Channel::Out, "-open\n"),
        ]);
        LogPump::start(chunks, writer)
            .drain(Duration::from_secs(5))
            .await
            .unwrap();
        assert_eq!(
            log_text::read(&path).unwrap().text,
            "key warning\n[hidden]\n"
        );
    }

    #[test]
    fn what_is_written_is_on_disk_at_once_and_is_appended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.log");
        for _ in 0..2 {
            let mut writer = LogWriter::create::<&str>(&path, &[]).unwrap();
            writer.write(Channel::Err, b"\xffline\n").unwrap();
        }
        assert_eq!(
            log_text::read(&path).unwrap().text,
            "\u{fffd}line\n\u{fffd}line\n"
        );
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_the_source_is_read_to_its_end() {
        let writer = LogWriter::create::<&str>(Path::new("/dev/full"), &[]).unwrap();
        let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
        let chunks = stream::unfold(receiver, |mut receiver| async move {
            let bytes = receiver.recv().await?;
            Some((Ok::<_, io::Error>((Channel::Out, bytes)), receiver))
        });
        let pump = LogPump::start(chunks, writer);
        for _ in 0..5 {
            sender.send(Bytes::from_static(b"line\n")).await.unwrap();
        }
        drop(sender);
        let error = pump.drain(Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
