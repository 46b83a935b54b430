"""The tables, one file a noun: columns, constraints, small properties, no I/O."""

from models.desk import Drift, Oversell, Receipt, SettingChange, StockFile, StockFilePart, StockFileRow
from models.draft import Draft
from models.incident import HealthPart, Incident, IncidentEvent, OrderRhythm
from models.integration import Integration, Shop
from models.kit import LinePart
from models.lookup import Lookup
from models.notification import Delivery, KnownBrowser, Notice, NoticeSetting, Webhook
from models.order import Order, OrderChange, OrderLine
from models.setting import Setting
from models.shipment import Shipment, ShipmentFile, ShipmentLine, WriteBack
from models.stock import Link, Listing, StockEntry, StockItem
from models.sync_run import RunItem, SyncRun
from models.tally import Tally
from models.user import User, UserCode, UserSession

__all__ = [
    "Delivery",
    "Draft",
    "Drift",
    "HealthPart",
    "Incident",
    "IncidentEvent",
    "Integration",
    "KnownBrowser",
    "LinePart",
    "Link",
    "Listing",
    "Lookup",
    "Notice",
    "NoticeSetting",
    "Order",
    "OrderChange",
    "OrderLine",
    "OrderRhythm",
    "Oversell",
    "Receipt",
    "RunItem",
    "Setting",
    "SettingChange",
    "Shipment",
    "ShipmentFile",
    "ShipmentLine",
    "Shop",
    "StockEntry",
    "StockFile",
    "StockFilePart",
    "StockFileRow",
    "StockItem",
    "SyncRun",
    "Tally",
    "User",
    "UserCode",
    "UserSession",
    "Webhook",
    "WriteBack",
]
