"""X-Cart shops: the REST API add-on of 5.0 to 5.4, and the API of 5.5 and later."""
