"""What people do at a bad moment: submit twice, cancel in the middle, retry."""

import threading

from conftest import wait_until
from faults.crawl import CANCEL_S, Crawl
from faults.stack import Stack
from jobs.models import Job, Status


def test_a_job_submitted_twice_by_a_double_click(crawl: Crawl, stack: Stack) -> None:
    stack.start_worker()
    stack.start_scheduler()
    answers: list[int] = []

    def click() -> None:
        answers.append(crawl.post("/api/v1/jobs/", crawl.body(), **{"Idempotency-Key": "one click"}).json()["job"])

    crawl.fill_web()
    clicks = [threading.Thread(target=click) for _ in range(4)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join()
    crawl.follow(answers[0])
    with crawl.struck():
        click()

    assert set(answers) == {crawl.job.pk}
    assert Job.objects.count() == 1
    crawl.check()
    assert crawl.repeated() == 0


def test_a_cancel_in_the_middle_and_a_retry(crawl: Crawl, stack: Stack) -> None:
    stack.start_worker()
    stack.start_scheduler()
    crawl.submit()

    with crawl.struck():
        assert crawl.post(f"/api/v1/jobs/{crawl.job.pk}/cancel").status_code == 202
        wait_until(crawl.ended, seconds=CANCEL_S)

    assert crawl.job.status == Status.CANCELLED
    assert 0 < crawl.job.kept < crawl.images
    crawl.retry()
    crawl.check(says="Cancelled by operator")
