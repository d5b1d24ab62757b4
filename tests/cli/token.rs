//! The admin token that is made when none is set.

use crate::kit::command::{Background, Dir};
use crate::kit::program::lasting_addr;
use crate::{configuration, listener};

/// A configuration without an admin token, and the address in it.
fn without_token(dir: &Dir) -> String {
    let addr = lasting_addr().to_string();
    let mut config = configuration(&toml::Table::new());
    config.insert("server".to_owned(), toml::toml! { listen = "" }.into());
    config["server"]["listen"] = addr.clone().into();
    dir.write("bridge.toml", &config.to_string());
    addr
}

#[test]
fn an_admin_token_that_is_made_at_start_is_not_written_where_it_is_kept() {
    let dir = Dir::new();
    let addr = without_token(&dir);
    let mut bridge = Background::start(dir.command(&["serve", "--config", "bridge.toml"]), "no admin token is set");
    bridge.line_with("data in ");
    assert_eq!(listener::get(&addr, "/api/v1/stats", None).0, 401);
    assert_eq!(listener::get(&addr, "/livez", None).0, 200);
    let lines = bridge.ends_well_on("TERM");
    assert!(lines.iter().any(|line| line.contains("set BRIDGE_ADMIN_TOKEN") && line.contains("\"WARN\"")), "{lines:?}");
    for line in &lines {
        let record: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let has_all = ["timestamp", "level", "message", "target"].iter().all(|field| record[field].is_string());
        assert!(has_all && !line.contains("admin token for this run"), "{line}");
    }
}

#[cfg(unix)]
#[test]
fn an_admin_token_that_is_made_at_start_is_shown_at_a_terminal() {
    let dir = Dir::new();
    let addr = without_token(&dir);
    let serve = dir.command(&["serve", "--config", "bridge.toml"]);
    // It gives the command a terminal, and hands on what is written there.
    let mut at_terminal = std::process::Command::new("script");
    let program = format!("'{}' serve --config bridge.toml >/dev/null", serve.get_program().display());
    at_terminal.args(["-qefc", &program, "/dev/null"]).current_dir(serve.get_current_dir().expect("a folder"));
    let mut terminal = at_terminal
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("script, of the package util-linux or bsdutils");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(terminal.stdout.take().expect("what is shown")));
    let mut find = |words: &str| lines.find_map(|line| line.ok().filter(|l| l.contains(words))).expect("a line");
    assert!(find("dashboard: ").trim_end().ends_with(&format!("http://{addr}/")));
    let line = find("admin token for this run");
    let token = line.trim_end().rsplit(' ').next().unwrap();
    assert_eq!(token.len(), 48, "{line}");
    assert_eq!(listener::get(&addr, "/api/v1/stats", Some(token)).0, 200);
    terminal.kill().expect("ended");
    terminal.wait().expect("ended");
}
