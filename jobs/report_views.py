"""The page of a dataset's report, and the same as JSON and CSV."""

import csv
import io

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from datasets import queries
from datasets.access import changeable_dataset, may_change_rules, visible_dataset
from datasets.spreadsheet import safe_cell
from jobs import kept
from jobs import report_charts as charts
from jobs.dataset_report import Report, report_of


@require_GET
def report(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = visible_dataset(request, slug)
    head = queries.head(dataset)
    drawn = report_of(dataset, excluded=head.excluded)
    seen, gallery = drawn.statistics, dataset.get_absolute_url()
    context = {
        "dataset": dataset,
        "head": head,
        "report": drawn,
        "may_draw": bool(drawn.since) and may_change_rules(request, dataset),
        "seen": seen,
        "tables": [
            (title, note, charts.shares(rows, total=seen.kept, gallery=gallery, facet=facet))
            for title, note, rows, facet in (
                ("Images per label", f"{min(10, seen.labels)} of {seen.labels:,}", seen.by_label, "label"),
                ("Licences", "", seen.by_licence, "licence"),
                ("Formats", "", seen.by_format, "format"),
            )
        ],
        "scatter": charts.scatter(seen),
        "histograms": [charts.histogram(name, bins, gallery=gallery) for name, bins in seen.histograms.items()],
        "funnels": charts.funnels(drawn.funnels),
        "left_out": charts.left_out(drawn.left_out),
    }
    return render(request, "datasets/report.html", context)


@require_POST
def draw(request: HttpRequest, slug: str) -> HttpResponse:
    """Counts the dataset anew, for its report and its checks."""
    dataset = changeable_dataset(request, slug)
    kept.draw(dataset.pk)
    return redirect("dataset-checks" if request.POST.get("page") == "checks" else "dataset-report", slug=slug)


@require_GET
def report_json(request: HttpRequest, slug: str) -> HttpResponse:
    return JsonResponse(report_of(visible_dataset(request, slug)).to_json())


@require_GET
def report_csv(request: HttpRequest, slug: str) -> HttpResponse:
    """One line per number: chart, value, count. Safe to open in a spreadsheet."""
    drawn = report_of(visible_dataset(request, slug))
    output = io.StringIO()
    writer = csv.writer(output)
    writer.writerow(["chart", "value", "images"])
    for row in _lines(drawn):
        writer.writerow([safe_cell(cell) for cell in row])
    response = HttpResponse(output.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{slug}-report.csv"'
    return response


def _lines(drawn: Report) -> list[tuple[str, str, int]]:
    seen = drawn.statistics
    named = {"label": seen.by_label, "licence": seen.by_licence, "format": seen.by_format, "source": seen.by_source}
    lines = [(chart, share.value, share.count) for chart, shares in named.items() for share in shares]
    lines += [(name, str(one.range), one.count) for name, bins in seen.histograms.items() for one in bins]
    lines += [(f"left out: {row.outcome}", row.reason, row.count) for row in drawn.left_out]
    return lines
