# The stages share one base, because the virtual environment points to its Python.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /build
RUN python -m venv --without-pip /opt/expvastic
COPY pyproject.toml README.md LICENSE ./
COPY bin ./bin
COPY src ./src
RUN python -m pip --python /opt/expvastic/bin/python install --no-cache-dir .

FROM ${BASE}
LABEL org.opencontainers.image.title="expvastic" \
      org.opencontainers.image.description="Polls expvar and other JSON status pages and ships them, exactly, to Elasticsearch or OpenSearch." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/expvastic /opt/expvastic
# What the configuration writes by relative paths goes here: mount something on it, the root may be read-only.
RUN install -d -o 10001 -g 10001 /var/lib/expvastic
WORKDIR /var/lib/expvastic
ENV PATH=/opt/expvastic/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
STOPSIGNAL SIGTERM
# Asks the listener: the configuration says "settings: {listen: 127.0.0.1:8642}".
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["expvastic", "health"]
ENTRYPOINT ["expvastic"]
CMD ["-c", "/etc/expvastic/expvastic.yml"]
