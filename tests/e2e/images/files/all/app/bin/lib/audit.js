// The audit trail of service-core 1.9.2 (components/audit): a record of each API call, to syslog and
// to a file of the account, each with a filter of its own. Failed calls are records, too.
const fs = require('fs');
const winston = require('winston');
require('winston-syslog');
const { createId } = require('./stores');
const { unixSyslog } = require('./unix_syslog');

// components/audit/config/default-syslog-path.js, on Linux
const DEFAULT_PATH = '/dev/log';

/** Syslog by the network, with the original's library. */
function syslog (options) {
  const logger = winston.createLogger({
    levels: winston.config.syslog.levels,
    format: winston.format.printf((line) => line.message)
  });
  logger.add(new winston.transports.Syslog(options));
  return (message, level) => logger.log({ level, message });
}

function createAudit (settings, accounts) {
  // Before 1.7 the router records the calls.
  if (settings.get('older')) return () => {};
  const { filter, formats, options } = settings.get('audit:syslog');
  const write = options.protocol === 'unix' ? unixSyslog(options.path ?? DEFAULT_PATH, options.app_name) : syslog(options);
  const stored = settings.get('audit:storage:filter');

  /** Write a record; `error` is of a failed call. */
  return function record (action, account, context, error) {
    const time = Date.now() / 1000;
    const event = {
      id: createId(),
      createdBy: 'system',
      streamIds: [`:_audit:access-${context.access?.id ?? (error ? 'invalid' : 'public')}`, `:_audit:action-${action}`],
      type: `audit-log/pryv-api${error ? '-error' : ''}`,
      time,
      content: { source: context.source, action, query: {}, ...(error && { id: error.id, message: error.message }) }
    };
    if (isIncluded(action, filter)) {
      const { level, template } = formats.default;
      write(fill(template, account?.id, event), level);
    }
    if (account && isIncluded(action, stored) && fs.existsSync(accounts.folder(account.id))) {
      fs.appendFileSync(accounts.folder(account.id, 'audit.jsonl'), `${JSON.stringify(event)}\n`);
    }
  };
}

/** Methods by name, by group (`events.all`), or all (components/audit/src/AuditFilter.js). */
function isIncluded (method, { methods: { include, exclude } }) {
  const names = [method, `${method.split('.')[0]}.all`, 'all'];
  return names.some((name) => include.includes(name)) && !names.some((name) => exclude.includes(name));
}

/** components/audit/src/syslog/templating.js */
function fill (template, userId, event) {
  return template.replace('{userid}', userId).replace(/{([^}]*)}/g, (match, path) => {
    const found = path.split('.').reduce((value, key) => value?.[key], event) || match;
    return typeof found === 'object' ? JSON.stringify(found) : found;
  });
}

module.exports = { createAudit };
