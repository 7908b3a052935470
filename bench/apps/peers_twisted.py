"""The same on Twisted."""

import socket

from peers_forked import listen_and_fork

# The reactor is made when it is imported, and each process needs its own.
listening = listen_and_fork()

from twisted.internet import reactor  # noqa: E402
from twisted.web import resource, server  # noqa: E402


class Hello(resource.Resource):
    isLeaf = True

    def render_GET(self, _request):
        return b"Hello, world!"


class Wait(resource.Resource):
    isLeaf = True

    def render_GET(self, request):
        answer = reactor.callLater(0.1, self.answer, request)
        request.notifyFinish().addErrback(lambda _gone: answer.cancel())
        return server.NOT_DONE_YET

    def answer(self, request):
        request.write(b"waited")
        request.finish()


root = resource.Resource()
root.putChild(b"hello", Hello())
root.putChild(b"wait", Wait())


class Site(server.Site):
    def log(self, _request):
        pass


reactor.adoptStreamPort(listening.fileno(), socket.AF_INET, Site(root))
reactor.run()
