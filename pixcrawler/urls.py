"""Every address of the installation."""

from django.contrib import admin
from django.urls import path

from pixcrawler import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz", health.live, name="healthz"),
]
