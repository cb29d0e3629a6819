"""manage.py report: what a dataset holds, in numbers and in words."""

import json
from typing import Any

from django.core.management.base import CommandParser

from datasets.counting import number_of
from jobs.dataset_report import Report, histogram_titles, report_of
from jobs.management.base import PixCrawlerCommand, dataset_named


class Command(PixCrawlerCommand):
    help = "Tells what the dataset NAME holds: totals, labels, licences, formats, what was left out and why."
    epilog = """
examples:
  manage.py report birds
  manage.py report birds --json | jq .verdict

--json writes one object: dataset, drawn_at, changed_since (words, empty where nothing did), kept, excluded, labels,
by_label, by_licence, by_format, by_source (each a list of value and count), unknown_licence, damaged, unchecked,
groups, undecided_groups, middle_px, histograms (by measure a list of from, to and count), sources (found and each
outcome), left_out (reason, outcome, count), verdict, remarks.
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="The dataset's name.")
        parser.add_argument("--json", action="store_true", help="One line of JSON on standard output.")

    def handle(self, *_args: Any, **options: Any) -> None:
        dataset = dataset_named(options["name"])
        report = report_of(dataset)
        if options["json"]:
            self.stdout.write(json.dumps(report.to_json()))
            return
        self._tell(report)

    def _tell(self, report: Report) -> None:
        seen = report.statistics
        held = f"{number_of(seen.kept, 'image')}, {number_of(seen.labels, 'label')}"
        self.stdout.write(f"{report.dataset.name}: {held}. {report.verdict}")
        for remark in report.remarks:
            self.stdout.write(f"  {remark.words}")
        for title, shares in (("labels", seen.by_label), ("licences", seen.by_licence), ("formats", seen.by_format)):
            told = ", ".join(f"{share.value or 'none'} {share.count:,}" for share in shares)
            self.stdout.write(f"{title}: {told or 'none'}")
        for name, bins in seen.histograms.items():
            told = ", ".join(f"{one.range.words}: {one.count:,}" for one in bins if one.count)
            self.stdout.write(f"{histogram_titles()[name].lower()}: {told}")
        for row in report.left_out:
            self.stdout.write(f"  {row.count:>9,}  left out: {row.reason}")
