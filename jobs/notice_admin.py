"""Completion notices in the admin: how each fared, and "send again" for those that were given up."""

# Django calls these methods with more than each needs.

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from datasets.admin import ReadOnlyAdmin
from jobs import notices
from jobs.notice_models import Notice


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    list_display = ("id", "job", "channel", "recipient", "attempts", "state", "last_answer")
    list_filter = ("channel", ("sent_at", admin.EmptyFieldListFilter), ("given_up_at", admin.EmptyFieldListFilter))
    list_select_related = ("job",)
    search_fields = ("recipient", "uid")
    actions = ("send_again",)

    @admin.display(description="State")
    def state(self, notice: Notice) -> str:
        if notice.sent_at is not None:
            return "delivered"
        return "given up" if notice.given_up_at is not None else "waiting"

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.change_job")

    @admin.action(description="Send again what was given up", permissions=["operate"])
    def send_again(self, request: HttpRequest, chosen: QuerySet[Notice]) -> None:
        count = notices.send_again(list(chosen.values_list("pk", flat=True)))
        self.message_user(
            request,
            f"{count} of {len(chosen)} will be sent again within seconds, while a scheduler runs; the others were not "
            "given up.",
            messages.SUCCESS if count else messages.WARNING,
        )
