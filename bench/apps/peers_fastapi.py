"""The same on FastAPI, for uvicorn."""

import asyncio

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

app = FastAPI()


@app.get("/hello", response_class=PlainTextResponse)
async def hello():
    return "Hello, world!"


@app.get("/wait", response_class=PlainTextResponse)
async def wait():
    await asyncio.sleep(0.1)
    return "waited"
