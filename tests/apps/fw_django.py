"""Django in one file: settings, sync and async views, both interfaces."""

import asyncio
import json

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

settings.configure(
    DEBUG=False,
    SECRET_KEY="for tests only",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    TEMPLATES=[{
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {"loaders": [(
            "django.template.loaders.locmem.Loader",
            {"page.html": "<p>{{ name|upper }} {% now 'Y' %}</p>"})]},
    }],
    USE_TZ=True,
    LOGGING_CONFIG=None,
)
django.setup()


def root(request):
    return HttpResponse("django\n", content_type="text/plain")


@require_safe
def hello(request, name):
    return JsonResponse({"name": name,
        "greeting": request.GET.get("greeting", "Hello")})


async def hello_async(request, name):
    await asyncio.sleep(0.001)
    return JsonResponse({"name": name,
        "greeting": request.GET.get("greeting", "Hello")})


def form(request):
    return JsonResponse(request.POST.dict())


def document(request):
    return JsonResponse({"got": json.loads(request.body)})


def stream(request):
    def lines():
        for i in range(5):
            yield "line %d\n" % i

    async def later_lines():
        for line in lines():
            await asyncio.sleep(0.001)
            yield line

    asynchronous = isinstance(request, ASGIRequest)
    return StreamingHttpResponse(
        later_lines() if asynchronous else lines(),
        content_type="text/plain")


def cookies(request):
    response = HttpResponse("two\n", content_type="text/plain")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


def page(request):
    return render(request, "page.html", {"name": "shoal"})


def boom(request):
    raise ValueError("boom on purpose")


urlpatterns = [
    path("", root),
    path("hello/<str:name>", hello),
    path("async/<str:name>", hello_async),
    path("form", form),
    path("json", document),
    path("stream", stream),
    path("cookies", cookies),
    path("page", page),
    path("boom", boom),
]

asgi = get_asgi_application()
wsgi = get_wsgi_application()
