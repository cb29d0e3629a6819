# Builds what is installed; none of its tools get into the image that runs.
FROM python:3.13.14-slim-bookworm AS packages

RUN python -m venv /opt/venv
COPY requirements/base.txt /tmp/base.txt
# Wheels alone: nothing is compiled, and no package runs code of its own here.
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: --require-hashes -r /tmp/base.txt


FROM python:3.13.14-slim-bookworm

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIXCRAWLER_DATA_DIR=/data

RUN useradd --create-home --uid 1000 pixcrawler && install --directory --owner=pixcrawler --group=pixcrawler /data
WORKDIR /app

COPY --from=packages /opt/venv /opt/venv
COPY . .
# The root file system is not written to later.
RUN python -m compileall -q /app

# By number, so that whatever runs the image sees that it is not root.
USER 1000:1000
VOLUME /data
EXPOSE 8000
CMD ["python", "manage.py", "help"]
