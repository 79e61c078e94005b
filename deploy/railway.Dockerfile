# Made of the Dockerfile by `cargo xtask image --write`: what Railway refuses is left out. Change that file.

FROM rust:1.95.0-slim-trixie AS builder
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
# The toolchain of the image. By rust-toolchain.toml, rustup would fetch formatter and linter too.
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN rustup target add wasm32-wasip2
WORKDIR /src
COPY . .
# What cargo has downloaded and built is kept between builds of the image.
RUN cargo xtask install --prefix /usr/local --root /out

FROM debian:trixie-slim
# Both browsers: `[browser] kind = "auto"` takes the headless shell, `mode = "shared"` needs the full one. Chromium brings
# a font; more are not needed, because nobody looks at the pages. tini passes a signal on to the gateway alone, which
# closes its browsers itself, and reaps what they leave behind.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates chromium chromium-headless-shell tini \
    && rm -rf /var/lib/apt/lists/*
# A fixed number: on a volume or a folder of the host, the owner is a number.
RUN groupadd --gid 10001 wharf \
    && useradd --uid 10001 --gid wharf --no-create-home --home-dir /tmp --shell /usr/sbin/nologin wharf \
    && install --directory --owner=wharf --group=wharf --mode=0700 /var/lib/wharf
COPY --from=builder /out/ /
COPY --chmod=755 deploy/entrypoint deploy/headless-shell-without-sandbox /usr/local/lib/wharf/

# Without a key the gateway refuses to listen on this address: set WHARF_API_KEY. The session path stands here as well as
# in /etc/wharf/gateway.toml, so that another file in its place cannot move the logins off the volume.
ENV HOST=0.0.0.0 \
    PORT=3001 \
    SESSION_PATH=/var/lib/wharf \
    WHARF_CONFIG=/etc/wharf/gateway.toml \
    HOME=/tmp
EXPOSE 3001
WORKDIR /var/lib/wharf
USER wharf
# The gateway stops in order within `[server] shutdown` (30s). Docker kills after 10 s unless it is told to wait:
# `docker run --stop-timeout 45`, in compose.yaml `stop_grace_period`.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=15s --start-period=2m --retries=3 CMD ["wharf", "health"]
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/lib/wharf/entrypoint"]
CMD ["run"]
