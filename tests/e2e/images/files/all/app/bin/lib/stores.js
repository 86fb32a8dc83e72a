// The stores of core and its helpers: documents, messages, and the folder of accounts.
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const { JSONCodec, connect } = require('nats');
const { MongoClient } = require('mongodb');

const { decode, encode } = JSONCodec();

/**
 * The database, once it can be reached: tried every second (components/storage/src/Database.js,
 * waitForConnection; settings of components/api-server/config/default-config.yml).
 */
async function connectDatabase (settings, logger) {
  // hfs and webhooks of 1.6.12 and before call it mongodb (components/hfs-server/src/config.js).
  const { host, port = 27017, name = 'pryv-node' } = settings.get('database') ?? settings.get('mongodb');
  const url = `mongodb://${host}:${port}/`;
  for (;;) {
    const client = new MongoClient(url, { connectTimeoutMS: 60000, socketTimeoutMS: 60000, appname: 'pryv.io core' });
    try {
      await client.connect();
      return client.db(name);
    } catch {
      logger.warn(`Cannot connect to ${url}, retrying in a sec`);
      await client.close();
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

/** Messages between the processes (components/messages/src/nats_pubsub.js). */
async function connectMessages (uri) {
  const connection = await connect({ servers: uri, noEcho: true });
  return {
    publish: (scope, eventName, payload = '') => connection.publish(scope, encode({ eventName, payload })),
    subscribe (scope, listener) {
      connection.subscribe(scope, { callback: (error, message) => error || listener(decode(message.data)) });
    }
  };
}

/**
 * Accounts below userFiles:path, in folders as in components/storage/src/userLocalDirectory.js.
 * The originals keep them in SQLite files; these are JSON files.
 */
class Accounts {
  constructor (settings) {
    this.root = settings.get('userFiles:path');
    this.index = path.join(this.root, 'user-index');
  }

  /** Create the folders: core does, its helpers only read. */
  create () {
    fs.mkdirSync(this.index, { recursive: true });
  }

  folder (id, ...more) {
    const [last, second, third] = [...id].reverse();
    return path.join(this.root, last, second, third, id, ...more);
  }

  find (username) {
    const { id } = read(path.join(this.index, `${username}.json`)) ?? {};
    return id && read(path.join(this.folder(id), 'account.json'));
  }

  all () {
    return fs.readdirSync(this.index).map((file) => this.find(path.basename(file, '.json')));
  }

  save (account) {
    fs.mkdirSync(this.folder(account.id), { recursive: true });
    write(path.join(this.folder(account.id), 'account.json'), account);
    write(path.join(this.index, `${account.username}.json`), { id: account.id });
  }

  delete ({ id, username }) {
    fs.rmSync(path.join(this.index, `${username}.json`), { force: true });
    fs.rmSync(this.folder(id), { recursive: true, force: true });
  }
}

/** Before 1.9: in the database. Files of 1.7 name userFiles for core alone, which has other files there. */
class DatabaseAccounts {
  constructor (settings, database) {
    this.root = settings.get('eventFiles:attachmentsDirPath');
    this.users = database.collection('users');
  }

  create () {}

  folder (id, ...more) { return path.join(this.root, id, ...more); }

  find (username) { return this.users.findOne({ username }); }

  all () { return this.users.find({}).toArray(); }

  async save (account) {
    const fields = Object.fromEntries(Object.entries(account).filter(([name]) => name !== '_id'));
    await this.users.updateOne({ id: account.id }, { $set: fields }, { upsert: true });
  }

  async delete ({ id }) {
    await this.users.deleteOne({ id });
    fs.rmSync(this.folder(id), { recursive: true, force: true });
  }
}

const createAccounts = (settings, database) =>
  process.env.ACCOUNTS !== 'database' && settings.get('userFiles:path') ? new Accounts(settings) : new DatabaseAccounts(settings, database);

function read (file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Replace a file: other processes see the old content or the new one. */
function write (file, value) {
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, JSON.stringify(value), { flush: true });
  fs.renameSync(temporary, file);
}

/** The access of a token. */
async function findAccess (database, account, token) {
  return token && database.collection('accesses').findOne({ userId: account.id, token });
}

const createId = () => `c${crypto.randomBytes(12).toString('hex')}`;

module.exports = { connectDatabase, connectMessages, createAccounts, createId, findAccess };
