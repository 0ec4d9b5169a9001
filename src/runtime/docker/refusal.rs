//! What an error of the Docker Engine means for gridrun: a broken connection is one thing, an
//! answer another. The daemon's texts are matched here and nowhere else.

use std::error::Error as _;
use std::io;

use bollard::errors::Error;

use crate::runner::ports::RuntimeError;

/// Whether the daemon is not there, or went away in the middle of a request.
pub fn is_broken(error: &Error) -> bool {
    match error {
        Error::HyperLegacyError { .. }
        | Error::HyperResponseError { .. }
        | Error::IOError { .. }
        | Error::RequestTimeoutError
        | Error::SocketNotFoundError(_) => true,
        // A body that ends early is no JSON.
        Error::JsonSerdeError { err } => err.is_eof(),
        Error::DockerResponseServerError {
            status_code,
            message,
        } => *status_code == 503 || says_it_goes_away(message),
        Error::DockerStreamError { error } => says_it_goes_away(error),
        _ => false,
    }
}

/// The daemon answers, yet it is about to end, or its own containerd is gone.
fn says_it_goes_away(words: &str) -> bool {
    ["shutting down", "code = Unavailable", "containerd.sock"]
        .iter()
        .any(|mark| words.contains(mark))
}

/// Whether the connection failed because this user may not use the socket.
pub fn is_forbidden(error: &Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.kind() == io::ErrorKind::PermissionDenied
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether the daemon answered that what was asked for does not exist.
pub fn is_not_found(error: &Error) -> bool {
    matches!(
        error,
        Error::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}

/// Whether the daemon answered that the container is not in the state to do that: it does not
/// run any more, or is being removed already.
pub fn is_conflict(error: &Error) -> bool {
    matches!(
        error,
        Error::DockerResponseServerError {
            status_code: 304 | 409,
            ..
        }
    )
}

/// The daemon's own words, without what the client library puts around them.
pub fn words(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        other => other.to_string(),
    }
}

/// The daemon is not there.
pub fn unreachable(during: &str, error: Error) -> RuntimeError {
    RuntimeError::Unreachable {
        what: format!("the connection to the Docker daemon failed ({during})"),
        source: Some(Box::new(error)),
    }
}

/// The connection broke, or the daemon refused to start an engine.
pub fn refused(during: &str, error: Error) -> RuntimeError {
    if is_broken(&error) {
        unreachable(during, error)
    } else {
        RuntimeError::Refused {
            words: words(&error),
        }
    }
}

/// The connection broke, or the daemon could not do something that is no start of an engine.
pub fn failed(during: &str, error: Error) -> RuntimeError {
    if is_broken(&error) {
        unreachable(during, error)
    } else {
        RuntimeError::Host {
            what: format!("the Docker daemon failed ({during})"),
            source: io::Error::other(words(&error)),
        }
    }
}

/// The connection broke, or the daemon said before the first start that starts cannot
/// succeed.
pub fn not_prepared(during: &str, what: &str, error: Error) -> RuntimeError {
    if is_broken(&error) {
        return unreachable(during, error);
    }
    let words = words(&error);
    RuntimeError::NotPrepared {
        what: format!("{what}: {words}"),
        hint: hint(&words).to_owned(),
    }
}

/// Whether a container could not be started because its port is held by somebody.
pub fn is_port_taken(words: &str) -> bool {
    ["port is already allocated", "address already in use"]
        .iter()
        .any(|mark| words.contains(mark))
}

/// Whether a start failed for nothing but a program, named `path`, that is not in the image.
/// Every container runtime names the program in words of its own, and none comes to it before
/// mounts, limits and devices are in place.
pub fn lacks_only(path: &str, words: &str) -> bool {
    words.contains(path)
}

/// Whether the daemon runs in a virtual machine of its own, whose network is not this host's.
pub fn is_virtual_machine(operating_system: &str) -> bool {
    operating_system.contains("Docker Desktop")
}

/// What to do about a refusal.
fn hint(words: &str) -> &'static str {
    const KNOWN: [(&str, &str); 6] = [
        (
            "could not select device driver",
            "Docker cannot hand out GPUs: install the NVIDIA container toolkit and restart \
             Docker, or try the experiment by `gridrun rehearse`",
        ),
        (
            "nvidia-container-cli",
            "`nvidia-smi -L` lists the GPUs that there are; `gpus` in [engine] chooses among them",
        ),
        (
            "bind source path does not exist",
            "make the folder, or correct `volumes` in [engine]",
        ),
        ("Minimum memory limit", "raise `memory` in [engine]"),
        (
            "no space left on device",
            "free disk space where Docker keeps its data",
        ),
        ("ulimit", "correct `ulimits` in [engine]"),
    ];
    KNOWN
        .iter()
        .find(|(mark, _)| words.contains(mark))
        .map_or("correct [engine] in the profile", |(_, hint)| hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError {
            status_code,
            message: message.to_owned(),
        }
    }

    #[test]
    fn an_answer_is_a_refusal_and_a_broken_connection_is_not() {
        let cases: [(Error, bool); 6] = [
            (
                Error::IOError {
                    err: io::ErrorKind::BrokenPipe.into(),
                },
                true,
            ),
            (Error::RequestTimeoutError, true),
            (Error::SocketNotFoundError("/x.sock".to_owned()), true),
            (answer(503, ""), true),
            (answer(500, "cannot start: daemon is shutting down"), true),
            (answer(500, "could not select device driver"), false),
        ];
        for (error, expected) in cases {
            assert_eq!(is_broken(&error), expected, "{error}");
            assert_eq!(
                matches!(refused("start", error), RuntimeError::Unreachable { .. }),
                expected
            );
        }
    }

    #[test]
    fn a_refusal_before_the_first_start_says_what_to_do() {
        let words = "could not select device driver \"\" with capabilities: [[gpu]]";
        let error = not_prepared("probe", "no engine can be started", answer(500, words));
        assert_eq!(
            error.to_string(),
            "no engine can be started: could not select device driver \"\" with capabilities: \
             [[gpu]]; Docker cannot hand out GPUs: install the NVIDIA container toolkit and \
             restart Docker, or try the experiment by `gridrun rehearse`"
        );
    }

    #[test]
    fn both_forms_of_a_taken_port_are_known() {
        assert!(is_port_taken(
            "Bind for 127.0.0.1:18010 failed: port is already allocated"
        ));
        assert!(is_port_taken(
            "listen tcp4 127.0.0.1:8000: bind: address already in use"
        ));
        assert!(!is_port_taken("no such image"));
    }
}
