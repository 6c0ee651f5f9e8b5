"""The engines of the Vault for tests: key/value 1 and 2, database, transit."""

import json
import os
import re
from base64 import b64decode, b64encode
from binascii import Error
from dataclasses import dataclass, field
from datetime import UTC, datetime
from secrets import token_hex

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


@dataclass
class Answer:
    """Status, headers and JSON of an answer."""

    status: int = 200
    body: dict | None = None
    headers: dict = field(default_factory=dict)

    @classmethod
    def refused(cls, status, *errors, **further):
        return cls(status, {"errors": list(errors), **further})

    @property
    def content(self):
        return b"" if self.body is None else json.dumps(self.body).encode()


def below(keys, folder):
    """The names directly in a folder; folders end with a slash."""
    prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
    names = {key[len(prefix) :].partition("/") for key in keys if key.startswith(prefix)}
    return sorted({name + slash for name, slash, _ in names})


class Kv1:
    """Version 1: fields under a path."""

    about = {"type": "kv", "options": None}

    def __init__(self):
        self.secrets = {}

    def answer(self, method, path, query, body, token):
        match method:
            case "GET" if path in self.secrets:
                return Answer(200, {"data": self.secrets[path], "lease_duration": 2764800})
            case "POST" | "PUT":
                if not body:
                    return Answer.refused(400, "missing data fields")
                self.secrets[path] = body
                return Answer(204)
            case "DELETE":
                self.secrets.pop(path, None)
                return Answer(204)
            case "LIST" if names := below(self.secrets, path):
                return Answer(200, {"data": {"keys": names}})
        return Answer.refused(404)


class Kv2:
    """Version 2: numbered versions, deleted, undeleted, destroyed."""

    about = {"type": "kv", "options": {"version": "2"}}

    def __init__(self, clock):
        self.clock = clock
        self.secrets = {}
        self.cas_required = False

    def stamp(self, seconds=0.0):
        return datetime.fromtimestamp(self.clock() + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")

    def put(self, key, fields, **facts):
        versions = self.secrets.setdefault(key, [])
        made = {"version": len(versions) + 1, "created_time": self.stamp(), "deletion_time": "", "destroyed": False}
        versions.append({"data": fields, "metadata": {**made, **facts}})
        return versions[-1]["metadata"]

    def answer(self, method, path, query, body, token):
        kind, _, key = path.partition("/")
        if kind == "metadata" and method == "LIST":
            names = below(self.secrets, key)
            return Answer(200, {"data": {"keys": names}}) if names else Answer.refused(404)
        operation = getattr(self, f"{method.lower()}_{kind}", None)
        if operation is None:
            warning = "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate endpoints"
            return Answer(404, {"errors": [], "warnings": [warning]})
        return operation(key, query, body)

    def get_data(self, key, query, body):
        versions = self.secrets.get(key, [])
        number = int(query.get("version", 0)) or len(versions)
        if not 0 < number <= len(versions):
            return Answer.refused(404)
        found = versions[number - 1]
        deleted = found["metadata"]["deletion_time"]
        if found["metadata"]["destroyed"] or (deleted and deleted <= self.stamp()):
            return Answer(404, {"data": {"data": None, "metadata": found["metadata"]}})
        return Answer(200, {"data": found})

    def post_data(self, key, query, body):
        cas = body.get("options", {}).get("cas")
        if cas is None and self.cas_required:
            return Answer.refused(400, "check-and-set parameter required for this call")
        if cas is not None and cas != len(self.secrets.get(key, [])):
            return Answer.refused(400, "check-and-set parameter did not match the current version")
        return Answer(200, {"data": self.put(key, body["data"])})

    def delete_data(self, key, query, body):
        if key in self.secrets:
            self.secrets[key][-1]["metadata"]["deletion_time"] = self.stamp()
        return Answer(204)

    def post_delete(self, key, query, body):
        for number in body["versions"]:
            self.secrets[key][number - 1]["metadata"]["deletion_time"] = self.stamp()
        return Answer(204)

    def post_undelete(self, key, query, body):
        for number in body["versions"]:
            self.secrets[key][number - 1]["metadata"]["deletion_time"] = ""
        return Answer(204)

    def put_destroy(self, key, query, body):
        for number in body["versions"]:
            self.secrets[key][number - 1].update(data=None)
            self.secrets[key][number - 1]["metadata"]["destroyed"] = True
        return Answer(204)

    def get_metadata(self, key, query, body):
        if key not in self.secrets:
            return Answer.refused(404)
        versions = {str(item["metadata"]["version"]): item["metadata"] for item in self.secrets[key]}
        return Answer(200, {"data": {"current_version": len(versions), "versions": versions}})

    def delete_metadata(self, key, query, body):
        self.secrets.pop(key, None)
        return Answer(204)


class Database:
    """Users made for a lease, and users whose password is rotated."""

    about = {"type": "database", "options": None}

    def __init__(self, vault):
        self.vault = vault
        self.ttl, self.max_ttl = 3600, 86400
        self.roles = {"readonly"}
        self.static = {"app": {"username": "app", "password": "rotated-password", "ttl": 900}}
        self.leases = {}
        self.revoked = []

    @property
    def users(self):
        """Names of the users that can sign in to the database now."""
        now = self.vault.clock()
        return [lease["username"] for lease in self.leases.values() if now < lease["end"]]

    def answer(self, method, path, query, body, token):
        engine, _, role = path.partition("/")
        if engine == "static-creds" and role in self.static:
            facts = {"rotation_period": 3600, "last_vault_rotation": "2026-01-01T00:00:00Z"}
            return Answer(200, {"data": {**self.static[role], **facts}})
        if engine != "creds" or role not in self.roles:
            return Answer.refused(400, f"unknown role: {role}")
        name, now = f"database/creds/{role}/{token_hex(8)}", self.vault.clock()
        user = f"v-token-{role}-{token_hex(4)}"
        self.leases[name] = {"username": user, "issued": now, "end": now + self.ttl, "token": token.value}
        data = {"username": user, "password": f"A1a-{token_hex(10)}"}
        return Answer(200, {"lease_id": name, "lease_duration": self.ttl, "renewable": True, "data": data})

    def lease(self, operation, body):
        name, now = body.get("lease_id"), self.vault.clock()
        lease = self.leases.get(name)
        if operation == "revoke":
            self.revoked.append(name)
            self.leases.pop(name, None)
            return Answer(204)
        if lease is None or now >= lease["end"]:
            return Answer.refused(400, "lease not found")
        lease["end"] = min(now + (body.get("increment") or self.ttl), lease["issued"] + self.max_ttl)
        return Answer(200, {"lease_id": name, "renewable": True, "lease_duration": int(lease["end"] - now)})

    def end_of_token(self, token):
        self.leases = {name: lease for name, lease in self.leases.items() if lease["token"] != token}


class Transit:
    """Keys that encrypt here: AES-GCM under a key derived from the context, one key per version."""

    about = {"type": "transit", "options": None}

    def __init__(self):
        self.keys = {}

    def make(self, name, **facts):
        about = {"type": "aes256-gcm96", "derived": True, "convergent_encryption": False, "min_decryption_version": 1}
        self.keys[name] = {**about, "versions": [os.urandom(32)], **facts}

    def rotate(self, name):
        self.keys[name]["versions"].append(os.urandom(32))

    def cipher(self, key, version, context):
        material = key["versions"][version - 1]
        if key["derived"]:
            material = HKDF(algorithm=SHA256(), length=32, salt=None, info=context).derive(material)
        return AESGCM(material)

    def answer(self, method, path, query, body, token):
        operation, _, name = path.partition("/")
        key = self.keys.get(name)
        if operation == "keys" and method == "GET":
            if key is None:
                return Answer.refused(404)
            return Answer(200, {"data": {**{k: v for k, v in key.items() if k != "versions"}, "name": name}})
        if key is None:
            return Answer.refused(400, "encryption key not found")
        try:
            context = b64decode(body.get("context") or "", validate=True)
        except Error:
            return Answer.refused(400, "failed to base64-decode context")
        if key["derived"] and not context:
            return Answer.refused(400, "missing 'context' for key derivation; the key was created using a derived key")
        return getattr(self, operation)(key, body, context)

    def encrypt(self, key, body, context):
        version, nonce = len(key["versions"]), os.urandom(12)
        sealed = self.cipher(key, version, context).encrypt(nonce, b64decode(body["plaintext"]), None)
        return Answer(200, {"data": {"ciphertext": f"vault:v{version}:{b64encode(nonce + sealed).decode()}"}})

    def decrypt(self, key, body, context):
        match = re.fullmatch(r"vault:v(\d+):(.*)", body["ciphertext"])
        if match is None:
            return Answer.refused(400, "invalid ciphertext: no prefix")
        version = int(match[1])
        if version > len(key["versions"]):
            return Answer.refused(400, "invalid ciphertext: version is too new")
        if version < key["min_decryption_version"]:
            return Answer.refused(400, "ciphertext or signature version is disallowed by policy (too old)")
        try:
            sealed = b64decode(match[2])
            opened = self.cipher(key, version, context).decrypt(sealed[:12], sealed[12:], None)
        except Error:
            return Answer.refused(400, "invalid ciphertext: could not decode base64")
        except (InvalidTag, ValueError):
            return Answer.refused(400, "cipher: message authentication failed")
        return Answer(200, {"data": {"plaintext": b64encode(opened).decode()}})
