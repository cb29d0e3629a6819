from django.urls import path

from datasets import views

urlpatterns = [
    path("datasets/", views.dataset_list, name="datasets"),
    path("datasets/<slug:slug>/", views.gallery, name="dataset"),
    path("datasets/<slug:slug>/rules/", views.rules, name="dataset-rules"),
    path("datasets/<slug:slug>/images/<int:pk>/", views.image_page, name="image"),
    path("datasets/<slug:slug>/images/<int:pk>/thumb", views.thumbnail, name="image-thumb"),
    path("datasets/<slug:slug>/images/<int:pk>/original", views.original, name="image-original"),
]
