"""MkDocs hooks: add the pages and pictures that are generated from the code, and place each in the navigation."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

import pictures
import reference
import trainings

ROOT = Path(__file__).parents[2]
# Pages of the repository that are not in docs/, and their address on the site.
ICON = "web/public/icon.svg"
ELSEWHERE = {"CHANGELOG.md": "changelog.md"}
GUIDES, DECISIONS, KOREAN = "Guides", "Decisions", "한국어"
IMAGE = re.compile(r'<p><img alt="(?P<alt>[^"]*)" src="(?P<src>[^"]*)"(?: title="(?P<title>[^"]*)")?\s*/?></p>')


def on_config(config: Any) -> Any:
    """Add every page of docs/ that the navigation does not name."""
    folder = Path(config.docs_dir)
    named = set(_paths(config.nav))
    there = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.md"))
    for path in (path for path in there if path not in named):
        section = {"decisions": DECISIONS, "ko": KOREAN}.get(path.partition("/")[0], GUIDES)
        _section(config.nav, section).append(path)
    if not (folder / "ko").is_dir():
        config.extra.pop("alternate", None)
    return config


def _paths(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    return [path for item in (nav.values() if isinstance(nav, dict) else nav) for path in _paths(item)]


def _section(nav: list[Any], name: str) -> list[Any]:
    for item in nav:
        if name in item:
            return item[name]
    nav.append({name: []})
    return nav[-1][name]


def on_files(files: Files, config: Any) -> Files:
    """Add the reference, pages from outside docs/, and the pictures."""
    for path, write in reference.PAGES.items():
        files.append(File.generated(config, path, content=write()))
    for path, place in ELSEWHERE.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    files.append(File.generated(config, "assets/icon.svg", abs_src_path=str(ROOT / ICON)))
    folder = pictures.KEPT / "quick" if trainings.QUICK else pictures.KEPT
    for picture in pictures.make(folder):
        place = f"pictures/{picture.name}"
        if small := files.get_file_from_path(place):  # what a checkout shows in its stead
            files.remove(small)
        files.append(File.generated(config, place, abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links into the repository become links within the site."""
    here = page.file.src_uri
    if here in ELSEWHERE.values():
        return re.sub(r"\]\((?:\.\./)?docs/", "](", markdown)
    up = "../" * here.count("/")
    for path, place in ELSEWHERE.items():
        markdown = markdown.replace(f"](../{up}{path}", f"]({up}{place}")
    return markdown


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """A picture alone in its paragraph becomes a figure, and one of the story's is there for each theme."""
    return IMAGE.sub(_figure, html)


def on_page_context(context: dict[str, Any], page: Any, **_: Any) -> dict[str, Any]:
    """Pages in docs/ko say that they are Korean."""
    page.meta.setdefault("lang", "ko" if page.file.src_uri.startswith("ko/") else "en")
    return context


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """The language of the page, for readers by ear and for hyphens."""
    return output.replace('<html lang="en"', f'<html lang="{page.meta["lang"]}"', 1)


def _figure(found: re.Match[str]) -> str:
    alt, src, title = found["alt"], found["src"], found["title"]
    caption = f"<figcaption>{title}</figcaption>" if title else ""
    if "/pictures/" not in f"/{src}":
        return (
            f'<figure><a href="{src}"><img class="sheet" alt="{alt}" src="{src}" loading="lazy"></a>{caption}</figure>'
        )
    dark = src.removesuffix(".png") + ".dark.png"
    return (
        f'<figure class="drawn"><img class="on-light" alt="{alt}" src="{src}" loading="lazy">'
        f'<img class="on-dark" alt="{alt}" src="{dark}" loading="lazy">{caption}</figure>'
    )
