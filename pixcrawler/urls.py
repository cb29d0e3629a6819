"""Every address of the installation."""

from django.contrib import admin
from django.urls import path

from jobs.api import api
from pixcrawler import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    path("healthz", health.live, name="healthz"),
]
