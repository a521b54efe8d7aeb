"""Errors in IPython."""

from __future__ import annotations

CODE = """
import sys
import armoire

def mine(path):
    armoire.Run.open(path)

def shown(function, path):
    try:
        function(path)
    except (armoire.ArmoireError, armoire.TrainingInterruptedError) as error:
        error.__traceback__ = error.__traceback__.tb_next  # begins where the cell does
        return "\\n".join(error._render_traceback_()).splitlines()

def through_a_library(path):
    import functools

    class Cached:
        run = functools.cached_property(lambda self: armoire.Run.open(path))

    Cached().run

def interrupted(path):
    raise armoire.TrainingInterruptedError("stopped")

assert shown(interrupted, "")[-1] == "TrainingInterruptedError: stopped"
assert not any("functools" in line for line in shown(through_a_library, "nothing"))
alone, through_mine = shown(armoire.Run.open, sys.argv[1]), shown(lambda path: mine(path), sys.argv[1])
sentence = f"ArmoireError: no run at {sys.argv[1]}; train one with `armoire train RECIPE --out {sys.argv[1]}`"
assert alone == [sentence], alone
assert through_mine[-1] == sentence
assert sum("in mine" in line for line in through_mine) == 1, through_mine
assert not any("run.py" in line for line in through_mine), through_mine
"""


def test_an_error_is_its_sentence_and_the_way_through_ones_own_functions(unchecked, tmp_path):
    unchecked(CODE, tmp_path / "nothing")
