"""Files as a user writes them for ``kubectl pryv render -f``."""

from __future__ import annotations

PLATFORM = """apiVersion: pryv.io/v1alpha1
kind: PryvPlatform
metadata: {name: acme}
spec:
  domain: pryv.acme.test
"""
SECRET = """apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {admin: the-admin-key-0123}
"""
