FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIXCRAWLER_DATA_DIR=/data

RUN useradd --create-home --uid 1000 pixcrawler && install --directory --owner=pixcrawler --group=pixcrawler /data
WORKDIR /app

# Before the code, so that a change of the code does not install everything anew.
COPY requirements/base.txt requirements/base.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/base.txt

COPY . .

USER pixcrawler
VOLUME /data
EXPOSE 8000
CMD ["python", "manage.py", "help"]
