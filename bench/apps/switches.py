"""What a switch costs in Python: prints JSON with nanoseconds, null for what is not installed.

Each figure is the median of several tries after one that warms up.
"""

import asyncio
import json
import statistics
import time

ROUNDS = 100_000
TRIES = 5


def timed(run):
    """Nanoseconds for each of the rounds of `run(rounds)`."""

    def once():
        began = time.perf_counter_ns()
        run(ROUNDS)
        return (time.perf_counter_ns() - began) / ROUNDS

    once()
    return statistics.median(once() for _ in range(TRIES))


def greenlet_round_trip():
    import greenlet

    parent = greenlet.getcurrent()

    def child():
        switch = parent.switch
        while True:
            switch()

    switch = greenlet.greenlet(child).switch
    switch()

    def there_and_back(rounds):
        for _ in range(rounds):
            switch()

    return timed(there_and_back)


def gevent_sleep():
    import gevent

    sleep = gevent.sleep

    def sleeps(rounds):
        for _ in range(rounds):
            sleep(0)

    return timed(sleeps)


def asyncio_sleep(new_loop):
    async def sleeps(rounds):
        for _ in range(rounds):
            await asyncio.sleep(0)

    loop = new_loop()
    try:
        return timed(lambda rounds: loop.run_until_complete(sleeps(rounds)))
    finally:
        loop.close()


def uvloop_sleep():
    import uvloop

    return asyncio_sleep(uvloop.new_event_loop)


def unless_missing(measure):
    try:
        return measure()
    except ImportError:
        return None


print(
    json.dumps(
        {
            "greenletRoundTripNs": unless_missing(greenlet_round_trip),
            "geventSleepNs": unless_missing(gevent_sleep),
            "asyncioSleepNs": asyncio_sleep(asyncio.new_event_loop),
            "uvloopSleepNs": unless_missing(uvloop_sleep),
        }
    )
)
