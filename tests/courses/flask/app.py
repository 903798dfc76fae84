"""Counts visits in a file on a volume."""

import os
from pathlib import Path

from flask import Flask

app = Flask(__name__)
visits = Path(os.environ["DATA"])


@app.get("/")
def visit() -> str:
    count = int(visits.read_text()) + 1 if visits.exists() else 1
    visits.write_text(str(count))
    return f"{os.environ['GREETING']}, visitor {count}"
