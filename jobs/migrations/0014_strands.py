from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0013_looks'),
    ]

    operations = [
        migrations.AddField(
            model_name='chunk',
            name='strand',
            field=models.PositiveSmallIntegerField(default=0, help_text='Which part of a list that several workers read.'),
        ),
        migrations.RemoveConstraint(
            model_name='chunk',
            name='chunk_once_per_window',
        ),
        migrations.AddConstraint(
            model_name='chunk',
            constraint=models.UniqueConstraint(fields=('job', 'label', 'keyword', 'source', 'strand', 'window'), name='chunk_once_per_window'),
        ),
    ]
