"""How gunicorn serves Cartlink: threads for the waiting, one process by default (WEB_CONCURRENCY sets more)."""

import os

worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS") or 8)
timeout = 60
graceful_timeout = 15
keepalive = 15
accesslog = "-"
# The path without its query: what people search for is nobody's business.
access_log_format = '%({x-forwarded-for}i)s %(h)s "%(m)s %(U)s" %(s)s %(B)s bytes %(M)s ms'
control_socket_disable = True
