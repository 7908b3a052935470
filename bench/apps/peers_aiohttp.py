"""The same on aiohttp."""

import asyncio

from aiohttp import web
from peers_forked import listen_and_fork


async def hello(_request):
    return web.Response(text="Hello, world!")


async def wait(_request):
    await asyncio.sleep(0.1)
    return web.Response(text="waited")


app = web.Application()
app.add_routes([web.get("/hello", hello), web.get("/wait", wait)])
web.run_app(app, sock=listen_and_fork(), access_log=None, print=None)
