"""The page opens with a view of all points, for any number of dimensions, network speed and link."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("playwright")
from visitor import Visitor

GUTTER = 40, 24  # CSS pixels on the left and below that the axes take


@pytest.fixture(scope="session")
def site_in(request, site_of, tiny, discs):
    """A site by its number of latent dimensions."""
    ready = {2: "discs_site", 8: "faces_site"}

    def of(d: int):
        if d in ready:
            return request.getfixturevalue(ready[d])
        return site_of(f"of-{d}-dimensions", tiny(latent=d, epochs=1), discs(n=80, test=20))

    return of


def slow_down(visitor: Visitor, megabits: int) -> None:
    """Limit the browser's network to some megabits per second."""
    session = visitor.page.context.new_cdp_session(visitor.page)
    rate = megabits * 1_000_000 / 8
    conditions = {"offline": False, "latency": 20, "downloadThroughput": rate, "uploadThroughput": rate}
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", conditions)


def wait_for_points(visitor: Visitor, site) -> None:
    n = site.manifest["data"]["shown"]
    visitor.until(lambda: visitor.page.locator("header .count").inner_text() == f"{n} of {n} shown")


def share_in_view(visitor: Visitor, site) -> float:
    """The share of the site's points that the map shows clear of its axes, each with a dot that is drawn there."""
    d = site.manifest["latent"]["dimensions"]
    read = [np.fromfile(site.files[f"/data/{name}.f32"], "<f4").reshape(-1, d) for name in ("latents", "axes")]
    points = read[0] if d == 2 else (read[0] - np.float32(site.manifest["latent"]["mean"])) @ read[1][:2].T
    _, _, width, height = visitor.box()
    x, y, scale = visitor.view()
    left, top = width / 2 + (points[:, 0] - x) * scale, height / 2 - (points[:, 1] - y) * scale
    seen = (left > GUTTER[0]) & (left < width) & (top > 0) & (top < height - GUTTER[1])
    drawn = visitor.layer(1)[..., 3] > 0
    return np.count_nonzero(drawn[top[seen].astype(int), left[seen].astype(int)]) / len(points)


@pytest.mark.parametrize(("d", "megabits"), [(2, None), (2, 5), (8, 50), (64, 5), (200, None)])
def test_the_first_view_shows_the_points(visit, site_in, d, megabits):
    site = site_in(d)
    visitor = visit(site)
    if megabits:
        slow_down(visitor, megabits)
    visitor.go()
    wait_for_points(visitor, site)
    assert share_in_view(visitor, site) >= 0.95
    assert "view" not in visitor.address()


NOWHERE = ("0_0_1e-12_1e-12", "0_0_1e9_1e9", "0_0_0_0", "NaN_0_1_1", "0_0_Infinity_1", "1e17_0_1_1", "900_900_1_1")


@pytest.mark.parametrize("more", ["&grid=1", "&x=dim3&y=dim5&p=1"])
def test_a_link_to_a_view_without_points_opens_the_whole_map(visit, site_in, more):
    site = site_in(64)
    visitor = visit(site, reduced_motion="reduce").go(f"view={NOWHERE[0]}{more}")
    wait_for_points(visitor, site)
    whole = visitor.view()
    for view in (*NOWHERE, "0_0_9e8"):
        visitor.page.evaluate("hash => { location.hash = hash }", f"view={view}{more}")
        visitor.until(lambda: "lang" in visitor.address())  # the page has written its own
        assert "view" not in visitor.address()
        np.testing.assert_allclose(visitor.view(), whole)
    if "x=" not in more:
        assert share_in_view(visitor, site) >= 0.95
    visitor.button("Zoom in").click()
    chosen = visitor.until(lambda: visitor.address().get("view"))
    again = visit(site).go(f"view={chosen}{more}")
    wait_for_points(again, site)
    np.testing.assert_allclose(again.view(), visitor.view())


def test_edits_of_a_link_are_shown_also_where_the_decoder_loads_before_the_axes(visit, faces_site):
    visitor, held = visit(faces_site), []
    visitor.page.route("**/data/axes.f32*", lambda route: held.append(route))
    visitor.go("edit=a0_3")
    visitor.until(lambda: visitor.pictures() > 0)
    assert visitor.map.get_attribute("data-view") is None  # there is no plane yet
    held[0].continue_()
    axes = np.fromfile(faces_site.files["/data/axes.f32"], "<f4").reshape(-1, 8)
    manifest = faces_site.manifest
    visitor.picture_at(manifest["latent"]["mean"] + 3 * manifest["axes"][0]["scale"] * axes[0])
    wait_for_points(visitor, faces_site)
    assert share_in_view(visitor, faces_site) >= 0.95
