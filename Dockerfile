# The action's image. Builds with the classic builder as well as with BuildKit. The base is named by digest;
# scripts/ensure-images takes the local one.
# What `command: build` needs besides is in Dockerfile.build, which begins with the same stage.
FROM debian:trixie-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f AS build
# Of git only the program: without Perl and the helpers that reach remotes, which nobody calls.
RUN apt-get update -q \
    && apt-get install -yq --no-install-recommends ca-certificates python3-venv \
    && mkdir /build && cd /build && apt-get download git && dpkg-deb -x git_*.deb git
COPY requirements/runtime.txt requirements/build.txt /build/requirements/
# The environment is what the lock says, by hash; pip is in it for pip-audit alone.
# Small to download: no launchers for Windows, and compiled is only what most runs import.
RUN python3 -m venv --without-pip /opt/deploy-action \
    && python3 -m venv /build/venv \
    && /build/venv/bin/pip --python /opt/deploy-action/bin/python install --no-cache-dir \
        --only-binary :all: --require-hashes --no-compile -r /build/requirements/runtime.txt \
    && /build/venv/bin/pip install --no-cache-dir --require-hashes -r /build/requirements/build.txt \
    && cd /opt/deploy-action/lib/python3*/site-packages \
    && find . '(' -name '*.exe' -o -path '*/tests/*' ')' -delete \
    && /opt/deploy-action/bin/python -m compileall -q attr* bandit certifi charset_normalizer docker idna jsonschema* \
        pbr referencing requests rich rpds stevedore urllib3 yaml
COPY pyproject.toml LICENSE /build/
COPY schemas/ /build/schemas/
COPY src/ /build/src/
RUN /build/venv/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /build /build \
    && /build/venv/bin/pip --python /opt/deploy-action/bin/python install --no-deps --no-index /build/*.whl

FROM debian:trixie-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f
RUN apt-get update -q \
    && apt-get install -yq --no-install-recommends ca-certificates openssh-client python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /usr/lib/python3.*/pydoc_data /usr/lib/python3.*/test
COPY --from=build /build/git/usr/bin/git /usr/bin/git
COPY --from=build /opt/deploy-action /opt/deploy-action
ENV PATH=/opt/deploy-action/bin:$PATH
ENTRYPOINT ["/opt/deploy-action/bin/python", "-I", "-m", "deploy_action.action"]
