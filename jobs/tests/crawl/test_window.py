"""Concurrency follows latency: more requests under way while they are what is waited for, within bounds."""

from jobs.crawl.window import Window


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def window_after(periods: int, *, waiting_share: float, most: int = 64, size: int = 16) -> Window:
    """A window of that size, after so many periods of which that share was spent waiting."""
    clock = Clock()
    window = Window(least=16, most=most, clock=clock)
    window.size = size
    for _ in range(periods):
        clock.now_s += 0.1001
        window.note(waited_s=0.1001 * waiting_share)
    return window


def test_it_grows_while_hosts_are_what_is_waited_for_and_no_further_than_allowed() -> None:
    sizes = [window_after(periods, waiting_share=0.9).size for periods in range(9)]
    assert sizes[:3] == [16, 20, 25]
    assert sizes[7:] == [64, 64]


def test_it_stays_while_little_is_waited_for() -> None:
    assert window_after(20, waiting_share=0.1, size=40).size == 40


def test_it_shrinks_to_the_least_while_pictures_wait_to_be_taken() -> None:
    assert window_after(1, waiting_share=0.0, size=64).size == 56
    assert window_after(30, waiting_share=0.0, size=64).size == 16


def test_the_most_is_the_most_even_where_it_is_less_than_the_least() -> None:
    assert window_after(10, waiting_share=0.9, most=4, size=4).size == 4
