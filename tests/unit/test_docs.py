"""What the pages point at is there."""

import ast
import re
from pathlib import Path

import pytest

from tests.processes import run_python

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("*/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/tutorial.md",
        "docs/frames.md",
        "docs/flow.md",
        "docs/tasks.md",
        "docs/arrays.md",
    ],
)
def test_python_examples_parse(page):
    for example in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL):
        ast.parse(example)


def test_examples_stay_short():
    for name in ("heat2d.py", "nbody.py"):
        assert len((ROOT / "examples" / name).read_text().splitlines()) < 120


def test_the_example_of_frames_runs(tmp_path):
    page = (ROOT / "docs" / "frames.md").read_text()
    script = tmp_path / "example.py"
    script.write_text(re.search(r"```python\n(.*?)```", page, re.DOTALL).group(1))
    done = run_python(script, check=False)
    assert (done.stdout, done.stderr) == ("17\n105\n", "")
