"""The tables, one file a noun: columns, constraints, small properties, no I/O."""

from models.draft import Draft
from models.integration import Integration, Shop
from models.order import Order, OrderChange, OrderLine
from models.setting import Setting
from models.stock import Link, Listing, StockEntry, StockItem
from models.sync_run import RunItem, SyncRun
from models.user import User, UserCode, UserSession

__all__ = [
    "Draft",
    "Integration",
    "Link",
    "Listing",
    "Order",
    "OrderChange",
    "OrderLine",
    "RunItem",
    "Setting",
    "Shop",
    "StockEntry",
    "StockItem",
    "SyncRun",
    "User",
    "UserCode",
    "UserSession",
]
