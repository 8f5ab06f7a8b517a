"""What plugins may say about themselves in metrics."""

from __future__ import annotations

import pytest

from llms_core.status import Measurement


@pytest.mark.parametrize("name", ["", "acme rows", "acme-rows", "1st", "acme\nrows", "größe"])
def test_a_name_that_prometheus_would_not_accept_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a name for Prometheus"):
        Measurement(name=name, help="", value=1)


def test_so_is_such_a_name_of_a_label() -> None:
    with pytest.raises(ValueError, match="is not a name for Prometheus"):
        Measurement(name="acme_rows", help="", value=1, labels={"the table": "a"})


@pytest.mark.parametrize(("name", "kind"), [("acme_rows", "counter"), ("acme_rows_total", "gauge")])
def test_the_name_tells_whether_it_is_a_counter(name: str, kind: str) -> None:
    with pytest.raises(ValueError, match="_total"):
        Measurement(name=name, help="", value=1, kind=kind)  # type: ignore[arg-type]
