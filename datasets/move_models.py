"""Which labels people moved images from and to. `datasets.relabel` writes these rows."""

from django.db import models


class MovedImage(models.Model):
    """The label that a decision took from one image, and the one it gave. `datasets.relabel` writes it."""

    decision = models.ForeignKey("datasets.Decision", on_delete=models.CASCADE, related_name="moves")
    image = models.ForeignKey("datasets.Image", on_delete=models.CASCADE, related_name="moves")
    label_before = models.CharField(max_length=200)
    label_after = models.CharField(max_length=200)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["decision", "image"], name="move_once_per_decision"),
            models.CheckConstraint(
                condition=~models.Q(label_before=models.F("label_after")), name="move_changes_label"
            ),
            models.CheckConstraint(condition=~models.Q(label_after=""), name="move_has_a_label"),
        ]

    def __str__(self) -> str:
        return f"image {self.image_id}: {self.label_before} to {self.label_after}"
