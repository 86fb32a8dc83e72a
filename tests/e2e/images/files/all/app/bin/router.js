// The program router of releases 1.4 to 1.6, in front of core's processes: a line in syslog for each
// call. Its code is not public; known are its arguments and its socket (compose files), its port
// (nginx' files), and that it takes calls for core.
// Arguments: `--core-audit HOST:PORT`, for each process of core.
const http = require('http');
const { unixSyslog } = require('./lib/unix_syslog');

const targets = process.argv.slice(2).filter((argument) => argument !== '--core-audit').map((target) => {
  const [hostname, port] = target.split(':');
  return { hostname, port: Number(port) };
});
if (!targets.length) throw new Error('no --core-audit');
const record = unixSyslog('/dev/log', 'router');
let next = 0;

http.createServer((request, response) => {
  const { headers, method, url } = request;
  const forwarded = http.request({ ...targets[next++ % targets.length], headers, method, path: url }, (answer) => {
    record(JSON.stringify({ method, host: headers.host, url, status: answer.statusCode }));
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  forwarded.on('error', (error) => response.headersSent ? response.destroy() : response.writeHead(502).end(error.message));
  request.pipe(forwarded);
}).listen(1337, () => console.log(`in front of ${targets.length} processes`));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
