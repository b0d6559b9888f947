//! Placeholder until the first figure.
fn main() {}
