// An SMTP server on port 25 that keeps what it is sent (RFC 5321), and shows it as JSON at
// http://…:8025/messages.
const http = require('http');
const net = require('net');

const messages = [];

net.createServer((socket) => {
  const send = (line) => socket.write(`${line}\r\n`);
  let [buffered, message, envelope] = ['', null, {}];
  const command = (line) => {
    const [verb] = line.toUpperCase().split(' ');
    if (verb === 'EHLO') return send('250-sink\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN');
    if (verb === 'AUTH') return send('235 welcome');
    if (verb === 'MAIL') envelope = { from: line.slice(10), to: [] };
    if (verb === 'RCPT') envelope.to.push(line.slice(8));
    if (verb === 'DATA') {
      message = [];
      return send('354 go on');
    }
    send(verb === 'QUIT' ? '221 bye' : '250 fine');
    if (verb === 'QUIT') socket.end();
  };
  const take = (line) => {
    if (message === null) return command(line);
    if (line !== '.') return message.push(line.replace(/^\./, ''));
    messages.push({ ...envelope, text: message.join('\n') });
    message = null;
    send('250 kept');
  };
  send('220 sink');
  socket.on('error', () => {}).setEncoding('utf8').on('data', (data) => {
    const lines = (buffered + data).split('\r\n');
    buffered = lines.pop();
    lines.forEach(take);
  });
}).listen(25);

http.createServer((request, response) => response.end(JSON.stringify(messages))).listen(8025);
