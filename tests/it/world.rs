//! Running programs that tests talk to, all on port 0, all killed on drop.

use std::{path::PathBuf, process::Command};

/// The Python of the tests' virtual environment; `tests/run` makes it.
pub fn python() -> Command {
    let path = std::env::var_os("TRACEBELL_TEST_PYTHON")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.venv/bin/python")), PathBuf::from);
    assert!(path.exists(), "{} is missing: run tests/run once, it makes the virtual environment", path.display());
    Command::new(path)
}

/// The binary under test.
pub fn tracebell() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tracebell"))
}
