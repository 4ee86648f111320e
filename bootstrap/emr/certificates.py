"""The certificate for encryption between a cluster's nodes: self-signed, and new for every cluster."""

import io
import zipfile
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


def certificates(region: str) -> bytes:
    """The zip of PEM files that EMR expects. The key leaves this process only for the encrypted bucket."""
    host = f"*.{region}.compute.internal"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=397))  # longer than any cluster lives
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    chain, private = certificate.public_bytes(pem), key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file, content in (("privateKey", private), ("certificateChain", chain), ("trustedCertificates", chain)):
            archive.writestr(f"{file}.pem", content)
    return packed.getvalue()
