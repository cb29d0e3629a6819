"""What `make bench-validation` measures with: the same pictures for all, and rows of a table."""

from pathlib import Path

import requests

from bench.photo_server import photographs, serving
from bench.runs import Run
from bench.table import ratios, summaries
from bench.validation import ratio_table, table, written


def test_the_folder_has_the_pictures_of_the_photo_server(tmp_path: Path) -> None:
    bodies = photographs(None)[:2]
    folder = written(bodies, tmp_path / "pictures", images=5)
    with serving(bodies, latency_s=0) as port:
        served = [requests.get(f"http://127.0.0.1:{port}/p/{number}.jpg", timeout=10).content for number in range(5)]
    assert [(folder / f"{number}.jpg").read_bytes() for number in range(5)] == served
    assert len(list(folder.iterdir())) == 5


def test_the_tables_have_a_line_for_each() -> None:
    runs = [_run("ours", loop_s=1.0), _run("theirs", loop_s=2.5)]
    rows = summaries(runs)
    assert [line.split()[:2] for line in table(rows)] == [
        ["contestant", "loop/s"],
        ["ours", "100.0"],
        ["theirs", "40.0"],
    ]
    assert list(ratio_table(ratios(runs, ours=["ours"], rivals=["theirs"])))[1].split() == [
        "ours", "2.50", "2.50", "2.50", "1.00",
    ]  # fmt: skip


def _run(contestant: str, *, loop_s: float) -> Run:
    return Run(
        contestant=contestant, latency_ms=0, round=1, images=101, loop_s=loop_s, whole_s=20.0, cpu_s={"all": 1.0},
        start_cpu_s=0.1, peak_mib=100.0,
    )  # fmt: skip
