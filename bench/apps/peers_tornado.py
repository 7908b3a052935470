"""The same on Tornado."""

import asyncio

import tornado.httpserver
import tornado.web
from peers_forked import listen_and_fork


class Hello(tornado.web.RequestHandler):
    def get(self):
        self.write("Hello, world!")


class Wait(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.sleep(0.1)
        self.write("waited")


async def main():
    app = tornado.web.Application([("/hello", Hello), ("/wait", Wait)], log_function=lambda handler: None)
    tornado.httpserver.HTTPServer(app).add_socket(listening)
    await asyncio.Event().wait()


listening = listen_and_fork()
asyncio.run(main())
