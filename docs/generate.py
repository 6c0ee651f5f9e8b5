"""Writes the generated pages: `python docs/generate.py`. `--check` only names the stale ones, and exits 1 if any."""

import argparse
import inspect
import json
import shlex
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from typecase.blocks import errors
from typecase.blocks.catalog import CATALOG, OWN_PACKAGE, CatalogEntry
from typecase.blocks.errors import TypecaseError
from typecase.blocks.quality import Claim, quality_of
from typecase.blocks.schema import definition_of
from typecase.registry.cli.places import Place

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
NOTE = "<!-- Written by docs/generate.py. Change the source, not this page. -->"
BEGIN, END = "<!-- catalog: written by docs/generate.py -->", "<!-- end of catalog -->"
TESTED = "Tested against:"
CLI_REFERENCE = "typecase.registry.cli.reference"


def pages() -> dict[Path, str]:
    """Every generated file with its text."""
    types = [Described(entry) for entry in own_entries()]
    found = {DOCS / "catalog" / f"{item.slug}.md": item.page() for item in types}
    found[DOCS / "catalog" / "index.md"] = catalog_index(types)
    found[DOCS / "reference" / "errors.md"] = errors_page()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found[ROOT / "README.md"] = replace_marked(readme, type_table(types, "docs/catalog/"))
    if find_spec(CLI_REFERENCE) is not None:
        found[DOCS / "reference" / "cli.md"] = import_module(CLI_REFERENCE).reference()
    return found


def own_entries() -> list[CatalogEntry]:
    """The block types of this distribution, from the same catalog that lists anyone's."""
    return [entry for entry in CATALOG if entry.package == OWN_PACKAGE]


class Described:
    """One block type as its page shows it."""

    def __init__(self, entry: CatalogEntry) -> None:
        self.slug = entry.slug
        self.cls = CATALOG.get(entry.slug)
        self.module, _, self.name = entry.target.partition(":")
        self.definition = definition_of(self.cls)
        paragraphs = [" ".join(part.split()) for part in (inspect.getdoc(self.cls) or "").split("\n\n")]
        self.more = [part for part in paragraphs[1:] if not part.startswith(TESTED)]
        self.tested = next((part.removeprefix(TESTED).strip() for part in paragraphs if part.startswith(TESTED)), "")
        self.form = Place(self.definition.form, self.definition.form)
        self.quality = quality_of(entry.target)

    @property
    def extra(self) -> str:
        """The extra that is named after the integration, empty where there is none."""
        integration = self.module.removeprefix("typecase.integrations.").partition(".")[0]
        return integration if integration in (metadata(OWN_PACKAGE).get_all("Provides-Extra") or ()) else ""

    @property
    def install(self) -> str:
        """What to install, as a shell argument."""
        return f"'typecase[{self.extra}]'" if self.extra else "typecase"

    @property
    def example_name(self) -> str:
        """The document name in the page's examples."""
        return f"my-{self.slug}"

    def page(self) -> str:
        """The catalog page."""
        return "\n\n".join(part for part in self._parts() if part) + "\n"

    def _parts(self) -> Iterator[str]:
        definition = self.definition
        yield f"# {definition.title}\n\n{NOTE}"
        yield "\n\n".join([definition.description, *self.more])
        kinds = ", ".join(f"`{kind}`" for kind in definition.kinds) or "none: it is loaded as itself"
        rows = [
            ("block type", f"`{self.slug}`"),
            ("class", f"`{self.module}.{self.name}`"),
            ("kinds", kinds),
            ("install", f"`pip install {self.install}`"),
        ]
        if definition.docs:
            rows.append(("product", f"<{definition.docs}>"))
        if self.tested:
            rows.append(("tested against", self.tested))
        yield table(("", ""), rows)
        yield "## Fields"
        yield table(("field", "type", "required", "default", "secret", "help", "example"), field_rows(self.form))
        yield "## Example"
        yield from self._example()
        yield "## Quality"
        yield "What the rules mean: [quality](../reference/quality.md)."
        claims = self.quality.claims if self.quality is not None else ()
        rows = [(claim.rule, claim.standing, evidence_text(claim)) for claim in claims]
        yield table(("rule", "standing", "evidence or reason"), rows) if rows else "Not stated."

    def _example(self) -> Iterator[str]:
        name, values = self.example_name, example_values(self.form)
        command = f"typecase blocks create {self.slug} {name}"
        if values:
            yield "The fields in a file; secrets stay out of it:"
            body = yaml.safe_dump(values, sort_keys=False, allow_unicode=True).rstrip()
            yield f"```{{code-block}} yaml\n:caption: {name}.yaml\n\n{body}\n```"
            command += f" --from-file {name}.yaml"
        exports = []
        for path, value in example_secrets(self.form).items():
            variable = f"MY_{path.upper()}"
            exports.append(f"$ export {variable}={shlex.quote(value)}")
            command += f" --secret-from-env {path}={variable}"
        yield "Saved from the command line, which asks for what is missing:"
        yield "```console\n" + "\n".join([*exports, f"$ {command}"]) + "\n```"
        yield "Loaded in a flow:"
        variable = self.slug.split("-", maxsplit=1)[0]
        code = f'from {self.module} import {self.name}\n\n{variable} = {self.name}.load("{name}")'
        yield f"```python\n{code}\n```"


def evidence_text(claim: Claim) -> str:
    """What shows that a rule is kept, as code, or why it is not."""
    return ", ".join(f"`{named}`" for named in claim.evidence) or claim.reason


def field_rows(place: Place, seen: frozenset[int] = frozenset()) -> Iterator[tuple[str, ...]]:
    """Yield a row per field below `place`, with the fields of models in it; a recursive model once."""
    for item in place.fields():
        yield (
            f"`{item.path}`",
            item.words(),
            "yes" if item.required else "",
            "" if item.required or item.secret else default_text(item.schema),
            "yes" if item.secret or secret_inside(item) else "",
            item.help,
            example_text(item.example),
        )
        yield from rows_inside(item, seen)


def rows_inside(place: Place, seen: frozenset[int]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the models that a field, its items or its values are."""
    met = frozenset(map(id, place.options))
    if place.block or met & seen:
        return
    if place.model:
        yield from field_rows(place, seen | met)
    elif inner := inside(place):
        yield from rows_inside(inner, seen | met)


def inside(place: Place) -> Place | None:
    """The place of any item or value of a list or mapping."""
    for schema in place.options:
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), Mapping):
                return Place(schema[key], place.root, f"{place.path}.*")
    return None


def secret_inside(place: Place) -> bool:
    """Tell whether the items or values of a field are secret."""
    inner = None if place.block else inside(place)
    return inner is not None and inner.secret


def default_text(schema: Mapping[str, Any]) -> str:
    """The default as JSON, `none` for null, empty where the class makes one."""
    if "default" not in schema:
        return ""
    return "none" if schema["default"] is None else f"`{json.dumps(schema['default'])}`"


def example_text(value: Any) -> str:
    """An example as JSON, text without its quotes."""
    return "" if value is None else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def example_secrets(form: Place) -> dict[str, str]:
    """The secrets of the block's own example; without one the required ones, or else the first."""
    secrets = [item for item in form.fields() if item.secret]
    if form.example is not None:
        return {item.path: form.example[item.path] for item in secrets if item.path in form.example}
    shown = [item for item in secrets if item.required] or secrets[:1]
    return {item.path: item.example or "made-up-secret" for item in shown}


def example_values(form: Place) -> dict[str, Any]:
    """The plain fields of the block's own example; without one those that are required or show an example."""
    stand_ins = {"integer": 1, "boolean": True, "array": [], "object": {}}
    found: dict[str, Any] = {}
    for item in form.fields():
        if item.secret or secret_inside(item) or item.block:
            continue
        name = item.path
        if form.example is not None:
            found |= {name: form.example[name]} if name in form.example else {}
        elif item.example is not None:
            found[name] = item.example
        elif item.required:
            found[name] = stand_ins.get(str(item.options[0].get("type")) if item.options else "", "...")
    return found


def type_table(types: Iterable[Described], folder: str) -> str:
    """The table of block types."""
    rows = [
        (
            f"[{item.definition.title}]({folder}{item.slug}.md)",
            f"`{item.slug}`",
            ", ".join(item.definition.kinds),
            f"`{item.extra}`" if item.extra else "",
            item.definition.description,
        )
        for item in types
    ]
    return table(("block type", "slug", "kind", "extra", "what it is"), rows)


def catalog_index(types: list[Described]) -> str:
    """The catalog's front page."""
    names = "\n".join(item.slug for item in types)
    return f"""# Catalog

{NOTE}

The block types that come with Typecase. An extra brings the packages that using one needs: `pip install
'typecase[EXTRA]'`. Building, saving and loading a block needs none. `typecase types ls` lists what is installed,
other packages' types included.

{type_table(types, "")}

## Extras

`all` brings every one of them. Data frames, the keyring and a registry on PostgreSQL have extras of their own.

{extras_table()}

```{{toctree}}
:hidden:

{names}
```
"""


def extras_table() -> str:
    """The table of extras with the packages that they bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].items()
    return table(
        ("extra", "brings"), [(f"`{extra}`", ", ".join(f"`{need}`" for need in needs)) for extra, needs in extras]
    )


def errors_page() -> str:
    """The reference page of errors."""
    own = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, TypecaseError)]
    rows = [(f"`{cls.__name__}`", ", ".join(f"`{base}`" for base in also(cls)), summary(cls)) for cls in own]
    return f"""# Errors

{NOTE}

Every error derives from `TypecaseError` and is in `typecase.blocks.errors`. Its text says what happened and ends with
what to do next. `message`, `hint` and further facts are attributes. No error shows a secret value.

```python
from typecase.blocks import Block
from typecase.blocks.errors import DocumentNotFound

try:
    Block.load("prod-bd")
except DocumentNotFound as error:
    print(error.searched, error.near)
```

{table(("error", "is also", "meaning"), rows)}
"""


def also(cls: type[TypecaseError]) -> Iterator[str]:
    """Yield the parents of an error but for the root."""
    return (base.__name__ for base in cls.__bases__ if base is not TypecaseError and base is not Exception)


def summary(cls: type) -> str:
    """The docstring's first paragraph on one line."""
    return " ".join((cls.__doc__ or "").strip().partition("\n\n")[0].split())


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )


def replace_marked(text: str, part: str) -> str:
    """Put `part` between the markers."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"README.md lacks the markers {BEGIN} and {END}"
        raise SystemExit(message)
    return f"{before}{BEGIN}\n{part}\n{END}{after}"


def stale(found: Mapping[Path, str]) -> list[Path]:
    """The files that differ from what would be written, and pages of block types that are gone."""
    differing = [path for path, text in found.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    gone = [path for path in (DOCS / "catalog").glob("*.md") if path not in found]
    return sorted(differing + gone)


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="name stale files and exit 1, write nothing")
    check = parser.parse_args().check
    found = pages()
    changed = stale(found)
    for path in changed:
        print(f"{path.relative_to(ROOT)}{' is stale: run python docs/generate.py' if check else ''}")
        if not check and path in found:
            path.write_text(found[path], encoding="utf-8")
        elif not check:
            path.unlink()
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
