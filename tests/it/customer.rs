//! The customer's own Python examples against the real binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where by panicking")]

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Stdio},
};

use crate::world;

/// `tracebell emulate` on a free port; killed on drop.
struct Cloud {
    process: Child,
    stdout: BufReader<ChildStdout>,
    url: String,
}

impl Cloud {
    fn start(flags: &[&str]) -> Self {
        let mut command = world::tracebell();
        command.args(["emulate", "--listen", "127.0.0.1:0"]).args(flags).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.split_whitespace().last().filter(|url| url.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("no URL in the first line: {line}")).to_owned();
        Self { process, stdout, url }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a script of `tests/python` against a fresh account; it ends with the sentence.
#[track_caller]
fn check(script: &str, last: &str) {
    let cloud = Cloud::start(&["--scenario", "none"]);
    let script = format!("{}/tests/python/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = world::python().arg(script).arg(&cloud.url).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.trim_end().ends_with(last), "{text}");
    // Shown by `cargo test -- --nocapture`.
    println!("{text}");
}

#[test]
fn the_customers_examples_work() {
    check("customer.py", "all of the customer's examples work");
}

#[test]
fn topics_work_as_the_sdk_uses_them() {
    check("smn.py", "topics work as the SDK uses them");
}

#[test]
fn the_openstack_command_works() {
    check("openstack_cli.py", "the openstack command works");
}

#[test]
fn the_vendors_sdk_works() {
    check("huawei_sdk.py", "the vendor's SDK works");
}

#[test]
fn an_s3_server_that_is_none_is_refused() {
    let output = world::tracebell().args(["emulate", "--listen", "127.0.0.1:0", "--obs", "nowhere"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("`--obs`") && said.contains("nowhere"), "{said}");
}

#[test]
fn emulate_tells_of_incidents_and_stops_when_its_time_is_up() {
    let flags = ["--scenario", "incidents", "--pace", "demo", "--rate", "600", "--duration", "1s"];
    let mut cloud = Cloud::start(&flags);
    let lines: Vec<String> = cloud.stdout.by_ref().lines().map(Result::unwrap).collect();
    assert!(lines.iter().any(|line| line.contains("OS_AUTH_URL=http://127.0.0.1:")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.ends_with("a password is guessed, and the guess succeeds")), "{lines:#?}");
    assert!(lines.last().unwrap().starts_with("stopped; "), "{lines:#?}");
    assert!(cloud.process.wait().unwrap().success());
}

#[test]
fn emulate_stops_at_sigterm() {
    let mut cloud = Cloud::start(&["--scenario", "quiet"]);
    let signal = format!("kill -TERM {}", cloud.process.id());
    assert!(Command::new("sh").args(["-c", &signal]).status().unwrap().success());
    let last = cloud.stdout.by_ref().lines().last().unwrap().unwrap();
    assert!(last.starts_with("stopped; "), "{last}");
    assert!(cloud.process.wait().unwrap().success());
}
