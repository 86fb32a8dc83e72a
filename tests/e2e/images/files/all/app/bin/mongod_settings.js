// What the file of mongod says, as variables for a shell.
const fs = require('fs');
const yaml = require('js-yaml');

const quote = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;
const { net = {}, storage, systemLog } = yaml.load(fs.readFileSync(process.argv[2], 'utf8'));
if (systemLog?.destination !== 'file') throw new Error('systemLog.destination: only "file" is known here');
const found = {
  bind_ip: net.bindIp ?? process.env.DEFAULT_BIND_IP ?? '127.0.0.1',
  port: net.port ?? 27017,
  db_path: storage.dbPath.replace(/\/$/, ''),
  log_path: systemLog.path
};
for (const [name, value] of Object.entries(found)) console.log(`${name}=${quote(value)}`);
