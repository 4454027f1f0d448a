# docker build -t garabato .        see docs/run_for_others.md

FROM python:3.12-slim AS runtime
WORKDIR /src
RUN python -m venv /venv
COPY pyproject.toml setup.py README.md LICENSE NOTICE ./
COPY tools/list_requirements.py tools/
RUN python tools/list_requirements.py serve milvus > /requirements.txt \
    && /venv/bin/pip install --no-cache-dir -r /requirements.txt
COPY src src
RUN /venv/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
RUN useradd --create-home --home-dir /data --uid 10001 garabato
COPY --from=runtime /venv /venv
ENV PATH=/venv/bin:$PATH \
    GARABATO_HOST=0.0.0.0 \
    XDG_CACHE_HOME=/data/cache \
    NUMBA_CACHE_DIR=/data/cache/numba \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --start-period=60s CMD ["python", "-c", \
    "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
CMD ["garabato", "serve"]
