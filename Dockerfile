FROM python:3.13-slim AS build
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/opt/rosterguard \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /src
RUN pip install --no-cache-dir uv==0.13.9
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --all-extras --no-install-project
COPY README.md LICENSE ./
COPY app ./app
RUN uv sync --locked --no-dev --all-extras --no-editable

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin rosterguard
COPY --from=build /opt/rosterguard /opt/rosterguard
ENV PATH=/opt/rosterguard/bin:$PATH \
    PYTHONUNBUFFERED=1
WORKDIR /srv
USER 10001
EXPOSE 8900
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import httpx; httpx.get('http://127.0.0.1:8900/livez', timeout=2, trust_env=False).raise_for_status()"]
ENTRYPOINT ["rosterguard"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8900"]
