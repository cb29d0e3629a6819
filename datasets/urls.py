from django.urls import path

from datasets import audit_views, checks_views, review_views, selection_views, views

urlpatterns = [
    path("datasets/", views.dataset_list, name="datasets"),
    path("system/audit/", audit_views.entries, name="audit"),
    path("datasets/<slug:slug>/", views.gallery, name="dataset"),
    path("datasets/<slug:slug>/rules/", views.rules, name="dataset-rules"),
    path("datasets/<slug:slug>/share/", views.share, name="dataset-share"),
    path("datasets/<slug:slug>/duplicates/", review_views.overview, name="dataset-duplicates"),
    path("datasets/<slug:slug>/duplicates/<int:position>/", review_views.group, name="duplicate-group"),
    path("datasets/<slug:slug>/duplicates/<int:position>/decide/", review_views.decide, name="duplicate-decide"),
    path("datasets/<slug:slug>/duplicates/undo/", review_views.undo, name="duplicate-undo"),
    path("datasets/<slug:slug>/duplicates/bulk/", review_views.take_all, name="duplicate-bulk"),
    path("datasets/<slug:slug>/duplicates/empty/", review_views.empty, name="duplicate-empty"),
    path("datasets/<slug:slug>/checks/", checks_views.checks, name="dataset-checks"),
    path("datasets/<slug:slug>/checks/<slug:name>/", checks_views.check, name="dataset-check"),
    path("datasets/<slug:slug>/checks/<slug:name>/preview/", checks_views.check_preview, name="dataset-check-preview"),
    path("datasets/<slug:slug>/images/bulk/", selection_views.bulk, name="images-bulk"),
    path("datasets/<slug:slug>/images/undo/", selection_views.undo, name="images-undo"),
    path("datasets/<slug:slug>/images/<int:pk>/", views.image_page, name="image"),
    path("datasets/<slug:slug>/images/<int:pk>/decide/", selection_views.decide_image, name="image-decide"),
    path("datasets/<slug:slug>/images/<int:pk>/thumb", views.thumbnail, name="image-thumb"),
    path("datasets/<slug:slug>/images/<int:pk>/original", views.original, name="image-original"),
]
