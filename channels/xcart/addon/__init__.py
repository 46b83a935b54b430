"""The add-on generation (X-Cart 5.0 to 5.4 with the REST API add-on): its requests, orders, listings, stock and shipments.

What both generations share is in ``channels/xcart``."""
