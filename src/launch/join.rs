//! From `-n -p -h` to sockets: who the processes of a run are, what they know of each other, and the wait for them.
//!
//! In: the flags, the hostfile (one `host:port` a line), the secret. A supervised process has its secret from its
//! supervisor, which makes a new one at every start: whoever belongs to an earlier start does not know it. Started by
//! hand, all are given the same, in `--secret-file` or `TIDEMILL_SECRET`. Out: one socket for each other process.

use super::Exit;
use super::args::RunArgs;
use super::outputs::Refusal;
use super::supervise::SUPERVISOR;
use crate::mesh::{Mesh, MeshError};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// The environment variable of the shared secret.
pub(super) const SECRET: &str = "TIDEMILL_SECRET";
/// A secret that can be guessed is none.
const SHORTEST_SECRET: usize = 16;
/// timely's own default: process `i` is at this port of this host, plus `i`.
const FIRST_PORT: usize = 2101;

/// Sockets to the other processes, by index; none where there is one process.
pub(super) fn join(args: &RunArgs) -> Result<Vec<Option<TcpStream>>, Refusal> {
    let Some(index) = args.process.filter(|_| args.processes > 1) else { return Ok(Vec::new()) };
    let addresses = addresses(args)?;
    let supervised = std::env::var_os(SUPERVISOR).is_some();
    let secret = secret(args.secret_file.as_deref().filter(|_| !supervised))?;
    if !supervised {
        let others = addresses.iter().enumerate().filter(|(other, _)| *other != index);
        let others: Vec<String> = others.map(|(other, address)| format!("{other} at {address}")).collect();
        eprintln!("process {index} of {} waits for: {}", args.processes, others.join(", "));
    }
    let within = Duration::from_secs(args.join_within_s as u64);
    let mesh = Mesh { addresses, index, threads: args.threads, secret, within };
    mesh.join().map_err(|error| {
        // Who is missing may come at the next try.
        let exit = if matches!(error, MeshError::Address { .. }) { Exit::Usage } else { Exit::Again };
        Refusal { message: error.to_string(), exit }
    })
}

fn addresses(args: &RunArgs) -> Result<Vec<String>, String> {
    let Some(path) = &args.hostfile else {
        return Ok((0..args.processes).map(|index| format!("localhost:{}", FIRST_PORT + index)).collect());
    };
    let place = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read the hostfile {place}: {error}"))?;
    let lines: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if lines.len() < args.processes {
        let (found, wanted) = (lines.len(), args.processes);
        return Err(format!(
            "the hostfile {place} names {found} processes, -n is {wanted}: write one host:port a line"
        ));
    }
    Ok(lines.into_iter().take(args.processes).collect())
}

fn secret(file: Option<&Path>) -> Result<Vec<u8>, String> {
    let (secret, place) = match file {
        Some(path) => {
            let place = format!("the secret file {}", path.display());
            let text = std::fs::read(path).map_err(|error| format!("cannot read {place}: {error}"))?;
            (text.trim_ascii().to_vec(), place)
        }
        None => match std::env::var(SECRET) {
            Ok(text) => (text.trim().as_bytes().to_vec(), SECRET.to_owned()),
            Err(_) => {
                return Err(format!(
                    "processes that are started by hand prove to each other that they belong together: give all of them \
                     the same --secret-file, or {SECRET} in the environment"
                ));
            }
        },
    };
    if secret.len() < SHORTEST_SECRET {
        return Err(format!("{place} has {} bytes, a secret has at least {SHORTEST_SECRET}", secret.len()));
    }
    Ok(secret)
}
