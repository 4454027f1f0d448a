# docker build -t garabato .        see docs/run_for_others.md
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --upgrade pip
# PyTorch's ordinary wheel brings gigabytes of CUDA. Give the index of its CPU builds ("Start locally"
# on PyTorch's site): --build-arg TORCH_INDEX_URL=URL
ARG TORCH_INDEX_URL=
RUN /venv/bin/pip install --no-cache-dir ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} \
    'torch>=2.6,<2.14'
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
# ONNX Runtime answers: PyTorch writes the encoder in its form here and stays behind.
RUN /venv/bin/pip install --no-cache-dir '.[serve,map,milvus,onnx]' \
    && /venv/bin/garabato export onnx --out /venv/encoder.onnx \
    && /venv/bin/pip uninstall --yes torch

FROM python:3.12-slim
RUN useradd --create-home --home-dir /data --uid 10001 garabato
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    GARABATO_HOST=0.0.0.0 \
    GARABATO_MODEL=/venv/encoder.onnx \
    XDG_CACHE_HOME=/data/cache \
    NUMBA_CACHE_DIR=/data/cache/numba \
    MALLOC_ARENA_MAX=2 \
    PYTHONUNBUFFERED=1
USER garabato
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --start-period=60s CMD ["python", "-c", \
    "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
CMD ["garabato", "serve"]
