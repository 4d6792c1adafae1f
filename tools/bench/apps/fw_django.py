"""Django, JSON, sync for WSGI and async for ASGI."""

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

settings.configure(DEBUG=False, SECRET_KEY="for the bench", ROOT_URLCONF=__name__,
                   ALLOWED_HOSTS=["*"], MIDDLEWARE=[], LOGGING_CONFIG=None)
django.setup()


def index(request):
    return JsonResponse({"message": "Hello, world!"})


async def later(request):
    return JsonResponse({"message": "Hello, world!"})


urlpatterns = [path("", index), path("async", later)]
asgi = get_asgi_application()
wsgi = get_wsgi_application()
