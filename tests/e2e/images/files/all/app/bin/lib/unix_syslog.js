// Writes lines to the datagram socket of syslog, with the program logger: Node.js has no such
// sockets, and the module that the originals use has to be compiled.
const { spawn } = require('child_process');

/** A function that writes a line. The socket is opened with the first one; its loss ends the process. */
function unixSyslog (path, tag) {
  let logger;
  return (line) => {
    if (!logger) {
      const options = ['--socket', path, '--socket-errors=on', '--tag', tag];
      logger = spawn('logger', options, { stdio: ['pipe', 'inherit', 'inherit'] });
      logger.on('exit', (code) => { throw new Error(`logger has ended with ${code}`); });
    }
    logger.stdin.write(`${line}\n`);
  };
}

module.exports = { unixSyslog };
