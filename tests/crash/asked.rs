//! What the environment asks of a test.

/// A number.
pub fn asked(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Whether the long form of a test is to be run.
pub fn long() -> bool {
    std::env::var_os("TIDEMILL_LONG").is_some_and(|set| set == "1")
}
