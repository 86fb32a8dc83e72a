"""Variables that hold secrets, under the names of 1.9 and of 2019: never in the resource itself.

Source: Pryv.io's platform template (1.9) and the flat ``config-leader.json`` of 2019.
"""

from __future__ import annotations

from typing import Final

#: Keys with which the platform's components authenticate to each other ("internals" in the leader).
SYSTEM_KEYS: Final = (
    "CORE_MAIL_KEY",
    "CORE_SYSTEM_KEY",
    "FILES_READ_TOKEN_SECRET",
    "REGISTER_SYSTEM_KEY_1",
    "SSO_COOKIE_SIGN_SECRET",
)
ADMIN_KEYS: Final = ("REGISTER_ADMIN_KEY", "REGISTER_ADMIN_KEY_1")
#: Variables that are secret as a whole, in every release.
SECRET_VARIABLES: Final = (*SYSTEM_KEYS, *ADMIN_KEYS, "MAIL_SMTP_PASS")
#: Variable → dotted paths inside its object that are secret.
SECRET_PATHS: Final = {
    "EMAIL_SMTP_SETTINGS": ("auth.pass",),
    "MFA_ENDPOINTS": tuple(
        f"{step}.headers.authorization" for step in ("challenge", "single", "verify")
    ),
}
#: The leader's value for a secret that it generates.
GENERATE: Final = "SECRET"
#: The leader's value for a variable that has to be filled in. Core does not start with it.
REPLACE_ME: Final = "REPLACE_ME"
