//! What shells complete, and the manual.

use crate::kit::command::Dir;

#[test]
fn shells_complete_every_command_and_each_has_a_manual_page() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = dir.run(&["completions", shell]).succeeds().stdout;
        assert!(script.contains("migrate-store") && script.contains("attention"), "{script}");
    }
    let script = dir.path().join("completions.bash");
    std::fs::write(&script, dir.run(&["completions", "bash"]).succeeds().stdout).unwrap();
    let read = std::process::Command::new("bash").arg("-n").arg(&script).output().unwrap();
    assert!(read.status.success() && read.stderr.is_empty(), "{}", String::from_utf8_lossy(&read.stderr));
    assert!(dir.run(&["man"]).succeeds().stdout.contains(".TH refairn-bridge 1"));
    dir.run(&["man", dir.path().to_str().unwrap()]).succeeds();
    let page = std::fs::read_to_string(dir.path().join("refairn-bridge-deliveries-release.1")).unwrap();
    assert!(page.contains("refairn\\-bridge\\-deliveries\\-release") && page.contains("\\-\\-state"), "{page}");
    // A command that somebody copies stands in a line of its own, as it is typed.
    let page = std::fs::read_to_string(dir.path().join("refairn-bridge-completions.1")).unwrap();
    let (title, rest) = page.split_once("\n.nh\n.ad l\n").expect(&page);
    assert!(title.lines().last().is_some_and(|line| line.starts_with(".TH ")), "{title}");
    for of in ["bash: ", "zsh: ", "fish, in its config.fish: "] {
        let line = rest.lines().find(|line| line.starts_with(of)).expect(of);
        let before = rest.split(line).next().unwrap_or_default();
        assert!(line.contains("completions ") && before.ends_with(".PP\n"), "{rest}");
    }
    let refused = dir.run(&["man", dir.path().join("nowhere").to_str().unwrap()]);
    assert!(refused.code == Some(1) && refused.stderr.contains("name a folder that is there"), "{}", refused.stderr);
}
