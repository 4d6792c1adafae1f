from django.contrib import admin
from django.urls import path

from site_django.notes import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("login", views.log_in),
    path("me", views.me),
    path("notes", views.notes),
    path("notes/async", views.notes_async),
    path("upload", views.upload),
    path("large", views.large),
    path("file", views.file),
    path("patient", views.patient),
    path("endless", views.endless),
    path("thread", views.in_thread),
]
