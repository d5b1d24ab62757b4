//! `forget`: the receipt, and what it refuses.

use crate::operator::Installation;

#[test]
fn a_customer_is_forgotten_with_a_receipt() {
    let installed = Installation::open();
    installed.run(&["send", "stripe", "--example", "first-sale", "--live", "--email", "jo@example.com"]).succeeds();
    installed.until(&["deliveries", "list", "--email", "jo@example.com", "--fate", "credited"], "credited agent_ada");
    let preview = installed.run(&["forget", "Jo@example.com", "--dry-run"]).succeeds();
    assert!(preview.stdout.contains("nothing was changed"), "{}", preview.stdout);
    let receipt = installed.run(&["forget", "Jo@example.com", "--note", "asked by jo@example.com"]).succeeds();
    let words = receipt.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for says in [
        "@forgotten.invalid stands for the address from now on",
        "events 5, without address and name",
        "bodies 5 removed",
        "calls 2, without address and name",
        "neither it nor its log holds a trace",
        "brings it back",
        "Backups of the database",
    ] {
        assert!(words.contains(says), "{says} is not in:\n{}", receipt.stdout);
    }
    let again = installed.run(&["forget", "jo@example.com"]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("nothing is known of this address"), "{}", again.stderr);
    installed.bridge.ends_well_on("TERM");
    for file in std::fs::read_dir(installed.dir.path().join("data")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        assert!(!text.contains("jo@example.com") && !text.contains("solberg"), "a file of the database has it");
    }
}
