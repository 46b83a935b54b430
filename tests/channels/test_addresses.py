"""What people type as an end point: what it becomes, and what is refused with a sentence."""

from __future__ import annotations

import pytest

from channels.xcart.channel import XCart
from errors import InvalidInput


class TestNormalise:
    @pytest.mark.parametrize(
        ("pasted", "endpoint"),
        [
            ("https://shop.example", "https://shop.example"),
            ("https://shop.example/", "https://shop.example"),
            ("shop.example", "https://shop.example"),
            ("  https://shop.example/ \n", "https://shop.example"),
            ("HTTPS://Shop.Example/", "https://shop.example"),
            ("http://shop.example", "http://shop.example"),
            ("//shop.example", "https://shop.example"),
            ("https:/shop.example", "https://shop.example"),
            ("https:\\\\shop.example\\", "https://shop.example"),
            ("<https://shop.example>", "https://shop.example"),
            ("'https://shop.example'", "https://shop.example"),
            ("https://shop.example\u200b", "https://shop.example"),
            ("https://shop.example/admin.php", "https://shop.example"),
            ("https://shop.example/admin.php?target=login", "https://shop.example"),
            ("https://shop.example/admin.php?target=RESTAPI&_key=abc#x", "https://shop.example"),
            ("shop.example/admin", "https://shop.example"),
            ("https://shop.example/admin/?target=orders", "https://shop.example"),
            ("https://shop.example/cart.php?target=cart", "https://shop.example"),
            ("https://shop.example/index.php", "https://shop.example"),
            ("https://shop.example/api/orders", "https://shop.example"),
            ("https://shop.example/api", "https://shop.example"),
            ("https://shop.example/some-cup.html", "https://shop.example"),
            ("https://shop.example/outlet/", "https://shop.example/outlet"),
            ("https://shop.example/a/b/admin.php", "https://shop.example/a/b"),
            ("https://shop.example//outlet//admin.php", "https://shop.example/outlet"),
            ("https://shop.example/my shop/", "https://shop.example/myshop"),
            ("https://shop.example/my%20shop/", "https://shop.example/my%20shop"),
            ("https://user:secret@shop.example/x", "https://shop.example/x"),
            ("https://shop.example:443/", "https://shop.example"),
            ("http://shop.example:80", "http://shop.example"),
            ("https://shop.example:8443/x", "https://shop.example:8443/x"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("BÜCHER.example/admin.php", "https://xn--bcher-kva.example"),
            ("https://日本.example", "https://xn--wgv71a.example"),
            ("https://shop.example.", "https://shop.example"),
            ("https://[2001:db8::1]:8080/x", "https://[2001:db8::1]:8080/x"),
            ("https://shop.example/administration", "https://shop.example/administration"),
        ],
    )
    def test_what_people_paste(self, pasted: str, endpoint: str):
        assert XCart.normalise(pasted) == (endpoint, "admin.php")

    def test_a_renamed_admin_script_is_kept(self):
        assert XCart.normalise("https://shop.example/outlet/backoffice.php?target=main") == (
            "https://shop.example/outlet",
            "backoffice.php",
        )

    @pytest.mark.parametrize(
        "pasted", ["", "   ", "ftp://shop.example", "javascript:alert(1)", "mailto:ann@example.org", "https://", "http://?x", "https://shop..example",
                   "https://shop.example:99999", "https://-", "https://[::1", "…",
                   "not an address"]
    )  # fmt: skip
    def test_what_is_no_address_gets_a_sentence(self, pasted: str):
        with pytest.raises(InvalidInput) as caught:
            XCart.normalise(pasted)
        assert caught.value.field == "endpoint" and "https://" in caught.value.message

    @pytest.mark.parametrize(
        ("pasted", "permitted", "endpoint"),
        [
            ("127.0.0.1:8081", ("127.0.0.1:8081",), "http://127.0.0.1:8081"),
            ("localhost:8081/shop/admin.php", ("localhost",), "http://localhost:8081/shop"),
            ("127.0.0.1:8081", (), "https://127.0.0.1:8081"),
            ("192.168.1.5", ("all",), "http://192.168.1.5"),
            ("shop.example", ("all",), "https://shop.example"),
            ("https://127.0.0.1:8081", ("127.0.0.1",), "https://127.0.0.1:8081"),
        ],
    )
    def test_without_a_scheme_it_is_https_but_for_the_operators_own_hosts(
        self, pasted: str, permitted: tuple[str, ...], endpoint: str
    ):
        assert XCart.normalise(pasted, permitted).endpoint == endpoint

    def test_it_is_its_own_fixed_point(self):
        for pasted in ("https://shop.example/outlet/backoffice.php", "bücher.example/my%20shop", "//shop.example:8080/api/x"):
            once = XCart.normalise(pasted)
            assert XCart.normalise(once.endpoint).endpoint == once.endpoint
