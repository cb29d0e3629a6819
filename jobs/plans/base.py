"""What the planner asks of a kind of job. Each kind is a module of this package with these functions."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from jobs.models import Chunk, Job
from jobs.plans.verdict import Verdict


class Plan(Protocol):
    """How one kind of job is cut into chunks. Everything runs in the caller's transaction, which holds the job's row.

    Chunks that are created or opened are pending; whoever called sends their messages.
    """

    def first_chunks(self, job: Job) -> None:
        """Creates the chunks that a new job begins with."""
        ...

    def chunk_ended(self, job: Job, chunk: Chunk, *, quota: int) -> list[int]:
        """Takes back the quota that a chunk did not use, and gives the ids of the chunks that come next.

        None of these has counted anything yet.
        """
        ...

    def chunks_cancelled(self, job: Job, quotas: Mapping[str, int]) -> None:
        """Takes back the quotas of chunks that were cancelled before they began, by label."""
        ...

    def retryable(self, job: Job) -> list[Chunk]:
        """The chunks that a retry would run again, if there is something left for them."""
        ...

    def reopen(self, job: Job, chunks: Sequence[Chunk]) -> int:
        """Opens ended chunks again for the job's new run; gives the number that had something to do."""
        ...

    def go_on(self, job: Job) -> int:
        """Opens what should have come next and never did; gives the number of chunks."""
        ...

    def started_sentence(self, job: Job) -> str:
        """What the activity log says when the job's first run begins."""
        ...

    def verdict(self, job: Job) -> Verdict:
        """How a job ended none of whose chunks is open, not all failed, and that nobody cancelled."""
        ...

    def cancelled_sentence(self, job: Job) -> str:
        """What is said of a job that was cancelled."""
        ...
