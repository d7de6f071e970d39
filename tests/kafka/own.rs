//! A broker of a test's own, which it may kill.

use crate::project::{ROOT, expect_code};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A broker of the test's own, which goes with it.
pub struct OwnBroker {
    folder: tempfile::TempDir,
    pub bootstrap: String,
    /// Where a proxy finds it, if it was started for one.
    pub proxied: Option<String>,
}

impl OwnBroker {
    pub fn start() -> OwnBroker {
        OwnBroker::sending_to(None)
    }

    /// One that sends whoever comes by its proxied address to this port from then on.
    pub fn sending_to(proxy: Option<u16>) -> OwnBroker {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let bootstrap = script(&run, "start", proxy);
        let proxied = std::fs::read_to_string(run.join("proxied")).ok().map(|address| address.trim().to_owned());
        assert_eq!(proxied.is_some(), proxy.is_some());
        OwnBroker { folder, bootstrap, proxied }
    }

    fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Killed, not ended.
    pub fn kill(&self) {
        script(&self.run(), "kill", None);
    }

    /// On the same data and port.
    pub fn restart(&self) {
        assert_eq!(script(&self.run(), "restart", None), self.bootstrap);
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        let _ =
            Command::new(format!("{ROOT}/scripts/kafka.sh")).arg("stop").env("TIDEMILL_KAFKA_RUN", self.run()).status();
    }
}

/// What the script says is its address.
fn script(run: &Path, word: &str, proxy: Option<u16>) -> String {
    let mut command = Command::new(format!("{ROOT}/scripts/kafka.sh"));
    if let Some(port) = proxy {
        command.env("TIDEMILL_KAFKA_PROXY", port.to_string());
    }
    let output = expect_code(command.arg(word).env("TIDEMILL_KAFKA_RUN", run), 0);
    String::from_utf8_lossy(&output.stdout).trim().rsplit('=').next().unwrap_or_default().to_string()
}
