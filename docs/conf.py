"""The documentation site: Sphinx with MyST pages. `./dev docs` builds it."""

from importlib.metadata import version as version_of

project = "Typecase"
author = "The Typecase authors"
copyright = "The Typecase authors"  # noqa: A001 - Sphinx's own name for it
version = release = version_of("typecase")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
# Fragments become the changelog; examples are shown by the pages that explain them.
exclude_patterns = ["changes", "examples", "_build"]
source_suffix = {".md": "markdown"}
root_doc = "index"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Docstrings write names between single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "show-inheritance": True, "exclude-members": "model_config"}
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
add_module_names = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = "Typecase"
html_copy_source = False
html_show_sphinx = False
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
