// Waits until each HOST:PORT accepts connections, for SECONDS at most in all.
// Arguments: SECONDS HOST:PORT...
// It has no dollar sign before a parenthesis or another: Kubernetes would expand them.
const [seconds, ...targets] = process.argv.slice(1);
const deadline = Date.now() + seconds * 1000;
const pause = () => new Promise((resolve) => setTimeout(resolve, 500));

const accepts = (host, port) => new Promise((resolve) => {
  const socket = require('net').connect({ host, port, timeout: 2000 });
  const end = (event) => { socket.destroy(); resolve(event === 'connect'); };
  ['connect', 'timeout', 'error'].forEach((event) => socket.once(event, () => end(event)));
});

async function wait (target) {
  let told = false;
  while (!await accepts(...target.split(':'))) {
    if (!told) console.log('waiting for ' + target);
    told = true;
    if (Date.now() > deadline) return console.log(target + ' does not answer; starting without it');
    await pause();
  }
}

process.on('SIGTERM', () => process.exit(143));
Promise.all(targets.map(wait)).then(() => process.exit(0));
