# syntax=docker/dockerfile:1

# A static binary in an empty image: nothing else to update, nothing else to attack.
FROM rust:1-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# With `--target` given, the flag is not applied to build scripts, which cannot be static.
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$target" \
    && install -D "target/$target/release/tracebell" /out/tracebell \
    && install -d -o 65532 -g 65532 /out/data /out/tmp

FROM scratch
LABEL org.opencontainers.image.title="tracebell" org.opencontainers.image.licenses="Apache-2.0"
# Without these no HTTPS client can be built.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/tracebell /tracebell
# SQLite's temporary files, and the state.
COPY --from=build --chown=65532:65532 /out/tmp /tmp
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV TRACEBELL_CONFIG=/etc/tracebell/tracebell.yaml
EXPOSE 8080
VOLUME /data
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/tracebell", "healthcheck"]
ENTRYPOINT ["/tracebell"]
CMD ["run"]
