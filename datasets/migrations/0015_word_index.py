"""On PostgreSQL an index of trigrams for the words that galleries are searched for.

It takes the extension pg_trgm, which comes with PostgreSQL and which the owner of a database may create. Where it is
missing or not allowed, everything works as before: searches read along, as they do on SQLite.
"""

import logging

from django.db import DatabaseError, migrations, transaction

log = logging.getLogger(__name__)


def create(apps, schema_editor):
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(connection.alias), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except DatabaseError as error:
        log.warning("Searches for words stay slow in large datasets: PostgreSQL has no pg_trgm for us (%s).", error)
        return
    # As Django writes the condition of `icontains`.
    columns = ", ".join(f'UPPER("{name}"::text) gin_trgm_ops' for name in ("keyword", "title", "url"))
    schema_editor.execute(f"CREATE INDEX image_words ON datasets_image USING gin ({columns})")


def remove(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS image_words")


class Migration(migrations.Migration):
    dependencies = [("datasets", "0014_large_lists")]

    operations = [migrations.RunPython(create, remove)]
