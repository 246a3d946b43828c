"""The API of the story: asynchronous, JSON, with a health check and structured logs.

uvicorn main:app --port 8000 --no-access-log
"""

import json
import logging
import sys

from fastapi import FastAPI


class JsonLines(logging.Formatter):
    """One JSON object a line, as log collectors like it."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {
                "time": self.formatTime(record),
                "level": record.levelname,
                "logger": record.name,
                "message": record.getMessage(),
            }
        )


handler = logging.StreamHandler(sys.stderr)
handler.setFormatter(JsonLines())
logging.basicConfig(level=logging.INFO, handlers=[handler])

app = FastAPI()


@app.get("/load-test")
async def load_test() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}
