// Drives `callbox relay --control` by the package toxiproxy-node-client, unchanged, and looks at the effects on sockets.
//
// Usage: node client.js URL [api]; with `api` what toxics do to bytes is not looked at. NODE_PATH says where the package is.
"use strict";

const assert = require("node:assert");
const net = require("node:net");
const { Toxiproxy } = require("toxiproxy-node-client");

function echoServer() {
  const server = net.createServer((stream) => {
    stream.on("error", () => {});
    stream.pipe(stream);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

function connect(proxy) {
  const [host, port] = proxy.listen.split(":");
  return new Promise((resolve, reject) => {
    const stream = net.connect(Number(port), host, () => resolve(stream));
    stream.on("error", reject);
  });
}

async function refuses(proxy) {
  try {
    (await connect(proxy)).destroy();
    return false;
  } catch (error) {
    assert.strictEqual(error.code, "ECONNREFUSED");
    return true;
  }
}

// Resolves with what comes until there are `count` bytes or the stream ends; a reset is an error.
function receive(stream, count) {
  return new Promise((resolve, reject) => {
    let data = Buffer.alloc(0);
    stream.on("data", (more) => {
      data = Buffer.concat([data, more]);
      if (data.length >= count) resolve(data);
    });
    stream.on("end", () => resolve(data));
    stream.on("error", reject);
  });
}

async function roundTrip(proxy, message = "hello") {
  const stream = await connect(proxy);
  const started = performance.now();
  stream.write(message);
  const data = await receive(stream, message.length);
  stream.destroy();
  assert.strictEqual(data.toString(), message);
  return performance.now() - started;
}

async function fails(promise, status) {
  await assert.rejects(promise, (error) => {
    assert.strictEqual(error.message, `Request failed with status code ${status}`);
    return true;
  });
}

async function driveApi(toxiproxy, upstream, other) {
  assert.ok((await toxiproxy.getVersion()).data.version);
  assert.deepStrictEqual(await toxiproxy.getAll(), {});
  const proxy = await toxiproxy.createProxy({ name: "echo", listen: "localhost:0", upstream });
  assert.match(proxy.listen, /^127\.0\.0\.1:[1-9]/);
  assert.strictEqual(proxy.enabled, true);
  await fails(toxiproxy.createProxy({ name: "echo", listen: "localhost:0", upstream }), 409);
  await fails(toxiproxy.get("other"), 404);
  await roundTrip(proxy);

  const stream = await connect(proxy);
  // Listens before it comes: an end that nobody listens to is not told again.
  const ending = receive(stream, 1);
  const off = await proxy.update({ enabled: false, listen: proxy.listen, upstream });
  assert.strictEqual(off.enabled, false);
  assert.strictEqual((await ending).length, 0);
  stream.destroy();
  assert.ok(await refuses(proxy));
  const on = await proxy.update({ enabled: true, listen: proxy.listen, upstream: other });
  assert.deepStrictEqual([on.enabled, on.upstream, on.listen], [true, other, proxy.listen]);
  await roundTrip(proxy);

  const toxic = await proxy.addToxic({
    name: "slow", type: "latency", stream: "upstream", toxicity: 1, attributes: { latency: 0, jitter: 0 },
  });
  assert.deepStrictEqual(toxic.toJson(), {
    attributes: { latency: 0, jitter: 0 }, name: "slow", stream: "upstream", toxicity: 1, type: "latency",
  });
  const changed = await toxic.update({ ...toxic.toJson(), toxicity: 0.5, attributes: { latency: 7 } });
  assert.deepStrictEqual([changed.toxicity, changed.attributes], [0.5, { latency: 7, jitter: 0 }]);
  assert.deepStrictEqual((await proxy.getToxic("slow")).toJson(), changed.toJson());
  await fails(proxy.addToxic({ name: "slow", type: "timeout", attributes: { timeout: 0 } }), 409);
  await fails(proxy.addToxic({ name: "down", type: "down", attributes: {} }), 400);
  await toxic.remove();
  await fails(toxic.remove(), 404);

  await proxy.addToxic({ type: "slicer", attributes: { average_size: 1, size_variation: 0, delay: 0 } });
  await toxiproxy.reset();
  await fails(proxy.getToxic("slicer_downstream"), 404);
  const made = await toxiproxy.populate([
    { name: "one", listen: "localhost:0", upstream },
    { name: "two", listen: "localhost:0", upstream: other, enabled: false },
  ]);
  assert.deepStrictEqual(Object.keys(made), ["one", "two"]);
  await roundTrip(made.one);
  assert.strictEqual(made.two.enabled, false);
  const all = await toxiproxy.getAll();
  assert.deepStrictEqual(Object.keys(all), ["echo", "one", "two"]);
  for (const one of Object.values(all)) await one.remove();
  assert.ok(await refuses(proxy));
}

async function driveEffects(toxiproxy, upstream) {
  const proxy = await toxiproxy.createProxy({ name: "echo", listen: "localhost:0", upstream });
  const attach = (type, attributes, stream) => proxy.addToxic({ type, attributes, stream });

  const latency = await attach("latency", { latency: 50 });
  await latency.update({ attributes: { latency: 300 } });
  assert.ok((await roundTrip(proxy)) >= 295);
  await latency.remove();

  await attach("bandwidth", { rate: 10 }, "upstream");
  assert.ok((await roundTrip(proxy, "x".repeat(6000))) >= 395);
  await toxiproxy.reset();

  await attach("limit_data", { bytes: 5 });
  let stream = await connect(proxy);
  stream.write("hello world");
  assert.strictEqual((await receive(stream, 100)).toString(), "hello");
  stream.destroy();
  await toxiproxy.reset();

  await attach("timeout", { timeout: 200 });
  stream = await connect(proxy);
  stream.write("hello");
  assert.strictEqual((await receive(stream, 1)).length, 0);
  stream.destroy();
  await toxiproxy.reset();

  await attach("reset_peer", { timeout: 0 }, "upstream");
  stream = await connect(proxy);
  stream.write("hello");
  await assert.rejects(receive(stream, 1), { code: "ECONNRESET" });
  await toxiproxy.reset();
  await roundTrip(proxy);
  await proxy.remove();
}

async function main() {
  const [url, part] = process.argv.slice(2);
  const servers = [await echoServer(), await echoServer()];
  const [upstream, other] = servers.map((server) => `127.0.0.1:${server.address().port}`);
  const toxiproxy = new Toxiproxy(url);
  await driveApi(toxiproxy, upstream, other);
  if (part !== "api") await driveEffects(toxiproxy, upstream);
  console.log("done");
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
