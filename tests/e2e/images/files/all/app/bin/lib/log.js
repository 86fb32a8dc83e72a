// The logger that @pryv/boiler 1.2.4 (src/logging.js) makes of `logs`: the console, and a file
// that is called FILE.YYYY-MM-DD if it is rotated.
const winston = require('winston');
require('winston-daily-rotate-file');

const { combine, json, printf, timestamp } = winston.format;
const LINE = printf((line) => `${line.timestamp} [${line.level}]: ${line.message}`);

function createLogger (settings) {
  const logger = winston.createLogger({});
  const { active, level } = settings.get('logs:console') ?? {};
  const format = combine(timestamp(), LINE);
  logger.add(new winston.transports.Console({ format, level: level ?? 'info', silent: active === false }));
  const file = settings.get('logs:file') ?? {};
  if (file.active) logger.add(fileTransport(file));
  return logger;
}

function fileTransport ({ path, level, rotation }) {
  const format = combine(timestamp(), json());
  if (!rotation?.isActive) return new winston.transports.File({ filename: path, level, format, maxsize: 10 << 20 });
  return new winston.transports.DailyRotateFile({
    filename: `${path}.%DATE%`,
    datePattern: 'YYYY-MM-DD',
    zippedArchive: true,
    level,
    maxFiles: rotation.days ? `${rotation.days}d` : null,
    format
  });
}

module.exports = { createLogger };
