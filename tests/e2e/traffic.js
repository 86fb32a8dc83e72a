// Requests at a steady rate until stdin ends, each on a connection of its own: what arrived?
// Argument: [{name, rate, url, address, headers}] or [{name, rate, dns, address}] as JSON. Output:
// for each name, how many were sent, sent again and failed, the errors, and the longest time
// without an answer.
const dgram = require('dgram');
const https = require('https');

const RATE = 20; // a second, unless the target says otherwise
const PATIENCE = 5000; // ms, after which a request has failed
const seen = {};

function get ({ url, address, headers, agent }) {
  return new Promise((resolve, reject) => {
    const lookup = (_host, { all }, done) => all ? done(null, [{ address, family: 4 }]) : done(null, address, 4);
    const request = https.get(url, { agent, headers, lookup, timeout: PATIENCE }, (response) => {
      response.on('error', reject).on('end', () => response.statusCode < 300 ? resolve() : reject(new Error(`status ${response.statusCode}`))).resume();
    });
    request.on('timeout', () => request.destroy(new Error('no answer'))).on('error', reject);
  });
}

/** As resolvers do: a packet of UDP may be lost on any network. */
function askTwice (target, found) {
  return ask(target).catch(() => {
    found.resent++;
    return ask(target);
  });
}

/** A query for an A record, as RFC 1035 has it; an answer without a record is a failure. */
function ask ({ dns, address }) {
  return new Promise((resolve, reject) => {
    const labels = dns.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
    const id = Math.floor(Math.random() * 65536);
    const query = Buffer.concat([Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), ...labels, Buffer.from([0, 0, 1, 0, 1])]);
    const socket = dgram.createSocket('udp4');
    const end = (error) => { clearTimeout(timer); socket.close(); error ? reject(error) : resolve(); };
    const timer = setTimeout(() => end(new Error('no answer')), PATIENCE / 2);
    socket.on('error', end).on('message', (answer) => end(answer.readUInt16BE(6) > 0 ? undefined : new Error('no record')));
    socket.send(query, 53, address);
  });
}

function start (target, delay) {
  target.agent = new https.Agent({ keepAlive: false });
  const found = seen[target.name] = { sent: 0, resent: 0, failed: 0, errors: {}, away: 0 };
  let answered = Date.now();
  const one = async () => {
    const sent = Date.now();
    found.sent++;
    try {
      await (target.dns ? askTwice(target, found) : get(target));
      // Two answers in a row: how long nobody who asked in between was answered.
      if (sent > answered) {
        if (found.failing) found.away = Math.max(found.away, Date.now() - found.failing);
        found.failing = undefined;
        answered = sent;
      }
    } catch (error) {
      found.failed++;
      found.failing ??= sent;
      const message = error.code ?? error.message;
      found.errors[message] = (found.errors[message] ?? 0) + 1;
    }
  };
  const running = new Set();
  return new Promise((resolve) => setTimeout(() => {
    const timer = setInterval(() => { const each = one().finally(() => running.delete(each)); running.add(each); }, 1000 / (target.rate ?? RATE));
    resolve(async () => { clearInterval(timer); await Promise.all(running); });
  }, delay));
}

async function main () {
  const targets = JSON.parse(process.argv[2]);
  const stops = await Promise.all(targets.map((target, index) => start(target, index * 1000 / RATE / targets.length)));
  console.log('started');
  await new Promise((resolve) => process.stdin.on('end', resolve).resume());
  await Promise.all(stops.map((stop) => stop()));
  console.log(JSON.stringify(seen));
}

main();
