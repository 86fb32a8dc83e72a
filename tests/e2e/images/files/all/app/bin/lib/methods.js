// The API methods of core (components/api-server/src/methods of service-core 1.9.2), as far as
// tests use them. Each gets the context of a call and its parameters, and returns the answer.
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const superagent = require('superagent');
const { createId, findAccess } = require('./stores');
const { ApiError, USERNAME } = require('./web');

const EVENTS_CHANGED = 'events-changed';

const refuse = (status, id, message) => { throw new ApiError(status, id, message); };
const now = () => Date.now() / 1000;
const hash = (password, salt = crypto.randomBytes(16).toString('hex')) =>
  `${salt}:${crypto.scryptSync(password, salt, 32).toString('hex')}`;
const matches = (password, stored) => hash(password, stored.split(':')[0]) === stored;
const withoutUser = ({ _id, userId, ...fields }) => fields;

function createMethods ({ accounts, audit, database, logger, messages, settings }) {
  const collection = (name) => database.collection(name);
  const register = (method, address) => superagent(method, new URL(address, settings.get('services:register:url')).href)
    .set('Authorization', settings.get('services:register:key'));
  const notify = (username, name) => messages.publish(`notifications.${username}`, username, { eventName: name });

  async function insert (name, account, fields) {
    const document = { id: createId(), ...fields, created: now(), modified: now() };
    await collection(name).insertOne({ userId: account.id, ...document });
    return document;
  }

  async function find (name, account, query = {}) {
    const found = await collection(name).find({ userId: account.id, ...query }).toArray();
    return found.map(withoutUser);
  }

  /** To the mail service (components/api-server/src/methods/helpers/mailing.js): failures are logged. */
  function sendMail (template, account, substitutions) {
    const { enabled, key, url } = settings.get('services:email');
    const what = template === 'welcomeTemplate' ? 'welcome' : 'resetPassword';
    if (enabled === false || enabled?.[what] === false) return;
    const address = `${url}${settings.get(`services:email:${template}`)}/${account.language}`;
    const to = { email: account.email, name: account.username, type: 'to' };
    superagent.post(address).send({ key, to, substitutions })
      .catch((error) => logger.error(`Sending email failed: ${error.response?.body?.error ?? error.message}`));
  }

  async function createAccess (account, fields) {
    return insert('accesses', account, { token: createId(), calls: {}, createdBy: 'system', ...fields });
  }

  function saveFiles (account, eventId, files) {
    // components/storage/src/eventFiles/EventLocalFiles.js
    return files.map(({ buffer, mimetype, originalname, size }) => {
      const id = createId();
      const folder = accounts.folder(account.id, 'attachments', eventId);
      fs.mkdirSync(folder, { recursive: true });
      fs.writeFileSync(path.join(folder, id), buffer, { flush: true });
      const integrity = `sha256-${crypto.createHash('sha256').update(buffer).digest('base64')}`;
      return { id, fileName: originalname, type: mimetype, size, integrity };
    });
  }

  const open = {
    // Validated and reserved at register, saved here, then created at register: the core of an
    // account is the host that was asked (components/business/src/auth/registration.js).
    async 'auth.register' (context, { appId, username, password, email, language = 'en', invitationToken = 'no-token' }) {
      if (!appId || !password || !USERNAME.test(username ?? '')) refuse(400, 'invalid-parameters-format', 'appId, username and password are needed');
      const body = { username, invitationToken, uniqueFields: { username, email }, core: context.host };
      await register('POST', '/users/validate').send(body).catch((error) => {
        const found = error.response?.body?.error;
        if (found?.id === 'item-already-exists') refuse(409, found.id, `A user with the same ${Object.keys(found.data).join(', ')} already exists`);
        throw found ? new ApiError(400, 'invalid-operation', 'Invalid invitation token') : error;
      });
      const account = { id: createId(), username, email, language, passwordHash: hash(password) };
      await accounts.save(account);
      const access = await createAccess(account, { type: 'personal', name: appId });
      const user = { id: account.id, username, email, language, invitationToken, appid: appId };
      await register('POST', '/users').send({ user, host: { name: context.host }, unique: ['username', 'email'] });
      sendMail('welcomeTemplate', account, { USERNAME: username, EMAIL: email });
      const [protocol, host] = settings.get('service:api').replace('{username}', username).split('://');
      return { username, apiEndpoint: `${protocol}://${access.token}@${host}` };
    },
    // That of 1.4.17, for register (components/api-server/src/methods/system.js).
    async 'system.createUser' (context, { username, password, email, language = 'en' }) {
      if (context.token !== settings.get('auth:adminAccessKey')) refuse(404, 'unknown-resource', 'Resource not found.');
      const account = { id: createId(), username, email, language, passwordHash: hash(password) };
      await accounts.save(account);
      sendMail('welcomeTemplate', account, { USERNAME: username, EMAIL: email });
      return { id: account.id };
    },
    async 'auth.delete' (context, { username }) {
      if (context.token !== settings.get('auth:adminAccessKey')) refuse(403, 'forbidden', 'The token is not the administrator\'s');
      const account = (await accounts.find(username)) ?? refuse(404, 'unknown-resource', `Unknown user "${username}"`);
      for (const name of ['accesses', 'events', 'streams', 'webhooks']) await collection(name).deleteMany({ userId: account.id });
      await accounts.delete(account);
      await register('DELETE', `/users/${username}?onlyReg=true`);
      return { userDeletion: { username } };
    },
    async 'auth.login' (context, { username, password, appId }) {
      const { headers } = context;
      if (!trusted(settings.get('auth:trustedApps'), appId, headers.origin ?? headers.referer)) refuse(401, 'invalid-credentials', 'The app id or origin is not trusted');
      const account = await accounts.find(username);
      if (!account || !matches(password, account.passwordHash)) refuse(401, 'invalid-credentials', 'The given username/password pair is invalid.');
      const [known] = await find('accesses', account, { type: 'personal', name: appId });
      const { token } = known ?? await createAccess(account, { type: 'personal', name: appId });
      return { token, apiEndpoint: settings.get('service:api').replace('{username}', username), preferredLanguage: account.language };
    },
    async 'account.requestPasswordReset' (context) {
      const account = (await accounts.find(context.username)) ?? refuse(404, 'unknown-resource', 'Unknown user');
      sendMail('resetPasswordTemplate', account, { RESET_TOKEN: createId(), RESET_URL: settings.get('auth:passwordResetPageURL') });
      return {};
    }
  };

  const authorized = {
    getAccessInfo: async ({ access, account }) => ({ ...access, user: { username: account.username } }),
    'profile.get': async ({ account }) => ({ profile: account.profile ?? {} }),
    async 'profile.update' ({ account }, { update }) {
      const profile = { ...account.profile, ...update };
      await accounts.save({ ...account, profile });
      return { profile };
    },
    'accesses.get': async ({ account }) => ({ accesses: await find('accesses', account) }),
    async 'accesses.create' ({ access, account }, { name, permissions, type = 'shared' }) {
      if (access.type !== 'personal' && type !== 'shared') refuse(403, 'forbidden', 'An app cannot create such an access');
      if (!name || !Array.isArray(permissions)) refuse(400, 'invalid-parameters-format', 'name and permissions are needed');
      if ((await find('accesses', account, { type, name })).length) refuse(409, 'item-already-exists', 'An access with this name exists');
      return { access: await createAccess(account, { type, name, permissions, createdBy: access.id }) };
    },
    'streams.get': async ({ account }) => ({ streams: await find('streams', account) }),
    async 'streams.create' ({ account }, { id, name, parentId = null }) {
      if (id && (await find('streams', account, { id })).length) refuse(409, 'item-already-exists', `A stream with id "${id}" already exists`);
      return { stream: await insert('streams', account, { ...(id && { id }), name, parentId }) };
    },
    'webhooks.get': async ({ account }) => ({ webhooks: await find('webhooks', account) }),
    async 'webhooks.create' ({ access, account }, { url }) {
      const webhook = await insert('webhooks', account, { url, accessId: access.id, state: 'active' });
      messages.publish('webhooks', 'wh.creates', { username: account.username, webhook });
      return { webhook };
    },
    async 'events.get' ({ account }, { limit = 20 }) {
      const cursor = collection('events').find({ userId: account.id }).sort({ time: -1 }).limit(Number(limit));
      return { events: (await cursor.toArray()).map(withoutUser) };
    },
    async 'events.getOne' ({ account }, { id }) {
      const [event] = await find('events', account, { id });
      return { event: event ?? refuse(404, 'unknown-resource', `Unknown event "${id}"`) };
    },
    async 'events.create' (context, { streamId, streamIds = [streamId], type, content, time = now() }) {
      const { access, account, files } = context;
      const known = await find('streams', account, { id: { $in: streamIds } });
      if (!type || known.length !== streamIds.length) refuse(400, 'unknown-referenced-resource', 'Unknown streams, or no type');
      const id = createId();
      const attachments = files.length ? { attachments: saveFiles(account, id, files) } : {};
      // The content of a series is where its points are (components/business/src/series).
      const series = type.startsWith('series:') ? { elementType: type.slice(7), fields: ['value'], required: ['value'] } : undefined;
      const event = await insert('events', account, { id, streamIds, type, content: series ?? content, time, createdBy: access.id, modifiedBy: access.id, ...attachments });
      notify(account.username, EVENTS_CHANGED);
      return { event };
    },
    async 'events.update' ({ access, account }, { id, update }) {
      await authorized['events.getOne']({ account }, { id });
      const { content, streamIds, type, time } = update;
      const fields = JSON.parse(JSON.stringify({ content, streamIds, type, time, modified: now(), modifiedBy: access.id }));
      await collection('events').updateOne({ userId: account.id, id }, { $set: fields });
      notify(account.username, EVENTS_CHANGED);
      return authorized['events.getOne']({ account }, { id });
    },
    async 'events.addAttachments' ({ account, files }, { id }) {
      const { event } = await authorized['events.getOne']({ account }, { id });
      const attachments = [...(event.attachments ?? []), ...saveFiles(account, id, files)];
      await collection('events').updateOne({ userId: account.id, id }, { $set: { attachments } });
      notify(account.username, EVENTS_CHANGED);
      return { event: { ...event, attachments } };
    },
    async 'events.getAttachment' ({ account }, { id, fileId }) {
      const { event } = await authorized['events.getOne']({ account }, { id });
      const found = event.attachments?.find((attachment) => attachment.id === fileId);
      const { type } = found ?? refuse(404, 'unknown-resource', 'Unknown file');
      return { type, file: accounts.folder(account.id, 'attachments', id, fileId) };
    }
  };

  /** Call a method, and write its audit record. */
  async function call (id, context, parameters) {
    const account = await accounts.find(context.username ?? parameters?.username);
    try {
      const method = open[id] ?? authorized[id] ?? refuse(404, 'invalid-method', `Invalid method id "${id}"`);
      if (authorized[id]) {
        if (!account) refuse(404, 'unknown-resource', `Unknown user "${context.username}"`);
        if (!context.token) refuse(401, 'invalid-access-token', 'The access token is missing');
        const access = await findAccess(database, account, context.token);
        Object.assign(context, { account, access: withoutUser(access ?? refuse(403, 'invalid-access-token', 'Cannot find access from token.')) });
      }
      const result = await method(context, parameters ?? {});
      audit(id, account, context);
      return result;
    } catch (error) {
      audit(id, account, context, error);
      throw error;
    }
  }
  return { call };
}

/** `app@origin` pairs with * (components/api-server/src/methods/helpers/commonFunctions.js). */
function trusted (list, app, origin = '') {
  const escape = (text) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return list.split(',').map((pair) => pair.trim().split('@')).some(([name, from]) =>
    (name === '*' || name === app) && new RegExp(`^${escape(from)}$`).test(origin));
}

module.exports = { createMethods };
