from django.urls import path

from jobs import export_views, report_views, views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("live/", views.overview_live, name="overview-live"),
    path("sample/", views.start_sample, name="start-sample"),
    path("jobs/", views.jobs_list, name="jobs"),
    path("jobs/live/", views.jobs_live, name="jobs-live"),
    path("jobs/new/", views.new_crawl, name="crawl-new"),
    path("jobs/estimate/", views.estimate, name="crawl-estimate"),
    path("jobs/<int:pk>/", views.job_page, name="job"),
    path("jobs/<int:pk>/live/", views.job_live, name="job-live"),
    path("jobs/<int:pk>/retry/", views.retry_job, name="job-retry"),
    path("jobs/<int:pk>/top-up/", views.top_up_job, name="job-top-up"),
    path("jobs/<int:pk>/cancel/", views.cancel_job, name="job-cancel"),
    path("jobs/<int:pk>/pause/", views.pause_job, name="job-pause"),
    path("jobs/<int:pk>/resume/", views.resume_job, name="job-resume"),
    path("jobs/<int:pk>/chunks/<int:chunk_pk>/retry/", views.retry_chunk, name="chunk-retry"),
    path("datasets/<slug:slug>/report/", report_views.report, name="dataset-report"),
    path("datasets/<slug:slug>/report.json", report_views.report_json, name="dataset-report-json"),
    path("datasets/<slug:slug>/report.csv", report_views.report_csv, name="dataset-report-csv"),
    path("datasets/<slug:slug>/exports/", export_views.exports_page, name="dataset-exports"),
    path("datasets/<slug:slug>/exports/preview/", export_views.export_preview, name="export-preview"),
    path("datasets/<slug:slug>/exports/live/", export_views.exports_live, name="exports-live"),
    path("datasets/<slug:slug>/exports/<int:job_pk>/remove/", export_views.remove_export, name="export-remove"),
    path("datasets/<slug:slug>/exports/<int:job_pk>/<str:name>", export_views.export_file, name="export-file"),
    path("datasets/<slug:slug>/versions/<int:number>/", export_views.version_page, name="dataset-version"),
    path("datasets/<slug:slug>/validate/", views.validate_dataset, name="dataset-validate"),
    path("datasets/<slug:slug>/repair/", views.repair_dataset, name="dataset-repair"),
    path("system/", views.system, name="system"),
    path("system/live/", views.system_live, name="system-live"),
]
