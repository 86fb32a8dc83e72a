// Waits until each HOST:PORT accepts connections, for SECONDS at most in all.
// Arguments: SECONDS HOST:PORT...
// It has no dollar sign before a parenthesis or another: Kubernetes would expand them.
'use strict';
const net = require('net');
const ATTEMPT_MS = 2000;
const PAUSE_MS = 500;
const [seconds, ...targets] = process.argv.slice(1);
const deadline = Date.now() + Number(seconds) * 1000;

function connect (host, port) {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    const end = (connected) => { socket.destroy(); resolve(connected); };
    socket.setTimeout(ATTEMPT_MS, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

async function wait (target) {
  const colon = target.lastIndexOf(':');
  const [host, port] = [target.slice(0, colon), Number(target.slice(colon + 1))];
  let told = false;
  while (!(await connect(host, port))) {
    if (!told) console.log('waiting for ' + target);
    told = true;
    if (Date.now() > deadline) return console.log(target + ' does not answer; starting without it');
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

process.on('SIGTERM', () => process.exit(143));
Promise.all(targets.map(wait)).then(() => process.exit(0));
