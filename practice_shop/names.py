"""Names of products, people and places for a generated shop."""

from .records import Address

ADJECTIVES = (
    "Blue", "Red", "Striped", "Wooden", "Enamel", "Linen", "Handmade", "Folding", "Tiny", "Large", "Café", "Süßer",
    "Nordic", "Vintage", "Recycled", "Soft", "Heavy", "Piñata", "Élégant", "Garden",
)  # fmt: skip
NOUNS = (
    ("Mug", "MUG", "Kitchen"), ("Teapot", "TEA", "Kitchen"), ("Käseglocke", "KGL", "Kitchen"),
    ("Apron", "APR", "Kitchen"), ("Cutting board", "CUT", "Kitchen"), ("Crêpe pan", "CRP", "Kitchen"),
    ("Lamp", "LMP", "Home"), ("Cushion", "CSH", "Home"), ("Blanket", "BLK", "Home"), ("Vase", "VAS", "Home"),
    ("Mirror", "MIR", "Home"), ("Kerzenständer", "KRZ", "Home"), ("T-shirt", "TSH", "Clothing"),
    ("Scarf", "SCF", "Clothing"), ("Rain jacket", "RNJ", "Clothing"), ("Socks", "SCK", "Clothing"),
    ("Notebook", "NTB", "Paper"), ("Fountain pen", "PEN", "Paper"), ("Кружка", "KRU", "Kitchen"),
    ("茶碗 tea bowl", "CHW", "Kitchen"), ("Watering can", "WTC", "Garden"), ("Bird house", "BRD", "Garden"),
    ("Chess set", "CHS", "Games"), ("Puzzle \"1000 pieces\" & box", "PZL", "Games"),
)  # fmt: skip
OPTIONS = (
    ("Size", ("S", "M", "L", "XL")),
    ("Color", ("Red", "Navy", "Grün", "Écru")),
    ("Größe", ("klein", "mittel", "groß")),
)
PEOPLE = (
    ("Anna", "Müller"), ("John", "O'Brien"), ("Zoë", "Nguyễn"), ("Łukasz", "Wójcik"), ("María", "Núñez"),
    ("Søren", "Åberg"), ("Иван", "Петров"), ("美咲", "田中"), ("Ann", "Lee"), ("Jean-Luc", "D'Arçon"),
    ("Priya", "Rao"), ("Tom", "Baker"), ("Ada", "van der Berg"), ("Siobhán", "Kelly"), ("Max", "Groß"),
)  # fmt: skip
PLACES = (
    ("51 apt, 87 street", "Edmond", "73003", "US", "OK", "Oklahoma", "+1 555 0100"),
    ("1 Main St.", "New York", "10001", "US", "NY", "New York", "+1 555 0101"),
    ("2200 Ocean Ave", "Santa Monica", "90405", "US", "CA", "California", "+1 555 0142"),
    ("Hauptplatz 4/2", "Graz", "8010", "AT", "", "", "+43 316 5550"),
    ("Königstraße 12", "München", "80331", "DE", "", "", "+49 89 5550"),
    ("3 rue de l'Église", "Liège", "4000", "BE", "", "", "+32 4 555"),
    ("Unit 7, Mill Lane", "Leeds", "LS1 4DY", "GB", "", "", "+44 113 555"),
    ("ul. Długa 9", "Kraków", "31-147", "PL", "", "", "+48 12 555"),
)
METHODS = (
    (1, "Courier"),
    (2, "Local shipping"),
    (4, "Local pickup"),
    (5, "Free shipping on orders over $50"),
    (96, "Fixed rate shipping"),
)
PAYMENTS = ("Phone Ordering", "Money Order", "Credit card", "PayPal")
NOTES = ("Please ring twice — №2\nsecond line", "Gift: please no invoice", "Bitte beim Nachbarn abgeben (Tür 4) 🙂")


def address(person: tuple[str, str], place: tuple) -> Address:
    street, city, zipcode, country, state, state_name, phone = place
    return Address(*person, street, city, zipcode, country, state, phone, state_name)


def email(person: tuple[str, str], number: int) -> str:
    """A mailbox at a domain nobody owns."""
    first = "".join(letter for letter in person[0].lower() if letter.isascii() and letter.isalpha()) or "customer"
    return f"{first}.{number}@example.com"
