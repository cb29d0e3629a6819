"""Members of groups of look-alikes know the label and the source of their image, so that groups are found by them.

Costs nothing when an image is recorded: members are written by a search for duplicates.
"""

from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def fill(apps, schema_editor):
    images = apps.get_model("datasets", "Image").objects.filter(pk=OuterRef("image")).order_by()
    apps.get_model("datasets", "DuplicateMember").objects.update(
        label=Subquery(images.values("label")), source=Subquery(images.values("source"))
    )


class Migration(migrations.Migration):
    dependencies = [("datasets", "0015_word_index")]

    operations = [
        migrations.AddField(
            model_name="duplicatemember",
            name="label",
            field=models.CharField(default="", max_length=200),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="duplicatemember",
            name="source",
            field=models.CharField(default="", max_length=40),
            preserve_default=False,
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
