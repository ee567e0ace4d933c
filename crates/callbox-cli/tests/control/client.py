"""Drives `callbox relay --control` by the package toxiproxy-python, unchanged, and looks at the effects on sockets.

Usage: client.py URL [api]; with `api` what toxics do to bytes is not looked at.
"""

import socket
import sys
import threading
import time

import requests
from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists


def echo_server():
    """Echoes until it gets an end of stream, then ends its own."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(stream):
        with stream:
            try:
                while data := stream.recv(65536):
                    stream.sendall(data)
            except OSError:
                pass

    def accept():
        while True:
            stream, _ = listener.accept()
            threading.Thread(target=talk, args=(stream,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return "127.0.0.1:%d" % listener.getsockname()[1]


def connect(proxy):
    host, port = proxy.listen.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=20)


def refuses(proxy):
    try:
        connect(proxy).close()
    except ConnectionRefusedError:
        return True
    return False


def receive(stream, count):
    data = b""
    while len(data) < count and (more := stream.recv(65536)):
        data += more
    return data


def round_trip(proxy, message=b"hello"):
    with connect(proxy) as stream:
        started = time.monotonic()
        stream.sendall(message)
        data = receive(stream, len(message))
        took = time.monotonic() - started
    assert data == message, data
    return took


def raises(kind, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except kind:
        return
    raise AssertionError("%r raised no %s" % (call, kind.__name__))


def drive_api(server, url, upstream):
    assert server.running()
    assert b"version" in server.version()
    assert server.proxies() == {}
    proxy = server.create(upstream=upstream, name="echo")
    assert proxy.enabled and proxy.upstream == upstream and not proxy.listen.endswith(":0"), vars(proxy)
    assert server.get_proxy("echo").listen == proxy.listen
    assert server.get_proxy("other") is None
    raises(ProxyExists, server.create, upstream=upstream, name="echo")
    round_trip(proxy)

    with connect(proxy) as stream, proxy.down():
        assert stream.recv(1) == b"", "an end of stream"
        assert refuses(proxy)
    round_trip(proxy)

    proxy.add_toxic(type="latency", attributes={"latency": 0, "jitter": 0})
    proxy.add_toxic(name="slow", type="bandwidth", stream="upstream", toxicity=0.5, attributes={"rate": 1000})
    assert list(proxy.toxics()) == ["slow", "latency_downstream"], proxy.toxics()
    slow = proxy.get_toxic("slow")
    assert (slow.type, slow.stream, slow.toxicity, slow.attributes) == ("bandwidth", "upstream", 0.5, {"rate": 1000})
    raises(ProxyExists, proxy.add_toxic, name="slow", type="latency")
    raises(InvalidToxic, proxy.add_toxic, type="latency", stream="lolstream")
    raises(InvalidToxic, proxy.add_toxic, type="gravity")
    proxy.destroy_toxic("slow")
    raises(NotFound, proxy.destroy_toxic, "slow")
    assert list(proxy.toxics()) == ["latency_downstream"]

    proxy.disable()
    assert refuses(proxy)
    assert server.reset()
    assert server.get_proxy("echo").enabled and proxy.toxics() == {}
    round_trip(proxy)

    made = server.populate([
        {"name": "one", "upstream": upstream, "listen": "localhost:0"},
        {"name": "two", "upstream": upstream, "listen": "127.0.0.1:0", "enabled": False},
    ])
    assert [one.name for one in made] == ["one", "two"]
    round_trip(made[0])
    assert not made[1].enabled
    assert requests.get(url + "/not_found").text == "404 page not found\n"
    assert requests.get(url + "/proxies", headers={"Origin": "null"}).status_code == 403
    server.destroy_all()
    assert server.proxies() == {}
    assert refuses(proxy)


def drive_effects(server, upstream):
    proxy = server.create(upstream=upstream, name="echo")

    proxy.add_toxic(type="latency", attributes={"latency": 150})
    proxy.add_toxic(type="latency", stream="upstream", attributes={"latency": 150})
    assert round_trip(proxy) >= 0.3
    server.reset()

    proxy.add_toxic(type="bandwidth", attributes={"rate": 10})
    assert round_trip(proxy, b"x" * 6000) >= 0.4
    server.reset()

    proxy.add_toxic(type="slicer", attributes={"average_size": 10, "size_variation": 5, "delay": 10})
    round_trip(proxy, bytes(range(256)) * 8)
    server.reset()

    proxy.add_toxic(type="limit_data", attributes={"bytes": 5})
    with connect(proxy) as stream:
        stream.sendall(b"hello world")
        assert receive(stream, 100) == b"hello"
    server.reset()

    proxy.add_toxic(type="slow_close", attributes={"delay": 300})
    with connect(proxy) as stream:
        stream.shutdown(socket.SHUT_WR)
        started = time.monotonic()
        assert stream.recv(1) == b""
        assert time.monotonic() - started >= 0.3
    server.reset()

    proxy.add_toxic(type="timeout", attributes={"timeout": 0})
    with connect(proxy) as stream:
        stream.sendall(b"hello")
        stream.settimeout(0.3)
        raises(socket.timeout, stream.recv, 1)
        stream.settimeout(20)
        proxy.destroy_toxic("timeout_downstream")
        assert stream.recv(1) == b"", "what was held is lost, so the connection ends"

    proxy.add_toxic(type="reset_peer", stream="upstream", attributes={"timeout": 0})
    with connect(proxy) as stream:
        stream.sendall(b"hello")
        raises(ConnectionResetError, stream.recv, 1)
    server.reset()
    round_trip(proxy)
    server.destroy_all()


def main():
    url = sys.argv[1]
    host, port = url.removeprefix("http://").rsplit(":", 1)
    server = Toxiproxy()
    server.update_api_consumer(host, int(port))
    upstream = echo_server()
    drive_api(server, url, upstream)
    if sys.argv[2:] != ["api"]:
        drive_effects(server, upstream)
    print("done")


main()
