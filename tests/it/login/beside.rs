//! Programs that stand in the way: a server with a private CA's certificate, a proxy that wants a login.

use std::{
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Stdio},
};

use crate::world;

/// A Python program that prints its port and ends with its stdin.
pub struct Beside {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub port: String,
}

impl Beside {
    fn start(script: &str, arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
        let mut command = world::python();
        command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().expect("the program ended").unwrap();
        Self { child, lines, port }
    }

    /// Speaks TLS for the server at `target`; its CA is `ca.pem` in the folder.
    pub fn tls(target: &str, folder: &Path, kind: &str) -> Self {
        Self::start("tls_middle.py", &[target, folder.to_str().unwrap(), kind])
    }

    pub fn proxy(login: &str) -> Self {
        Self::start("http_proxy.py", &[login])
    }

    /// One that others wrote.
    pub fn proxy_program(login: &str, log: &Path) -> Self {
        Self::start("proxy_program.py", &[login, log.to_str().unwrap()])
    }

    /// The next line it prints.
    pub fn line(&mut self) -> String {
        self.lines.next().expect("the program ended").unwrap()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A port at which nobody listens.
pub fn closed() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
