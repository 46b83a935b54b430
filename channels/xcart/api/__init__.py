"""The api generation (X-Cart 5.5 and later): its requests, orders, listings, stock and shipments.

What both generations share is in ``channels/xcart``."""
