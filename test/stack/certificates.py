"""Makes two authorities and a server's certificate of the first one; prints them as one line of JSON, in PEM form.

Usage: certificates.py <DNS name> …
"""

import datetime
import json
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.UTC)


def certificate(name, key, issuer, issuer_key, *extensions):
    builder = x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=NOW - datetime.timedelta(hours=1),
        not_valid_after=NOW + datetime.timedelta(days=1),
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def subject(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def authority(name):
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    basic = x509.BasicConstraints(ca=True, path_length=0)
    return key, certificate(subject(name), key, subject(name), key, (basic, True), (usage, True), (identifier, False))


def main(*names):
    ca_key, ca = authority("test authority")
    _, other = authority("another authority")
    key = ec.generate_private_key(ec.SECP256R1())
    alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    server = certificate(subject(names[0]), key, ca.subject, ca_key, (alternative, False), (issuer, False))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    result = {"authority": pem(ca), "other": pem(other), "certificate": pem(server), "key": private.decode()}
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
