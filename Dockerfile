# Builds the bridge, then puts the one binary on a small system. To run it: compose.yaml.

FROM rust:1.95-slim-bookworm AS build
# The memory allocator is compiled with it, whatever its version. On ARM, build on a machine with the page size of those that run it.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# The dependencies, in a layer of their own: it is built anew when they change, not with every edit of ours.
COPY Cargo.toml Cargo.lock ./
# How SQLite is compiled.
COPY .cargo .cargo
# Cargo wants to see every target that Cargo.toml names.
COPY benches benches
RUN mkdir src \
    && echo 'fn main() {}' >src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked \
    && rm -r src
COPY config config
COPY migrations migrations
COPY templates templates
# The examples of `send` are of the corpus.
COPY tests/fixtures tests/fixtures
COPY src src
# Cargo goes by the time of a file: without this it may take the placeholders' build for ours.
RUN touch src/lib.rs src/main.rs && cargo build --release --locked

FROM debian:12.12-slim
RUN groupadd --gid 10001 bridge \
    && useradd --uid 10001 --gid bridge --no-log-init --no-create-home --home-dir /data --shell /usr/sbin/nologin bridge \
    && install --directory --owner bridge --group bridge --mode 0750 /data
# To know Refairn and the providers by their certificates.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/target/release/refairn-bridge /usr/local/bin/refairn-bridge

# Hosting platforms set another PORT, and send requests there. BRIDGE_LISTEN wins over both.
ENV PORT=8080 \
    DATABASE_URL=sqlite:///data/refairn-bridge.db
# By number, so that a cluster can see that it is not root. Nothing but /data is written to.
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 CMD ["refairn-bridge", "healthcheck"]
ENTRYPOINT ["refairn-bridge"]
CMD ["serve"]
