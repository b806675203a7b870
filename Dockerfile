# The program alone, in two stages: compiled without a database (the committed .sqlx), run as an ordinary user.
FROM rust:1-bookworm AS build
WORKDIR /build
COPY . .
ENV SQLX_OFFLINE=true
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin commissary && cp target/release/commissary /usr/local/bin/commissary

FROM debian:bookworm-slim
RUN useradd --system --user-group --no-create-home commissary
WORKDIR /etc/commissary
COPY --from=build /usr/local/bin/commissary /usr/local/bin/commissary
# Read from the working directory, by COMMISSARY_ENV; the defaults are compiled in.
COPY config config
USER commissary
ENTRYPOINT ["commissary"]
