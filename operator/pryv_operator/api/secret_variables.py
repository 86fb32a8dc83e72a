"""Variables that hold secrets, in both vocabularies (1.9 and 2019): they never stand in the resource.

Source: Pryv.io's platform template (1.9) and the flat ``config-leader.json`` of 2019.
"""

from __future__ import annotations

from typing import Final

#: Keys the platform's parts identify themselves with; the leader called most of them "internals".
SYSTEM_KEYS: Final = (
    "CORE_MAIL_KEY",
    "CORE_SYSTEM_KEY",
    "FILES_READ_TOKEN_SECRET",
    "REGISTER_SYSTEM_KEY_1",
    "SSO_COOKIE_SIGN_SECRET",
)
ADMIN_KEYS: Final = ("REGISTER_ADMIN_KEY", "REGISTER_ADMIN_KEY_1")
#: Whole variables that are secret, whatever the release.
SECRET_VARIABLES: Final = (*SYSTEM_KEYS, *ADMIN_KEYS, "MAIL_SMTP_PASS")
#: Paths inside object variables that are secret.
SECRET_PATHS: Final = {
    "EMAIL_SMTP_SETTINGS": ("auth.pass",),
    "MFA_ENDPOINTS": tuple(
        f"{step}.headers.authorization" for step in ("challenge", "single", "verify")
    ),
}
#: As a value of such a variable: "generate one" (a word of the leader's).
GENERATE: Final = "SECRET"
#: As a value: "not filled in yet" (a word of the leader's). Core refuses to start on it.
REPLACE_ME: Final = "REPLACE_ME"
