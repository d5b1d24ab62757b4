# Everything that must hold before a change goes in.
test:
    ./test

# Writes what the golden tests find as what they expect; read the diff before you commit it.
bless:
    BLESS=1 cargo test --test golden

# Measures this build beside an earlier one, in turns; `just compare PATH --quick` for a first look.
compare old *more:
    cargo bench --bench compare -- --old {{old}} {{more}}

# Kills the bridge so many times on each database, and lets PostgreSQL fail: one line of figures each.
soak kills="200" outages="40":
    KILLS={{kills}} OUTAGES={{outages}} cargo test --features crash-points --test crash -- --nocapture

# Sandbox, bridge and a stream of sample webhooks, on this machine.
demo:
    cargo run -- demo

fmt:
    cargo fmt --all

# The dependencies' licences, doubles and sources, and also known vulnerabilities (needs github.com).
deny:
    .ci/tools
    "${CARGO_TARGET_DIR:-target}/tools/bin/cargo-deny" --locked check
