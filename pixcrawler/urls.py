"""Every address of the installation."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from jobs.api import api
from pixcrawler import accounts, health, metrics
from pixcrawler.api_page import api_page

urlpatterns = [
    path("", include("jobs.urls")),
    path("", include("datasets.urls")),
    path("account/", accounts.account, name="account"),
    path("account/preferences/", accounts.set_preferences, name="account-preferences"),
    path("account/tokens/", accounts.add_token, name="token-add"),
    path("account/tokens/<int:pk>/revoke/", accounts.remove_token, name="token-revoke"),
    path("help/keys/", accounts.help_keys, name="help-keys"),
    path("help/api/", api_page, name="help-api"),
    path("login/", LoginView.as_view(template_name="login.html", redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("api/v1/", api.urls),
    path("admin/", admin.site.urls),
    path("healthz", health.live, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]

handler400 = "pixcrawler.errors.bad_request"
handler500 = "pixcrawler.errors.server_error"
