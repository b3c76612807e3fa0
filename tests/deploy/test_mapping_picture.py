"""The picture of the cores is an SVG that shows what is used."""

from xml.etree import ElementTree as ET

from placed_networks import chip_with, lsnn

from deploy.mapping.chips import load_chip
from deploy.mapping.picture import CHIPS_SHOWN, INK, cores_svg
from deploy.mapping.placement import place


def texts(svg):
    return [e.text for e in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_every_core_in_use_shows_how_full_it_is():
    placement = place(lsnn(100, 10), chip_with(compartments=40))
    shares = [f"{max(placement.utilization(core).values()):.0%}" for core in placement.cores]
    assert len(shares) > 3
    found = [text for text in texts(cores_svg(placement)) if text and text.endswith("%")]
    assert sorted(found) == sorted(shares)


def test_it_says_in_words_what_it_shows_and_takes_the_pages_colour():
    svg = cores_svg(place(lsnn(100, 10), load_chip("loihi2")))
    label = ET.fromstring(svg).attrib["aria-label"]
    assert label.startswith("1 cores in use on 1 chip(s) loihi2; the fullest resource")
    assert INK not in svg
    assert "currentColor" in svg
    assert len(svg) < 300_000


def test_the_same_placement_gives_the_same_picture():
    placement = place(lsnn(100, 10), chip_with(compartments=40))
    assert cores_svg(placement) == cores_svg(placement)


def test_many_chips_are_shown_in_part():
    placement = place(lsnn(200, 10), chip_with(compartments=20, cores=2, chips=40))
    assert placement.n_chips > CHIPS_SHOWN
    titles = [text for text in texts(cores_svg(placement)) if text and "of 2 cores" in text]
    assert len(titles) == CHIPS_SHOWN
