"""Views that do what applications do: the ORM, uploads, files, streams."""

from asgiref.sync import sync_to_async
from django.contrib.auth import authenticate, login
from django.http import (FileResponse, HttpResponse, JsonResponse,
    StreamingHttpResponse)
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

import tasks

from .models import Note


@csrf_exempt
@require_POST
def log_in(request):
    user = authenticate(request, username=request.POST["user"],
        password=request.POST["password"])
    if user is None:
        return HttpResponse(status=401)
    login(request, user)
    return HttpResponse(status=204)


def me(request):
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    return JsonResponse({"user": request.user.username})


@csrf_exempt
def notes(request):
    if request.method == "POST":
        Note.objects.create(text=request.POST["text"])
    return JsonResponse({"notes": list(
        Note.objects.order_by("id").values_list("text", flat=True))})


@csrf_exempt
async def notes_async(request):
    if request.method == "POST":
        await Note.objects.acreate(text=request.POST["text"])
    return JsonResponse({"notes": [
        note.text async for note in Note.objects.order_by("id")]})


@csrf_exempt
@require_POST
def upload(request):
    file = request.FILES["file"]
    return JsonResponse({"name": file.name, **tasks.digest_of(file)})


def large(request):
    count = int(request.GET["mb"])
    if hasattr(request, "scope"):
        return StreamingHttpResponse(tasks.later_megabytes(count))
    return StreamingHttpResponse(tasks.megabytes(count))


def file(request):
    return FileResponse(open(tasks.file_path(), "rb"))


async def patient(request):
    return HttpResponse(status=504 if await tasks.in_time() else 200)


def endless(request):
    if hasattr(request, "scope"):
        return StreamingHttpResponse(tasks.later_endless())
    return StreamingHttpResponse(tasks.endless())


async def in_thread(request):
    return JsonResponse(await sync_to_async(tasks.sum_up)(1000))
