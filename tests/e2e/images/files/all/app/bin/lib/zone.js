// The DNS server of service-register (src/dns/server_for_name.js, ndns-wrapper.js): UDP over IPv4.
const dgram = require('dgram');
const packet = require('dns-packet');

const TTL = 3600;
const list = (value) => (value == null ? [] : [value].flat());

/** The records of an entry of the zone, in the forms of the file. */
function records (data, name) {
  const found = { answers: [], authorities: [], additionals: [] };
  const answer = (type, data, owner = name) => found.answers.push({ type, name: owner, ttl: TTL, data });
  const addresses = (owner, ips) => {
    for (const ip of list(ips)) found.additionals.push({ type: 'A', name: owner, ttl: TTL, data: ip });
  };
  for (const ip of list(data.ip)) answer('A', ip);
  for (const text of list(data.description)) answer('TXT', text);
  if (data.autority) {
    const [mname, rname] = data.autority;
    answer('SOA', { mname, rname, serial: 0, refresh: 1800, retry: 900, expire: 604800, minimum: 86400 });
  }
  for (const [index, { name: exchange, ip, priority }] of list(data.mail).entries()) {
    answer('MX', { preference: priority ?? (index + 1) * 10, exchange });
    addresses(exchange, ip);
  }
  for (const { name: server, ip } of list(data.nameserver)) {
    answer('NS', server);
    found.authorities.push({ type: 'NS', name, ttl: TTL, data: server });
    addresses(server, ip);
  }
  for (const { flag = 0, tag = 'issue', issuer } of list(data.caa)) {
    answer('CAA', { flags: flag, tag, value: issuer, issuerCritical: false });
  }
  for (const { name: alias, ip } of list(data.alias)) {
    answer('CNAME', alias);
    for (const address of list(ip)) answer('A', address, alias);
  }
  return found;
}

class Zone {
  constructor (settings, registry) {
    this._settings = settings;
    this._registry = registry;
  }

  /** What is answered: names of the domain itself, then of the file, then of accounts. */
  async lookup (asked, type) {
    const domains = this._settings.get('dns:domains');
    const name = asked.toLowerCase();
    if (domains.includes(name)) return this._root(type);
    const domain = domains.find((candidate) => name.endsWith(`.${candidate}`));
    if (!domain) return {};
    const host = name.slice(0, -domain.length - 1);
    const entry = this._settings.get('dns:staticDataInDomain')[host];
    if (entry) return entry;
    if (!this._registry.isUsername(host)) return {};
    const server = await this._registry.serverOf(host).catch(() => null);
    if (!server) return {};
    return {
      alias: [{ name: server }],
      nameserver: type === 'NS' ? this._settings.get('dns:nameserver') : undefined,
      autority: type === 'SOA' ? this._authority() : undefined
    };
  }

  _authority () {
    return [this._settings.get('dns:name'), `admin.${this._settings.get('dns:domain')}`];
  }

  _root (type) {
    const zone = this._settings.get('dns');
    const authority = { autority: this._authority() };
    if (type === 'CAA') return { caa: zone.certificateAuthorityAuthorization };
    if (type === 'MX') return { mail: zone.mail };
    if (type === 'NS') return { nameserver: zone.nameserver };
    if (type === 'SOA' || type === 'DNSKEY') return authority;
    if (type === 'TXT') return zone.rootTXT;
    return { ...authority, nameserver: zone.nameserver, ip: zone.domain_A, mail: zone.mail };
  }
}

function startDns (settings, registry, log) {
  const zone = new Zone(settings, registry);
  const socket = dgram.createSocket('udp4');
  socket.on('message', async (message, from) => {
    try {
      const query = packet.decode(message);
      if (query.type === 'response' || !query.questions.length) return;
      const [{ name, type }] = query.questions;
      const flags = packet.AUTHORITATIVE_ANSWER | (query.flags & packet.RECURSION_DESIRED);
      const found = records(await zone.lookup(name, type) ?? {}, name);
      const reply = { type: 'response', id: query.id, flags, questions: query.questions, ...found };
      socket.send(packet.encode(reply), from.port, from.address);
    } catch (error) {
      log('error', `DNS: ${error.message}`);
    }
  });
  const { ip, port } = settings.get('dns');
  socket.bind(port, ip, () => log('info', `DNS Started on IP=${ip} PORT=${port} udp4`));
}

module.exports = { startDns };
