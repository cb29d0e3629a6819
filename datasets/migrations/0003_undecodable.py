from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("datasets", "0002_optouts"),
    ]

    operations = [
        migrations.CreateModel(
            name="Undecodable",
            fields=[
                ("sha256", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("kills", models.PositiveSmallIntegerField(default=0)),
                ("last_killed_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={"verbose_name": "undecodable picture", "ordering": ["-last_killed_at"]},
        ),
    ]
