"""Logs in to a mail server as the platform's mail service does, and sends an e-mail if asked to.

Only codes of answers are reported: a server may quote what it was sent.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from pryv_operator.checks.expected import MailSettings
from pryv_operator.checks.services import MailAnswer
from pryv_operator.cli.probes.routes import Routes
from pryv_operator.cli.probes.web import unverified_context


async def ask_mail_server(
    settings: MailSettings,
    context: ssl.SSLContext,
    routes: Routes,
    timeout: float,  # noqa: ASYNC109 - of the socket, in a thread
    recipient: str | None,
) -> MailAnswer:
    """Connect, encrypt, log in; send an e-mail only with a ``recipient``."""
    return await asyncio.to_thread(_ask, settings, context, routes, timeout, recipient)


def _ask(
    settings: MailSettings,
    context: ssl.SSLContext,
    routes: Routes,
    timeout: float,
    recipient: str | None,
) -> MailAnswer:
    if not settings.verify:
        context = unverified_context()
    step = "connecting"
    encrypted = settings.implicit_tls
    try:
        with _connect(settings, context, routes, timeout) as server:
            step = "EHLO"
            server.ehlo_or_helo_if_needed()
            if not encrypted and server.has_extn("starttls"):
                step = "STARTTLS"
                server.starttls(context=context)
                encrypted = True
                server.ehlo()
            if settings.require_tls and not encrypted:
                return MailAnswer(error="STARTTLS: not offered, and requireTLS is set")
            login: bool | None = None
            if settings.user and settings.password is not None:
                step = "login"
                server.login(settings.user, settings.password)
                login = True
            if recipient and (login or not settings.user):
                return _send(server, settings, recipient, MailAnswer(encrypted, login))
            return MailAnswer(encrypted, login)
    except (smtplib.SMTPException, OSError, EOFError, ValueError) as error:
        failed = False if step == "login" else None
        return MailAnswer(
            encrypted,
            failed,
            f"{step}: {_reason(error, timeout)}",
            reached=step != "connecting",
        )


def _reason(error: Exception, timeout: float) -> str:
    """Why a step failed: a code or the system's words, never the text of the server's answer."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"the certificate is not trusted: {error.verify_message}"
        case smtplib.SMTPNotSupportedError():
            return "the server offers no AUTH"
        case smtplib.SMTPResponseException():
            return f"refused with code {error.smtp_code}"
        case TimeoutError():
            return f"no answer within {timeout:g} s"
        case UnicodeError():
            return "the user or the password is not ASCII"
        case ConnectionRefusedError():
            return "connection refused"
        case ssl.SSLError():
            return f"TLS: {(error.reason or 'failed').lower().replace('_', ' ')}"
        case smtplib.SMTPException():
            return type(error).__name__
    return (getattr(error, "strerror", None) or type(error).__name__).lower()


def _connect(
    settings: MailSettings, context: ssl.SSLContext, routes: Routes, timeout: float
) -> smtplib.SMTP:
    """A connection to the server; its certificate has to be for the configured host."""
    host, port = routes.target(settings.host, settings.port)
    server = (
        smtplib.SMTP_SSL(timeout=timeout, context=context)
        if settings.implicit_tls
        else smtplib.SMTP(timeout=timeout)
    )
    server._host = settings.host  # type: ignore[attr-defined]  # noqa: SLF001 - as ``connect`` verifies it
    code, _ = server.connect(host, port)
    if code != 220:
        server.close()
        raise smtplib.SMTPResponseException(code, "")
    return server


def _send(
    server: smtplib.SMTP, settings: MailSettings, recipient: str, answer: MailAnswer
) -> MailAnswer:
    message = EmailMessage()
    message["From"], message["To"] = settings.sender, recipient
    message["Subject"] = "Test of kubectl pryv check"
    message["Date"], message["Message-ID"] = formatdate(), make_msgid()
    message.set_content("This e-mail was sent by kubectl pryv check. The mail server works.\n")
    try:
        server.send_message(message)
    except smtplib.SMTPResponseException as error:
        return _sent(answer, sent=False, error=f"refused with code {error.smtp_code}")
    except smtplib.SMTPRecipientsRefused as error:
        codes = ", ".join(str(code) for code, _ in error.recipients.values())
        return _sent(answer, sent=False, error=f"the recipient is refused with code {codes}")
    except (smtplib.SMTPException, OSError) as error:
        return _sent(answer, sent=False, error=type(error).__name__)
    return _sent(answer, sent=True)


def _sent(answer: MailAnswer, *, sent: bool, error: str = "") -> MailAnswer:
    return MailAnswer(answer.encrypted, answer.login, sent=sent, sent_error=error)
