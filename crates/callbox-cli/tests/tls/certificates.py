"""Makes the certificates of the tests in the folder that is named, by trustme: good ones, and each kind that must be refused."""

import datetime
import pathlib
import sys

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOSTS = ["localhost", "127.0.0.1", "::1"]
NOW = datetime.datetime.now(datetime.timezone.utc)


def days(count):
    return NOW + datetime.timedelta(days=count)


def write(folder, name, leaf):
    leaf.private_key_and_cert_chain_pem.write_to_path(folder / name)


def by_hand(ca, subject, hosts, usage=None, responder=None):
    """Makes what trustme does not: signed by `ca`, or by itself where there is none."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
    builder = x509.CertificateBuilder().subject_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(days(-1)).not_valid_after(days(30))
    builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    if responder:
        where = x509.AccessDescription(x509.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(responder))
        builder = builder.add_extension(x509.AuthorityInformationAccess([where]), critical=False)
    signer = key
    if ca:
        # trustme keeps the key as PEM; its issuer is the CA's own name.
        signer = serialization.load_pem_private_key(ca.private_key_pem.bytes(), None)
        issuer = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
        builder = builder.issuer_name(issuer.subject)
    else:
        builder = builder.issuer_name(name)
    certificate = builder.sign(signer, hashes.SHA256())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem + certificate.public_bytes(serialization.Encoding.PEM)


def main(folder):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    for name in ["server.pem", "second.pem"]:
        write(folder, name, ca.issue_cert(*HOSTS))
    write(folder, "rsa.pem", ca.issue_cert(*HOSTS, key_type=trustme.KeyType.RSA))
    write(folder, "client.pem", ca.issue_cert("tester@example.org", common_name="tester"))

    # What must be refused.
    stranger = trustme.CA()
    stranger.cert_pem.write_to_path(folder / "stranger-ca.pem")
    write(folder, "stranger.pem", stranger.issue_cert(*HOSTS))
    write(folder, "stranger-client.pem", stranger.issue_cert("stranger@example.org", common_name="stranger"))
    write(folder, "expired.pem", ca.issue_cert(*HOSTS, not_before=days(-20), not_after=days(-10)))
    write(folder, "early.pem", ca.issue_cert(*HOSTS, not_before=days(10), not_after=days(20)))
    write(folder, "other-name.pem", ca.issue_cert("other.example.org"))
    localhost = [x509.DNSName("localhost")]
    folder.joinpath("self.pem").write_bytes(by_hand(None, "itself", localhost))
    for_clients = x509.ExtendedKeyUsageOID.CLIENT_AUTH
    folder.joinpath("usage.pem").write_bytes(by_hand(ca, "for clients alone", localhost, usage=for_clients))

    # Whether it has been revoked cannot be found out: nobody answers there.
    revocable = by_hand(ca, "perhaps revoked", localhost, responder="http://127.0.0.1:9/")
    folder.joinpath("revocable.pem").write_bytes(revocable)

    # What is too much.
    names = [x509.DNSName("localhost")] + [x509.DNSName(f"host-{number}.example.org") for number in range(16_000)]
    folder.joinpath("names.pem").write_bytes(by_hand(ca, "many", names))
    signer = trustme.CA(path_length=200)
    signer.cert_pem.write_to_path(folder / "chain-ca.pem")
    for _ in range(100):
        signer = signer.create_child_ca()
    write(folder, "chain.pem", signer.issue_cert(*HOSTS))

    for path in folder.glob("*.pem"):
        text = path.read_bytes()
        first = x509.load_pem_x509_certificate(text[text.index(b"-----BEGIN CERTIFICATE"):])
        path.with_suffix(".sha256").write_text(first.fingerprint(hashes.SHA256()).hex())


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
