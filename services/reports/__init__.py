"""What sellers count: sales by shop, day and SKU, and the daily reconciliation of what a shop says it took with what is stored here.

Not for keeping the sums of each day, which happens with each order (``orders/daily_sales``)."""
