# Python 3.11 or newer. By digest, so that it changes only with this line: of python:3.13-slim (3.13.14, all platforms), from
# docker-library/repo-info. The newest one: docker buildx imagetools inspect python:3.13-slim
ARG BASE=python:3.13-slim@sha256:9662417aace5ae7b8e2609cce472b72a8958e134ba372808abe9cc1a0c0125e6
# What the packages are installed with: the same Python with its venv module. One that brings the wheels, and says so in PIP_FIND_LINKS and
# PIP_NO_INDEX, needs no network (docs/develop.md).
ARG BUILD_BASE=${BASE}

FROM ${BUILD_BASE} AS build
# Another package index, when there is one: --build-arg PIP_INDEX_URL=…
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# pip and the build backend stay in this stage.
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/pryv-operator
COPY requirements.lock requirements-build.lock ./
RUN /opt/build/bin/pip --python /opt/pryv-operator/bin/python install --no-compile --require-hashes --only-binary :all: -r requirements.lock \
 && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements-build.lock
# Of 185 MB of packages with byte code, 110 MB are classes of the Kubernetes client for each API and model, which it has twice and imports when
# they are asked for. The operator asks for none (tests/unit/test_image.py): it sends its own requests. Tests and others' commands go, too.
RUN cd /opt/pryv-operator/lib/python3*/site-packages \
 && rm -r kubernetes/client/api kubernetes/aio/client/api \
 && find kubernetes/client/models kubernetes/aio/client/models -name '*.py' ! -name __init__.py -delete \
 && find /opt/pryv-operator -depth \
        \( -type d \( -name test -o -name tests \) -o -name '*_test.py' -o -name 'test_*.py' -o -name .gitignore \) -exec rm -r {} + \
 && find /opt/pryv-operator/bin -type f -delete
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
# Byte code that is not compared with its source: the root file system is read-only.
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && /opt/build/bin/pip --python /opt/pryv-operator/bin/python install --no-compile --no-deps --no-index /wheel/*.whl \
 && /opt/pryv-operator/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/pryv-operator/lib \
 && /opt/pryv-operator/bin/pryv-operator --help > /dev/null && /opt/pryv-operator/bin/kubectl-pryv --help > /dev/null

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
ENV PATH=/opt/pryv-operator/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
WORKDIR /tmp
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["pryv-operator"]
CMD ["run", "--in-cluster"]
