"""The tables, one file a noun: columns, constraints, small properties, no I/O."""

from models.api_token import ApiToken
from models.audit import AuditEntry
from models.carrier import Carrier
from models.draft import Draft
from models.drift import Drift
from models.event import Event, EventChange, EventObject, EventState
from models.event_endpoint import EventAttempt, EventDelivery, EventEndpoint
from models.export_delivery import ExportDelivery, ExportDeliveryOrder, ExportDeliveryPart, ExportTarget
from models.feed import Feed, FeedRun, FeedRunRow, Offer
from models.file_preset import FilePreset
from models.flow import Flow, FlowKind
from models.idempotency_key import IdempotencyKey
from models.incident import Incident, IncidentEvent, OrderRhythm
from models.integration import Integration, Shop
from models.list_view import ListView
from models.lookup import Lookup
from models.notification import Delivery, KnownBrowser, Notification, Preference
from models.order import Allocation, HoldChange, Order, OrderChange, OrderLine
from models.order_export import OrderExport
from models.order_note import OrderNote, OrderTag, Tag
from models.oversell import Oversell
from models.reconciliation import DailyReconciliation
from models.sales import SalesOfDay, SalesOfSku, SkuRanking
from models.seller import Seller
from models.setting import Setting
from models.shipment import Shipment, ShipmentFile, ShipmentLine, ShopTask, WriteBack
from models.stock import Link, Listing, StockEntry, StockItem
from models.stock_file import StockFile, StockFilePart, StockFileRow, StockFileWrongRow
from models.supplier import Supplier
from models.sync_run import RunItem, SyncRun
from models.tally import Tally
from models.unreadable import UnreadableOrder
from models.user import User, UserCode, UserSession

__all__ = [
    "Allocation",
    "ApiToken",
    "AuditEntry",
    "Delivery",
    "Draft",
    "Drift",
    "Event",
    "EventAttempt",
    "EventChange",
    "EventDelivery",
    "EventEndpoint",
    "EventObject",
    "EventState",
    "ExportDelivery",
    "ExportDeliveryOrder",
    "ExportDeliveryPart",
    "ExportTarget",
    "Flow",
    "FlowKind",
    "HoldChange",
    "IdempotencyKey",
    "Incident",
    "IncidentEvent",
    "Integration",
    "KnownBrowser",
    "Link",
    "ListView",
    "Listing",
    "Lookup",
    "Notification",
    "Order",
    "OrderChange",
    "OrderLine",
    "OrderRhythm",
    "OrderExport",
    "OrderNote",
    "OrderTag",
    "Offer",
    "Oversell",
    "Preference",
    "Carrier",
    "Feed",
    "FeedRun",
    "FeedRunRow",
    "FilePreset",
    "DailyReconciliation",
    "RunItem",
    "SalesOfDay",
    "SalesOfSku",
    "Seller",
    "Setting",
    "Shipment",
    "ShipmentFile",
    "ShipmentLine",
    "Shop",
    "ShopTask",
    "SkuRanking",
    "StockEntry",
    "StockFile",
    "StockFilePart",
    "StockFileRow",
    "StockFileWrongRow",
    "StockItem",
    "Supplier",
    "SyncRun",
    "Tag",
    "Tally",
    "UnreadableOrder",
    "User",
    "UserCode",
    "UserSession",
    "WriteBack",
]
