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
RUN python -m venv /opt/sauerkraut && /opt/sauerkraut/bin/pip install --no-cache-dir '.[mpich]'

FROM python:3.13-slim
RUN useradd --create-home someone
COPY --from=build /opt/sauerkraut /opt/sauerkraut
COPY examples /opt/examples
ENV PATH=/opt/sauerkraut/bin:$PATH
USER someone
WORKDIR /home/someone
COPY --chmod=755 .ci/container /usr/local/bin/sauerkraut-container
ENTRYPOINT ["sauerkraut-container"]
CMD ["demo"]
