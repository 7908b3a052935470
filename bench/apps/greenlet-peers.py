# Python's own greenlets on one figure, as JSON: `python3 greenlet-peers.py switch|gevent|asyncio|uvloop COUNT`, in microseconds;
# `greenlet-peers.py serve PORT` answers every request after 100 ms with gevent's own server.
import json
import sys
import time


def best_of(run, count):
    quickest = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        run()
        quickest = min(quickest, time.perf_counter() - began)
    return quickest / count * 1e6


def switch(count):
    from greenlet import getcurrent, greenlet

    main = getcurrent()

    def body():
        while True:
            main.switch()

    other = greenlet(body)

    def run():
        for _ in range(count):
            other.switch()

    return best_of(run, count)


def gevent_sleep(count):
    import gevent

    def run():
        for _ in range(count):
            gevent.sleep(0)

    return best_of(lambda: gevent.spawn(run).join(), count)


def asyncio_sleep(count):
    import asyncio

    async def run():
        for _ in range(count):
            await asyncio.sleep(0)

    return best_of(lambda: asyncio.run(run()), count)


def uvloop_sleep(count):
    import asyncio
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    return asyncio_sleep(count)


def serve(port):
    import gevent
    from gevent.pywsgi import WSGIServer

    def application(_environ, start_response):
        gevent.sleep(0.1)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
        return [b"waited"]

    WSGIServer(("127.0.0.1", port), application, log=None, backlog=2048).serve_forever()


if __name__ == "__main__":
    what = sys.argv[1]
    number = int(sys.argv[2])
    if what == "serve":
        serve(number)
    else:
        figures = {"switch": switch, "gevent": gevent_sleep, "asyncio": asyncio_sleep, "uvloop": uvloop_sleep}
        print(json.dumps({"micros": figures[what](number)}))
