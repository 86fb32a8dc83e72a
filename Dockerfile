# Any image with Python 3.11 or newer, venv and pip; the same one builds and runs. By digest, so that it changes only with this line:
# of python:3.13-slim (3.13.14, all platforms), from docker-library/repo-info. The newest one: docker buildx imagetools inspect python:3.13-slim
ARG BASE=python:3.13-slim@sha256:9662417aace5ae7b8e2609cce472b72a8958e134ba372808abe9cc1a0c0125e6

FROM ${BASE} AS build
# Another package index, when there is one: --build-arg PIP_INDEX_URL=…
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python3 -m venv --without-pip /opt/pryv-operator
COPY requirements.lock requirements-build.lock ./
RUN python3 -m pip --python /opt/pryv-operator/bin/python install --require-hashes --only-binary :all: -r requirements.lock \
 && python3 -m venv /opt/build && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements-build.lock
# The build backend stays in this stage: nothing but the wheel goes on.
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && python3 -m pip --python /opt/pryv-operator/bin/python install --no-deps --no-index /wheels/*.whl

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="pryv-operator" \
      org.opencontainers.image.description="The Kubernetes operator for Pryv.io platforms" \
      org.opencontainers.image.source="https://github.com/pryv/pryv-operator" \
      org.opencontainers.image.documentation="https://github.com/pryv/pryv-operator/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/pryv-operator /opt/pryv-operator
# Byte code is compiled already, and the root file system is read-only.
ENV PATH=/opt/pryv-operator/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
WORKDIR /tmp
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["pryv-operator"]
CMD ["run", "--in-cluster"]
