# Made of the Dockerfile by `cargo xtask image --write`: what Railway refuses is left out. Change that file.

FROM rust:1.95.0-slim-trixie AS builder
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
# Use the toolchain of the image. With rust-toolchain.toml, rustup would download the formatter and the linter too.
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN rustup target add wasm32-wasip2
WORKDIR /src
COPY . .
# Cargo's downloads and build results are kept between builds of the image.
RUN cargo xtask install --prefix /usr/local --root /out

FROM debian:trixie-slim
# Both browsers are installed: `[browser] kind = "auto"` takes the headless shell, `mode = "shared"` needs the full
# browser. Chromium brings one font; no others are needed, because nobody looks at the pages. tini forwards signals to
# the gateway only, which closes its browsers itself, and reaps orphaned processes.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates chromium chromium-headless-shell tini \
    && rm -rf /var/lib/apt/lists/*
# The user id is fixed, because the owner of files on a volume or in a folder of the host is recorded as a number.
RUN groupadd --gid 10001 wharf \
    && useradd --uid 10001 --gid wharf --no-create-home --home-dir /tmp --shell /usr/sbin/nologin wharf \
    && install --directory --owner=wharf --group=wharf --mode=0700 /var/lib/wharf
COPY --from=builder /out/ /
COPY --chmod=755 deploy/entrypoint deploy/headless-shell-without-sandbox /usr/local/lib/wharf/

# Without an API key the gateway refuses to listen on this address: set WHARF_API_KEY. The session path is set here as
# well as in /etc/wharf/gateway.toml, so that replacing that file cannot move the logins off the volume.
ENV HOST=0.0.0.0 \
    PORT=3001 \
    SESSION_PATH=/var/lib/wharf \
    WHARF_CONFIG=/etc/wharf/gateway.toml \
    HOME=/tmp
EXPOSE 3001
WORKDIR /var/lib/wharf
USER wharf
# The gateway shuts down gracefully within `[server] shutdown` (30s). Docker kills a container after 10 s unless it is
# given more time: `docker run --stop-timeout 45`, or `stop_grace_period` in compose.yaml.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=15s --start-period=2m --retries=3 CMD ["wharf", "health"]
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/lib/wharf/entrypoint"]
CMD ["run"]
