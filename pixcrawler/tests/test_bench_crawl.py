"""What `make bench` measures with: pictures that are told apart, and ratios of runs of the same round."""

import hashlib
import io
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from PIL import Image

from bench.contestants import cleared
from bench.crawl import Plan
from bench.meters import Meter, between, waited_cpu_s
from bench.photo_server import around_comment, numbered, photographs, rate_per_s, serving
from bench.runs import Run
from bench.stages import StageCosts, stage_costs
from bench.table import median_costs, ratio_table, ratios, share_of_limit, summaries, table
from datasets.tests.pictures import drawn, encoded, oriented

_COSTS = StageCosts(fetch_ms=1.0, sha256_ms=1.0, picture_ms=6.0, quality_ms=2.0)


def _run(contestant: str, round: int, loop_s: float, *, latency_ms: int = 0, whole_s: float = 20.0) -> Run:
    return Run(
        contestant=contestant, latency_ms=latency_ms, round=round, images=101, loop_s=loop_s, whole_s=whole_s,
        cpu_s={"worker": 2.02, "Valkey": 0.101}, start_cpu_s=1.111, peak_mib=100.0 + round,
        peak_parts_mib={"worker": 90.0 + round, "Valkey": 10.0},
    )  # fmt: skip


@pytest.mark.parametrize("picture", [encoded(drawn()), oriented(drawn(), 6), encoded(drawn())[:2] + b"\xff\xdb rest"])
def test_a_comment_stands_behind_what_readers_expect_first(picture: bytes) -> None:
    before, after = around_comment(picture)
    assert before + after == picture
    pieces = numbered((before, after), 7)
    assert b"".join(pieces) == before + b"\xff\xfe\x00\x14picture 0000000007" + after
    assert before == picture[:2] or before[2:4] in (b"\xff\xe0", b"\xff\xe1")


def test_every_number_is_a_picture_of_its_own_with_the_same_pixels() -> None:
    bodies = photographs(None)[:2]
    with serving(bodies, latency_s=0) as port:
        answers = [requests.get(f"http://127.0.0.1:{port}/p/{number}.jpg", timeout=10).content for number in range(6)]
        missing = requests.get(f"http://127.0.0.1:{port}/robots.txt", timeout=10)
        costs = stage_costs(f"127.0.0.1:{port}", range(6))
        assert rate_per_s(port, pictures=40) > 0
    assert missing.status_code == 404
    assert len({hashlib.sha256(answer).hexdigest() for answer in answers}) == 6
    assert {len(answer) for answer in answers[::2]} == {len(bodies[0]) + 22}
    pixels = [Image.open(io.BytesIO(answer)).tobytes() for answer in answers]
    assert pixels[0] == pixels[2] == pixels[4] != pixels[1]
    assert min(costs.fetch_ms, costs.picture_ms) > 0


def test_an_answer_takes_as_long_as_asked() -> None:
    with serving(photographs(None)[:1], latency_s=0.2) as port, requests.Session() as session:
        started = time.monotonic()
        for number in range(2):
            session.get(f"http://127.0.0.1:{port}/p/{number}.jpg", timeout=10)
        assert time.monotonic() - started >= 0.4


def test_a_folder_without_photographs_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(FileNotFoundError, match="has no JPEG file"):
        photographs(tmp_path)


def test_what_a_run_wrote_is_set_aside_and_not_removed(tmp_path: Path) -> None:
    for number in range(3):
        (cleared(tmp_path / "run") / "file").write_text(str(number))
    assert sorted(file.read_text() for file in tmp_path.glob("*/file")) == ["0", "1", "2"]
    assert (tmp_path / "run" / "file").read_text() == "2"


def test_a_disk_that_cannot_hold_all_rounds_is_told_before_the_first(tmp_path: Path) -> None:
    hosts = {0: "127.0.0.1:1", 50: "127.0.0.1:2"}
    plan = Plan(images=10**9, picture_bytes=10**6, rounds=3, hosts=hosts, folder=tmp_path / "scratch")
    plan.folder.mkdir()
    with pytest.raises(ValueError, match=r"write about 30000000 GB, and .* has room for \d+\."):
        plan.require_room(5)
    Plan(images=1, picture_bytes=1, rounds=1, hosts=hosts, folder=plan.folder).require_room(5)


def test_runs_are_compared_with_those_of_the_same_round() -> None:
    runs = [
        *(_run("ours", round, loop_s) for round, loop_s in ((1, 1.0), (2, 10.0), (3, 2.0))),
        *(_run("theirs", round, loop_s, whole_s=40.0) for round, loop_s in ((1, 2.0), (2, 20.0), (3, 8.0))),
        _run("ours", 1, 1.0, latency_ms=50),
        _run("theirs", 1, 0.5, latency_ms=50, whole_s=10.0),
    ]
    quick, slow = ratios(runs, ours=["ours"], rivals=["theirs"])
    assert (quick.loop, quick.loop_range, quick.whole, quick.latency_ms) == (2.0, (2.0, 4.0), 2.0, 0)
    assert (slow.loop, slow.loop_range, slow.whole, slow.latency_ms) == (0.5, (0.5, 0.5), 0.5, 50)
    assert [line.split()[-1] for line in ratio_table([quick, slow])] == ["whole", "2.00", "0.50"]


def test_a_summary_has_medians_and_the_parts_of_the_processor_time() -> None:
    first, second = summaries([_run("ours", 1, 1.0), _run("ours", 2, 4.0), _run("ours", 3, 2.0), _run("b", 1, 1.0)])
    assert (first.contestant, first.loop_per_s, first.whole_per_s, first.peak_mib) == ("ours", 50.0, 5.05, 102.0)
    assert first.cpu_ms == pytest.approx({"worker": 20.0, "Valkey": 1.0})
    assert first.loop_cpu_ms == pytest.approx(10.0)
    _, line, _ = table([first, second])
    assert line.endswith("21.00   10.00      102  worker 20.0, 92; Valkey 1.0, 10")


def test_the_limit_is_what_all_cores_do_with_the_stages_alone() -> None:
    assert _COSTS.limit_per_s(2) == 250.0
    row = summaries([_run("ours", 1, 2.0)])[0]
    assert share_of_limit(row, _COSTS, cores=2) == 0.2
    assert median_costs([_COSTS, _COSTS, StageCosts(fetch_ms=9, sha256_ms=9, picture_ms=9, quality_ms=9)]) == _COSTS


@pytest.mark.parametrize(("moment", "value"), [(0.0, 1.0), (10.0, 1.0), (15.0, 2.0), (20.0, 3.0), (99.0, 3.0)])
def test_processor_time_is_read_between_two_samples(moment: float, value: float) -> None:
    assert between([(10.0, 1.0), (20.0, 3.0)], moment) == value


def test_a_process_is_metered_with_its_children() -> None:
    work = "import subprocess, sys; b = bytearray(2**26); subprocess.run([sys.executable, '-c', 'sum(range(10**7))'])"
    process = subprocess.Popen([sys.executable, "-c", work])
    with Meter({"all": process.pid}) as meter:
        used_s = waited_cpu_s(process)
    assert process.returncode == 0
    assert used_s > 0.1
    assert meter.peak_mib > 1
    assert meter.peak_parts_mib == {"all": meter.peak_mib}
    assert 0 <= meter.cpu_s_until("all", time.time()) <= used_s + 0.1
