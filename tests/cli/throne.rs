//! `gridrun promote` and `gridrun rollback`.

use crate::folder::Folder;

fn run(folder: &Folder) -> String {
    folder
        .gridrun(&["experiments/small.toml"])
        .ends_with_code(0);
    let run = folder.runs().pop().unwrap();
    run.to_str().unwrap().to_owned()
}

#[test]
fn a_leader_is_put_in_force_only_when_it_is_accepted_and_the_way_back_is_kept() {
    let folder = Folder::new();
    let first = run(&folder);
    let refused = folder.gridrun(&["promote", &first]).ends_with_code(2);
    assert!(refused.err.contains("--accept-leader"), "{}", refused.err);
    assert!(!folder.path().join("results/small/champion.toml").exists());

    let promoted = folder
        .gridrun(&["promote", &first, "--accept-leader"])
        .ends_with_code(0);
    assert!(promoted.out.starts_with("STAND-IN: "), "{}", promoted.out);
    assert!(
        promoted.out.contains("is the first champion"),
        "{}",
        promoted.out
    );
    let champion = folder.read("results/small/champion.toml");
    assert!(champion.contains("STAND-IN"), "{champion}");
    assert!(champion.contains("accepted-leader = true"), "{champion}");

    let again = folder
        .gridrun(&["promote", &first, "--accept-leader"])
        .ends_with_code(0);
    assert!(again.out.contains("nothing changed"), "{}", again.out);
    let no_way_back = folder.gridrun(&["rollback", "small"]).ends_with_code(2);
    assert!(
        no_way_back.err.contains("no way back"),
        "{}",
        no_way_back.err
    );

    // A second reign, of the configuration that the same run put second.
    let second = run(&folder);
    let manifest = format!("{second}/run.json");
    let text = folder.read(&manifest);
    folder.write(
        &manifest,
        &text.replace("\"goal\": \"min\"", "\"goal\": \"max\""),
    );
    let followed = folder
        .gridrun(&["promote", &second, "--accept-leader"])
        .ends_with_code(0);
    assert!(followed.out.contains("follows "), "{}", followed.out);
    assert!(
        followed.out.contains("gridrun rollback"),
        "{}",
        followed.out
    );
    assert_ne!(folder.read("results/small/champion.toml"), champion);

    let back = folder.gridrun(&["rollback", "small"]).ends_with_code(0);
    assert!(back.out.contains("reigns again"), "{}", back.out);
    assert_eq!(folder.read("results/small/champion.toml"), champion);
    assert_eq!(folder.read("results/small/reigns.jsonl").lines().count(), 3);
}

#[test]
fn an_experiment_without_a_champion_says_how_it_gets_one() {
    let folder = Folder::new();
    let ran = folder.gridrun(&["rollback", "nowhere"]).ends_with_code(2);
    assert!(ran.err.contains("gridrun promote RUN"), "{}", ran.err);
}
