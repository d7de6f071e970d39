//! The program `tidemill`: see `tidemill --help`.

use std::process::ExitCode;

// Rows are small boxes that are made on a source's thread and freed on a worker's; the system's allocator is slow at
// that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tidemill::launch::main()
}
