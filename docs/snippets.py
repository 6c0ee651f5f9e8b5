"""Runs every snippet of pages, in order, in an empty home: `python docs/snippets.py docs/tutorial.md README.md`.

What runs, and what is compared:

- `python`: executed; the snippets of a page share their names. With `>>>` the output is compared.
- `console`: each line after `$ ` runs in a shell (continued after a backslash by lines after `> `); output that
  the page shows is compared, `...` stands for anything. A command may fail only where the next one is `echo $?`.
  `pip install` and `./dev` are not run: that the extra, or the command, exists is checked.
- `json`, `yaml`, `toml`: parsed. `text`: neither run nor compared.
- A `{code-block}` with a `:caption:` is the file of that name, written for the snippets after it.
"""

import ast
import doctest
import json
import os
import pty
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.metadata import metadata
from pathlib import Path

import yaml
from sybil import Document, Example, Region
from sybil.evaluators.doctest import OutputChecker
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser

ROOT = Path(__file__).resolve().parent.parent
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
LANGUAGES = {"python", "console", "json", "yaml", "toml", "text"}
EXTRAS = set(metadata("typecase").get_all("Provides-Extra") or ())


class Captioned:
    """Parses `{code-block}` with a caption: a file that later snippets find."""

    def __init__(self) -> None:
        self._blocks = [CodeBlockParser(language, write_file) for language in sorted(LANGUAGES)]

    def __call__(self, document: Document) -> Iterator[Region]:
        for parser in self._blocks:
            yield from (region for region in parser(document) if caption_of(region))


class Plain:
    """Parses what `parser` parses, except files."""

    def __init__(self, parser: CodeBlockParser | PythonCodeBlockParser) -> None:
        self._parser = parser

    def __call__(self, document: Document) -> Iterator[Region]:
        files = [(region.start, region.end) for region in Captioned()(document)]
        for region in self._parser(document):
            if not any(start <= region.start < end for start, end in files):
                yield region


def caption_of(region: Region) -> str:
    """The file name that a `{code-block}` gives in its caption."""
    return str((region.lexemes.get("options") or {}).get("caption", ""))


def write_file(example: Example) -> str | None:
    """Write the file, which must be well-formed."""
    path = Path(caption_of(example.region))
    text = str(example.parsed)
    problem = malformed(path.suffix.removeprefix("."), text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return problem


def parse_data(example: Example) -> str | None:
    """Parse the JSON, YAML or TOML of a snippet."""
    return malformed(str(example.region.lexemes["arguments"]), str(example.parsed))


def malformed(language: str, text: str) -> str | None:
    """Say what is wrong with `text` as a `language`."""
    parsers: dict[str, Callable[[str], object]] = {
        "json": json.loads,
        "yaml": yaml.safe_load,
        "yml": yaml.safe_load,
        "toml": tomllib.loads,
        "py": ast.parse,
    }
    try:
        parsers.get(language, str)(text)
    except (ValueError, SyntaxError, yaml.YAMLError) as error:
        return f"not {language}: {error}"
    return None


def skip(_: Example) -> None:
    """Neither run nor compare."""


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with the output that is shown for it."""
    command: str | None = None
    shown: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            if command is not None:
                yield command, "\n".join(shown)
            command, shown = line.removeprefix("$ "), []
        elif command is None:
            message = f"a console snippet starts with '$ ', not with {line!r}"
            raise ValueError(message)
        elif line.startswith("> ") and command.endswith("\\") and not shown:
            command = command[:-1] + line.removeprefix("> ")
        else:
            shown.append(line)
    if command is not None:
        yield command, "\n".join(shown)


def run_console(example: Example) -> str | None:
    """Run the commands of a block; return the first surprise."""
    last = 0
    block = list(commands(str(example.parsed)))
    following = [command for command, _ in block[1:]] + [""]
    for (command, shown), after in zip(block, following, strict=True):
        words = shlex.split(command, comments=True)
        if words[0] == "export":
            os.environ.update(environment_after(command))
        elif words[0] in {"pip", "./dev"}:
            problem = unknown_extras(words) if words[0] == "pip" else unknown_dev_command(words)
            if problem:
                return problem
        else:
            last, printed = run_in_terminal(f"(exit {last})\n{command}")
            if shown.strip() and not OutputChecker().check_output(f"{shown}\n", printed, FLAGS):
                return f"$ {command}\n--- the page shows\n{shown}\n--- it printed\n{printed}"
            if last and after != "echo $?":
                return f"$ {command}\nended with {last}:\n{printed}"
    return None


def run_in_terminal(command: str) -> tuple[int, str]:
    """Run a shell command whose output goes to a terminal; return its exit code and what a person sees."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        # Linux ends a terminal that nobody writes to any more with an error.
        with suppress(OSError):
            while part := os.read(ours, 65536):
                seen += part
    os.close(ours)
    return process.returncode, seen.decode(errors="replace").replace("\r\n", "\n")


def environment_after(command: str) -> dict[str, str]:
    """The variables of a shell that ran `command`."""
    done = subprocess.run(["sh", "-c", f"{command}\nenv -0"], capture_output=True, text=True, check=True)
    return dict(item.split("=", 1) for item in done.stdout.split("\0") if item)


def unknown_extras(words: list[str]) -> str | None:
    """Say which extra of a `pip install` line there is not."""
    asked = {
        extra for word in words for group in re.findall(r"typecase\[([^]]*)\]", word) for extra in group.split(",")
    }
    missing = sorted(asked - EXTRAS)
    return f"no such extra: {', '.join(missing)}" if missing else None


def unknown_dev_command(words: list[str]) -> str | None:
    """Say that `./dev` has no such command."""
    usage = (ROOT / "dev").read_text(encoding="utf-8")
    return None if re.search(rf"^  {re.escape(words[1])}  ", usage, re.MULTILINE) else f"./dev has no {words[1]}"


def unlabelled(text: str) -> Iterator[str]:
    """Yield the fences that say no language, or one that nothing is done about."""
    blocks = RawFencedCodeBlockLexer(re.compile(r"(?P<info>[^\n]*)\n"))(Document(text, ""))
    for region in blocks:
        info = str(region.lexemes["info"]).strip()
        language = info.removeprefix("{code-block}").strip()
        if (language == info and info.startswith("{")) or language in LANGUAGES:
            continue
        line = text.count("\n", 0, region.start) + 1
        yield f"line {line}: ```{info} is none of {', '.join(sorted(LANGUAGES))}"


PARSERS: tuple[Callable[[Document], Iterable[Region]], ...] = (
    Captioned(),
    Plain(PythonCodeBlockParser(doctest_optionflags=FLAGS)),
    Plain(CodeBlockParser("console", run_console)),
    Plain(CodeBlockParser("text", skip)),
    *(Plain(CodeBlockParser(language, parse_data)) for language in ("json", "yaml", "toml")),
)


def run_page(page: Path) -> int:
    """Run the snippets of `page` in the current directory; return how many there were."""
    document = Document.parse(str(page), *PARSERS)
    problems = list(unlabelled(document.text))
    if problems:
        raise AssertionError("\n".join(problems))
    count = 0
    for example in document.examples():
        try:
            example.evaluate()
        except BaseException:
            sys.stderr.write(f"{page}:{example.line}\n")
            raise
        count += 1
    return count


def in_empty_home(page: Path) -> int:
    """Run `page` where nothing of this machine's user is seen."""
    with tempfile.TemporaryDirectory(prefix="typecase-docs-", ignore_cleanup_errors=True) as folder:
        home = Path(folder).resolve()
        work = home / "work"
        work.mkdir()
        hidden = ("TYPECASE_", "PG", "XDG_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        environment |= {
            "HOME": str(home),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "TERM": "dumb",
        }
        return subprocess.run(
            [sys.executable, __file__, "--here", str(page.resolve())], cwd=work, env=environment, check=False
        ).returncode


def main(arguments: Iterable[str]) -> int:
    """Run the pages named."""
    first, *others = arguments
    if first != "--here":
        return max(in_empty_home(Path(page)) for page in (first, *others))
    sys.path.insert(0, str(Path.cwd()))
    for name in others:
        page = Path(name)
        print(f"{page}: {run_page(page)} snippets ran")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
