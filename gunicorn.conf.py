"""How gunicorn serves Cartlink: threads for the waiting, one process by default (WEB_CONCURRENCY sets more)."""

import os
import sys

from gunicorn.glogging import Logger

worker_class = "page_worker.WholeRequestWorker"
threads = int(os.environ.get("WEB_THREADS") or 8)
timeout = 60
graceful_timeout = 15
keepalive = 15
# Each may be an open file; systems commonly allow a process 1024.
worker_connections = 500
accesslog = "-"
# The path without its query: what people search for is nobody's business, and one-time links carry their code there.
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(B)s bytes %(M)s ms'
control_socket_disable = True
# A request's first line and its headers, in bytes. Bodies are limited by the application.
limit_request_line = 4094
limit_request_fields = 60
limit_request_field_size = 8190
# Headers of proxies are read by the application, and only as many as TRUSTED_PROXIES says there are.
forwarded_allow_ips = ""
forwarder_headers = ""


class logger_class(Logger):
    """Says in one sentence why Cartlink cannot start, keeps each request on its line of the log, and writes in LOG_FORMAT."""

    def setup(self, cfg):
        super().setup(cfg)
        from config import log_format
        from logs import formatter

        form = log_format()
        if form == "JSON":
            for log in (self.error_log, self.access_log):
                for handler in log.handlers:
                    handler.setFormatter(formatter(form))

    def access(self, resp, req, environ, request_time):
        from logs import about

        with about(request=environ.get("cartlink.request_id")):
            super().access(resp, req, environ, request_time)

    def exception(self, msg, *args, **kwargs):
        from errors import ConfigError

        error = sys.exc_info()[1]
        if isinstance(error, ConfigError):
            self.error("%s", error.advice)
        else:
            super().exception(msg, *args, **kwargs)

    def atoms(self, *args, **kwargs):
        # A path may hold line breaks, written as %0A.
        return {
            name: value.encode("unicode_escape").decode("ascii") if isinstance(value, str) else value
            for name, value in super().atoms(*args, **kwargs).items()
        }
