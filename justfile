# Shortcuts; `just` lists them. Nothing here is needed.

default:
    @just --list

# Everything on this machine
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# Set up and run all tests
test:
    tests/run

# Quick feedback while editing
check:
    cargo fmt --check
    cargo clippy --all-targets

# The container image
image:
    docker build -t tracebell .
