//! Asking a run to stop: SIGTERM and SIGINT drain it; a second one ends it at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A flag that the first SIGTERM or SIGINT sets. Without the handlers (a system that refuses them) signals end the
/// process.
pub fn on_signals() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        // The order matters: this first looks at the flag, which is set by the second.
        let twice = signal_hook::flag::register_conditional_shutdown(signal, 1, stop.clone());
        let once = signal_hook::flag::register(signal, stop.clone());
        if let Err(error) = twice.and(once) {
            tracing::warn!(%error, signal, "the signal cannot be caught; it will end the run without draining it");
        }
    }
    stop
}
