//! Who listens on a TCP port of this host, by the kernel's tables; nothing is connected to.

use std::path::Path;

use crate::doctor::profile::PortUse;

/// The kernel's number of the state in which a socket listens.
const LISTEN: &str = "0A";

pub(super) fn look(port: u16) -> PortUse {
    look_in(Path::new("/proc"), port)
}

fn look_in(proc: &Path, port: u16) -> PortUse {
    let sockets: Vec<String> = ["net/tcp", "net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(proc.join(table)).ok())
        .flat_map(|table| listening(&table, port))
        .collect();
    if sockets.is_empty() {
        return PortUse::Free;
    }
    PortUse::Held(owner(proc, &sockets))
}

/// The sockets that listen on `port`, by the numbers of their inodes.
fn listening(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let is_it = fields.get(1)?.ends_with(&suffix) && *fields.get(3)? == LISTEN;
            is_it.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
        })
        .collect()
}

/// The process that has one of the sockets open, in words, if this user may see it.
fn owner(proc: &Path, sockets: &[String]) -> Option<String> {
    let links: Vec<String> = sockets
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    for entry in std::fs::read_dir(proc).ok()?.flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().filter(|name| name.parse::<u32>().is_ok()) else {
            continue;
        };
        let open = std::fs::read_dir(entry.path().join("fd"));
        let has_it = open.into_iter().flatten().flatten().any(|fd| {
            std::fs::read_link(fd.path())
                .is_ok_and(|to| links.iter().any(|link| to == Path::new(link)))
        });
        if has_it {
            let program = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some(format!("process {process} ({})", program.trim()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listener_is_found_with_its_process_and_a_free_port_is_free() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let PortUse::Held(Some(by)) = look(port) else {
            panic!("nobody was found")
        };
        assert!(
            by.starts_with(&format!("process {} (", std::process::id())),
            "{by}"
        );
    }

    #[test]
    fn only_listeners_on_that_very_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
             0: 0100007F:138A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1\n   \
             1: 0100007F:138A 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4243 1\n";
        assert_eq!(listening(table, 5002), ["4242"]);
        assert!(listening(table, 5003).is_empty());
    }
}
