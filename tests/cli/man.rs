//! `gridrun man` and `gridrun completions`.

use std::process::{Command, Stdio};

use crate::folder::Folder;

#[test]
fn there_is_a_page_of_every_verb_and_the_first_names_them_all() {
    let folder = Folder::new();
    let first = folder.gridrun(&["man"]).ends_with_code(0).out;
    let ran = folder
        .gridrun(&["man", "--dir", "share/man1"])
        .ends_with_code(0);
    assert_eq!(first, folder.read("share/man1/gridrun.1"));
    assert!(first.contains("Exit codes:"), "{first}");
    let verbs = verbs(&folder);
    assert!(verbs.len() > 10, "{verbs:?}");
    for verb in &verbs {
        let page = folder.read(format!("share/man1/gridrun-{verb}.1"));
        assert!(page.starts_with(".ie"), "{verb}: {page}");
        let named = verb.replace('-', "\\-");
        assert!(first.contains(&format!("gridrun\\-{named}(1)")), "{verb}");
    }
    // Those of `stand-in` have pages of their own.
    let n_pages = 1 + verbs.len() + 2;
    assert!(
        ran.out.starts_with(&format!("{n_pages} manual pages")),
        "{}",
        ran.out
    );
}

#[test]
fn bash_reads_the_completions_and_completes_a_verb() {
    let folder = Folder::new();
    let script = folder
        .gridrun(&["completions", "bash"])
        .ends_with_code(0)
        .out;
    folder.write("gridrun.bash", &script);
    let asked = "source ./gridrun.bash; COMP_WORDS=(gridrun compl); COMP_CWORD=1; \
                 _gridrun gridrun compl gridrun; echo \"${COMPREPLY[*]}\"";
    let bash = Command::new("bash")
        .args(["--norc", "-c", asked])
        .current_dir(folder.path())
        .stderr(Stdio::inherit())
        .output();
    // Whoever has no bash needs no completions for it.
    let Ok(bash) = bash else {
        eprintln!("there is no bash");
        return;
    };
    assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), "completions");
    folder.gridrun(&["completions", "tcsh"]).ends_with_code(2);
}

/// As the help lists them.
fn verbs(folder: &Folder) -> Vec<String> {
    let help = folder.gridrun(&["--help"]).ends_with_code(0).out;
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|verb| !verb.is_empty() && *verb != "help")
        .map(str::to_owned)
        .collect()
}
