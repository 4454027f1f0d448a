# docker build -t garabato .        see docs/run_for_others.md

# PyTorch writes the encoder in ONNX form here, and stays behind with all it brings.
FROM python:3.12-slim AS encoder
WORKDIR /src
# PyTorch's ordinary wheel brings gigabytes of CUDA. Give the index of its CPU builds ("Start locally"
# on PyTorch's site) to download less: --build-arg TORCH_INDEX_URL=URL
ARG TORCH_INDEX_URL=
RUN pip install --no-cache-dir ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} \
    'torch>=2.6,<3'
COPY pyproject.toml setup.py README.md LICENSE NOTICE ./
COPY src src
RUN pip install --no-cache-dir '.[onnx]' && garabato export onnx --out /encoder.onnx

# What serves: ONNX Runtime answers.
FROM python:3.12-slim AS runtime
WORKDIR /src
RUN python -m venv /venv
COPY pyproject.toml setup.py README.md LICENSE NOTICE ./
COPY tools/list_requirements.py tools/
RUN python tools/list_requirements.py serve map milvus --without torch --without onnx \
        > /requirements.txt \
    && /venv/bin/pip install --no-cache-dir -r /requirements.txt
COPY src src
RUN /venv/bin/pip install --no-cache-dir --no-deps .
COPY --from=encoder /encoder.onnx /venv/encoder.onnx

FROM python:3.12-slim
RUN useradd --create-home --home-dir /data --uid 10001 garabato
COPY --from=runtime /venv /venv
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
