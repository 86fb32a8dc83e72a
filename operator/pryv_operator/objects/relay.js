// Passes connections to 127.0.0.1:PORT on to ADDRESS:PORT. A connection waits until it is accepted there.
// Arguments: ADDRESS PORT...
// It has no dollar sign before a parenthesis or another: Kubernetes would expand them.
'use strict';
const net = require('net');
const ATTEMPT_MS = 1000;
const PAUSE_MS = 100;
// What was sent and is not answered for so long went to a pod that is gone.
const SILENCE_MS = 15000;
const [address, ...ports] = process.argv.slice(1);

function accept (client, port) {
  let store;
  let silence;
  let ended = false;
  const end = () => {
    ended = true;
    clearTimeout(silence);
    client.destroy();
    store.destroy();
  };

  function attempt () {
    if (ended) return;
    store = net.connect({ host: address, port, timeout: ATTEMPT_MS });
    store.setNoDelay(true);
    store.on('error', () => {});
    store.on('timeout', () => store.destroy());
    store.once('close', again);
    store.once('connect', pass);
  }

  function again () {
    setTimeout(attempt, PAUSE_MS);
  }

  function pass () {
    store.removeListener('close', again);
    store.setTimeout(0);
    store.on('close', end);
    client.on('data', () => { silence = silence || setTimeout(end, SILENCE_MS); });
    store.on('data', () => { clearTimeout(silence); silence = undefined; });
    client.pipe(store);
    store.pipe(client);
  }

  client.setNoDelay(true);
  client.on('error', () => {});
  client.on('close', end);
  attempt();
}

ports.map(Number).forEach((port) => {
  net.createServer((client) => accept(client, port)).listen(port, '127.0.0.1');
});
process.on('SIGTERM', () => process.exit(0));
