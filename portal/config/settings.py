"""Django settings. Decides nothing about a machine: what differs between machines comes from ``env``."""

from pathlib import Path
from typing import Any

import django_stubs_ext
from django.utils.translation import gettext_lazy as _
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from portal.config.env import broker_url, load_secret_key, read_environment

django_stubs_ext.monkeypatch()

ENVIRONMENT = read_environment()
BASE_DIR = Path(__file__).resolve().parents[2]
DEBUG = ENVIRONMENT.debug
SECRET_KEY = load_secret_key(ENVIRONMENT.data_path, ENVIRONMENT.secret_key_path)
ALLOWED_HOSTS = ENVIRONMENT.allowed_hosts
CSRF_TRUSTED_ORIGINS = ENVIRONMENT.origins
TRUSTED_PROXIES = ENVIRONMENT.trusted_proxies
ENGINE_SOCKET = ENVIRONMENT.engine_socket
HOST_NAME = ENVIRONMENT.host_name

INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "django_htmx",
    "allauth",
    "allauth.account",
    "portal.accounts",
    "portal.audit",
    "portal.notices",
    "portal.teams",
    "portal.hosts",
    "portal.jobs",
    "portal.labs",
    "portal.workloads",
    "portal.requests",
    "portal.usage",
    "portal.streams",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "portal.common.middleware.StaticFilesMiddleware",
    "portal.common.middleware.ContentSecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.audit.origin.OriginMiddleware",
    "portal.notices.middleware.ReaderLanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "portal.config.urls"
ASGI_APPLICATION = "portal.config.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "portal.common.context.page",
                "portal.notices.context.bell",
                "portal.requests.context.waiting",
                "portal.teams.context.quotas",
            ],
        },
    },
]

DATABASES = {"default": ENVIRONMENT.database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "labs:list"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "portal.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = True

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("fr", _("French"))]
LOCALE_PATHS = [BASE_DIR / "portal" / "locale"]
TIME_ZONE = ENVIRONMENT.time_zone
USE_TZ = True

SENDS_MAIL = bool(ENVIRONMENT.mail.host)
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if SENDS_MAIL else 'dummy'}.EmailBackend"
EMAIL_HOST = ENVIRONMENT.mail.host
EMAIL_PORT = ENVIRONMENT.mail.port
EMAIL_HOST_USER = ENVIRONMENT.mail.user
EMAIL_HOST_PASSWORD = ENVIRONMENT.mail.password
EMAIL_USE_SSL = ENVIRONMENT.mail.speaks_tls
EMAIL_USE_TLS = ENVIRONMENT.mail.asks_for_tls
# Tasks that send share their worker with the reports of hosts.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = ENVIRONMENT.mail.sender
SITE_ORIGIN = ENVIRONMENT.origins[0] if ENVIRONMENT.origins else ""

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "static" / "collected"
STATICFILES_DIRS = [path for path in [BASE_DIR / "static" / "dist"] if path.is_dir()]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True

CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": ENVIRONMENT.redis_url}}

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "portal.streams.layer.ChannelLayer",
        "CONFIG": {
            "hosts": [
                {
                    "address": ENVIRONMENT.redis_url,
                    # Sockets wait in reads of 5 seconds; the client's own limit is no longer than that.
                    "socket_timeout": 30,
                    # A new connection to a Redis that was started again finds no groups. The socket has to end and come back.
                    "retry": Retry(NoBackoff(), 0),
                }
            ],
            "prefix": "atelier",
            "capacity": 1000,
            "group_expiry": 30 * 86400,
        },
    }
}

CELERY_BROKER_URL = broker_url(ENVIRONMENT.redis_url)
CELERY_TASK_DEFAULT_QUEUE = "portal"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
# A page must not hang because Redis is away for a moment: the sweep sends the job later.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1, "interval_max": 0.1}
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 60, "socket_connect_timeout": 2}
CELERY_BEAT_SCHEDULE_FILENAME = str(ENVIRONMENT.data_path / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "redeliver-overdue-jobs": {"task": "portal.sweep_jobs", "schedule": 10.0, "options": {"expires": 10.0}},
    "survey-hosts": {"task": "portal.survey_hosts", "schedule": 60.0, "options": {"expires": 60.0}},
    "send-waiting-mails": {"task": "portal.send_mails", "schedule": 60.0, "options": {"expires": 60.0}},
    "end-grants": {
        "task": "portal.end_grants",
        "schedule": 60.0,
        "kwargs": {"looks_ahead": True},
        "options": {"expires": 60.0},
    },
    "watch-lab-hours": {"task": "portal.watch_hours", "schedule": 60.0, "options": {"expires": 60.0}},
    "forget-old-usage": {"task": "portal.prune_usage", "schedule": 86400.0},
    "forget-old-notices": {"task": "portal.prune_notices", "schedule": 86400.0},
    "clear-ended-sessions": {"task": "portal.clear_sessions", "schedule": 86400.0},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stream": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stream"], "level": "INFO"},
}
