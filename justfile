# Everything that must hold before a change goes in.
test:
    ./test

# Writes what the golden tests find as what they expect; read the diff before you commit it.
bless:
    BLESS=1 cargo test --test golden

# Sandbox, bridge and a stream of sample webhooks, on this machine.
demo:
    cargo run -- demo

fmt:
    cargo fmt --all

# The dependencies' licences, doubles and sources, and also known vulnerabilities (needs github.com).
deny:
    .ci/tools
    "${CARGO_TARGET_DIR:-target}/tools/bin/cargo-deny" --locked check
