"""What a dry run saw. `jobs.look_work` writes these rows; they go with their job."""

from django.db import models
from django.db.models import F, Q

#: Pictures of a lane that are fetched for a try.
SAMPLES = 6


class Look(models.Model):
    """What a dry run saw of one keyword × source: the beginning of the list, and a few of its pictures.

    Of `seen` results the crawl would fetch `usable`, whose address keys are in `keys`, shortened; the others are in the
    dataset already (`known`), repeats of one before (`repeated`), or `refused`, by reason. `licences`, by name, and
    `sizes`, by the words of jobs.look_work, are those of all but the refused. `samples` tell of each picture that was
    tried its title, page, size, bytes and licence, in `trouble` why it would not be kept, and by `n` its thumbnail.
    """

    chunk = models.OneToOneField("jobs.Chunk", on_delete=models.CASCADE, primary_key=True, related_name="look")
    total = models.PositiveIntegerField(null=True, blank=True, help_text="Results, as the source says.")
    seen = models.PositiveIntegerField(default=0)
    is_whole = models.BooleanField(default=False, help_text="The list was read to its end.")
    usable = models.PositiveIntegerField(default=0)
    known = models.PositiveIntegerField(default=0)
    repeated = models.PositiveIntegerField(default=0)
    refused = models.JSONField(default=dict)
    licences = models.JSONField(default=dict)
    sizes = models.JSONField(default=dict)
    keys = models.JSONField(default=list)
    told_bytes = models.PositiveBigIntegerField(default=0, help_text="Of all whose source tells their bytes.")
    told_count = models.PositiveIntegerField(default=0)
    samples = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(seen__gte=F("usable") + F("known") + F("repeated")), name="look_parts_of_what_was_seen"
            )
        ]

    def __str__(self) -> str:
        return f"{self.usable} of {self.seen} of chunk {self.chunk_id}"

    @property
    def refused_count(self) -> int:
        return sum(self.refused.values())

    @property
    def results(self) -> int:
        """How many results there are, as far as is known."""
        return max(self.seen, self.total or 0)

    @property
    def tried_bytes(self) -> list[int]:
        """The bytes of the sound pictures among the samples, as far as they are known."""
        return [sample["size_bytes"] for sample in self.samples if sample["size_bytes"] and not sample["trouble"]]


class LookThumbnail(models.Model):
    """A thumbnail of a picture that a dry run tried: a JPEG of some kilobytes. No dataset has it.

    `url` is the picture's address; `sha256` and `phash` are of what was fetched, for takedowns that come later.
    """

    look = models.ForeignKey(Look, on_delete=models.CASCADE, related_name="thumbnails")
    n = models.PositiveSmallIntegerField()
    content = models.BinaryField()
    url = models.TextField()
    sha256 = models.CharField(max_length=64)
    phash = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["look", "n"], name="look_thumbnail_once")]

    def __str__(self) -> str:
        return f"Thumbnail {self.n} of look {self.look_id}"
