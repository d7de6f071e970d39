//! What the crash tests share: the program, and progress records as an outsider reads and writes them.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// The project's folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program under test, without the environment's Kafka.
pub fn tidemill() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    command.env_remove("TIDEMILL_KAFKA").current_dir(project()).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A field of a progress record.
pub fn field(line: &str, name: &str) -> Value {
    let record: Value = serde_json::from_str(line).expect("it is JSON");
    record[name].clone()
}

/// The records with the links that their content asks for: what a forger would write.
pub fn chained(lines: &[String]) -> Vec<String> {
    let mut link = [0; 32];
    let again = |line: &String| {
        let (body, _) = line.rsplit_once(",\"chain\":\"").expect("it has a link");
        let mut hasher = blake3::Hasher::new();
        hasher.update(&link).update(&(body.len() as u64).to_le_bytes()).update(body.as_bytes());
        link = *hasher.finalize().as_bytes();
        format!("{body},\"chain\":\"{}\"}}", hasher.finalize().to_hex())
    };
    lines.iter().map(again).collect()
}
