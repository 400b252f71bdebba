"""What the documentation site needs besides its pages; `mkdocs.yml` loads `hooks.py`."""
