//! What Prometheus is to tell: the rules of `config/alerts.yaml`, run by its own tool over made-up metrics.

use std::process::Command;

use crate::kit::command::finish;
use crate::kit::tool;

const RULES: &str = include_str!("../../config/alerts.yaml");
const CASES: &str = include_str!("prometheus.yaml");

fn promtool(arguments: &[&str]) {
    let mut command = Command::new(tool("bin/promtool"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    finish(command).succeeds();
}

#[test]
fn prometheus_takes_the_rules() {
    promtool(&["check", "rules", "config/alerts.yaml"]);
}

#[test]
fn each_alert_fires_when_it_should_and_not_before() {
    promtool(&["test", "rules", "tests/bridge/prometheus.yaml"]);
    let alerts: Vec<&str> = RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 13, "{alerts:?}");
    for alert in alerts {
        let fires = format!("alertname: {alert}\n        exp_alerts:");
        assert!(CASES.contains(&fires), "no case in which {alert} fires");
        let is_quiet = format!("alertname: {alert}, exp_alerts: [] }}");
        assert!(CASES.contains(&is_quiet), "no case in which {alert} does not fire");
    }
}
