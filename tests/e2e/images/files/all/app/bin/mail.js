// The program mail: e-mails from templates. Facts: service-mail 1.9.0.
const EmailTemplates = require('email-templates');
const express = require('express');
const { createLogger } = require('./lib/log');
const { loadSettings } = require('./lib/settings');
const { listen } = require('./lib/web');

const refuse = (status, message) => { throw Object.assign(new Error(message), { status }); };

/** SMTP, or the program sendmail (src/Context.js). */
function createDelivery (settings) {
  const sendmail = settings.get('sendmail');
  const email = settings.get('email');
  return new EmailTemplates({
    message: email.message,
    views: settings.get('templates'),
    transport: sendmail?.active ? { sendmail: true, path: sendmail.path } : settings.get('smtp'),
    preview: email.preview,
    send: email.send
  });
}

/** The folder of a template in a language, else in the default one (src/mail/TemplateRepository.js). */
async function findTemplate (delivery, template, languages) {
  for (const language of languages) {
    const root = `${template}/${language}`;
    const parts = ['subject.pug', 'html.pug'].map((part) => delivery.templateExists(`${root}/${part}`));
    if ((await Promise.all(parts)).every(Boolean)) return root;
  }
  return refuse(404, 'No template found.');
}

async function main () {
  const settings = await loadSettings();
  const logger = createLogger(settings);
  const delivery = createDelivery(settings);
  const app = express();
  app.use(express.json());
  app.get('/system/status', (request, response) => response.json({ status: 'ok' }));
  // src/web/op/sendMail.js
  app.post('/sendmail/:template/:lang', async ({ body, params }, response, next) => {
    try {
      const { key, substitutions, to } = body;
      if (key !== settings.get('http:auth')) refuse(403, 'Authorization key is missing or invalid.');
      if (substitutions == null) refuse(400, 'Missing substitution variables.');
      if (to?.email == null || to.name == null) refuse(400, 'Missing recipient, its email or name.');
      const languages = [params.lang, settings.get('templates:defaultLang')];
      const template = await findTemplate(delivery, params.template, languages);
      const message = { to: { name: to.name, address: to.email } };
      const result = await delivery.send({ message, template, locals: substitutions });
      logger.info(`Email sent: ${params.template} ${params.lang} ${result.response}`);
      response.json(result);
    } catch (error) {
      next(error);
    }
  });
  app.use((error, request, response, next) => {
    logger.error(error.message);
    response.status(error.status ?? 500).json({ error: error.message, request: request.body });
  });
  listen(app, settings, logger);
}

// bin/server logs a failure and goes on: then nothing listens.
main().catch((error) => console.error(error));
