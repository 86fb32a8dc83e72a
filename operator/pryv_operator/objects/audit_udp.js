// Writes each datagram that arrives on 127.0.0.1:PORT as one line to the output.
// Arguments: port, longest record in bytes.
// It has no dollar sign before a parenthesis or another: Kubernetes would expand them.
'use strict';
const dgram = require('dgram');
const [port, limit] = process.argv.slice(1).map(Number);

function line (record) {
  const text = record.subarray(0, limit).toString('utf8');
  const cut = record.length > limit ? ' [truncated]' : '';
  // One record is one line: a line break within it could pass for a record of its own.
  const escaped = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (character) => '\\u' + character.charCodeAt(0).toString(16).padStart(4, '0'));
  return escaped + cut + '\n';
}

const socket = dgram.createSocket('udp4');
socket.on('message', (record) => process.stdout.write(line(record)));
socket.on('error', (error) => {
  process.stderr.write('audit: ' + error.message + '\n');
  process.exit(1);
});
// Node.js leaves as PID 1 only when told; what has arrived is written first.
process.on('SIGTERM', () => setTimeout(() => process.exit(0), 200));
socket.bind(port, '127.0.0.1');
