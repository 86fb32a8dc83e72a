// Connects to a TLS server for each host and reports whether its certificate is accepted.
// Input: {port, ca, hosts}; output: host → null, or the message of the error.
const fs = require('fs');
const net = require('net');
const tls = require('tls');

const given = JSON.parse(fs.readFileSync(0, 'utf8'));

function verify (host) {
  return new Promise((resolve) => {
    // An address is no server name; the certificate is compared with it all the same.
    const names = net.isIP(host) ? { host } : { servername: host };
    const socket = tls.connect({ host: '127.0.0.1', port: given.port, ca: given.ca, ...names });
    const done = (error) => {
      socket.destroy();
      resolve(error ? error.message : null);
    };
    socket.on('secureConnect', () => done(null)).on('error', done);
  });
}

async function main () {
  const found = {};
  for (const host of given.hosts) found[host] = await verify(host);
  process.stdout.write(JSON.stringify(found));
}

main();
