// The accounts of a platform in redis, with the client and the keys of service-register
// (src/storage/database.js): NAME:server, NAME:users, VALUE:FIELD for fields that are unique.
const { promisify } = require('util');
const redis = require('redis');
const { USERNAME } = require('./web');

const RESERVATION_MS = 10 * 60 * 1000;

class Registry {
  constructor (settings, log) {
    const client = redis.createClient(settings.get('redis:port'), settings.get('redis:host'), {});
    client.on('error', (error) => log('error', `Redis: ${error.message}`));
    const promised = (name) => promisify(client[name]).bind(client);
    for (const name of ['del', 'exists', 'get', 'hgetall', 'hmset', 'keys', 'mget', 'set']) this[`_${name}`] = promised(name);
    this._client = client;
    this._log = log;
    if (settings.get('redis:password')) client.auth(settings.get('redis:password'));
    this._connect(settings.get('dns:domain'));
  }

  /** A user that tests need, and the version; an error, such as a read-only replica, ends the process. */
  async _connect (domain) {
    await this.save('wactiv', domain, { id: 0, email: 'wactiv@pryv.io' }, ['email']);
    if (!await this._get('dbversion')) await this._set('dbversion', '0.1.1');
  }

  isUsername (name) { return USERNAME.test(name); }

  async isTaken (name) { return await this._exists(`${name}:users`) === 1; }

  serverOf (name) { return this._get(`${name}:server`); }

  ownerOf (field, value) { return this._get(`${value.toLowerCase()}:${field}`); }

  async countByServer () {
    const keys = await this._keys('*:server');
    const counts = {};
    for (const server of keys.length ? await this._mget(keys) : []) counts[server] = (counts[server] ?? 0) + 1;
    return counts;
  }

  async save (username, server, fields, unique) {
    const attributes = { ...fields, username, registeredTimestamp: Date.now() };
    const multi = this._client.multi();
    multi.hmset(`${username}:users`, attributes);
    multi.set(`${username}:server`, server);
    for (const field of unique) {
      if (attributes[field]) multi.set(`${String(attributes[field]).toLowerCase()}:${field}`, username);
    }
    await promisify(multi.exec).bind(multi)();
  }

  async delete (username) {
    const fields = await this._hgetall(`${username}:users`);
    const keys = [`${username}:users`, `${username}:server`];
    for (const [field, value] of Object.entries(fields ?? {})) {
      if (await this.ownerOf(field, value) === username) keys.push(`${value.toLowerCase()}:${field}`);
    }
    await this._del(keys);
  }

  /** Reserve the unique fields of a new account for a core; the error, if it is refused. */
  async reserve ({ username, invitationToken, uniqueFields, core }, tokens) {
    if (tokens != null && !tokens.includes(invitationToken)) return { id: 'invitationToken-invalid', data: {} };
    const taken = {};
    if (await this.isTaken(username)) taken.username = username;
    for (const [field, value] of Object.entries(uniqueFields)) {
      if (field !== 'username' && await this.ownerOf(field, value)) taken[field] = value;
      const reserved = await this._hgetall(`${field}-reservations:${value}`);
      const valid = reserved && Number(reserved.time) > Date.now() - RESERVATION_MS;
      if (valid && reserved.core !== core) taken[field] = value;
    }
    if (Object.keys(taken).length) return { id: 'item-already-exists', data: taken };
    for (const [field, value] of Object.entries({ ...uniqueFields, username })) {
      await this._hmset(`${field}-reservations:${value}`, { core, time: Date.now() });
    }
    return null;
  }
}

module.exports = { Registry };
