#!/usr/bin/env python3
"""xmlsec1's half of the conversation. `xmlsec.sh` runs it.

`verify DIR`  xmlsec1 decrypts and verifies what this project sealed: every EncryptedData, every Signature.
`make DIR`    writes messages in WCF's shape that xmlsec1 signs and encrypts, for this project to open.

Only the standard library is used. Keys are derived here, from each token's secret and the nonces in the message: nothing
that this project derived, digested or canonicalized is taken over. xmlsec1 looks at no KeyInfo (it knows no
SecurityTokenReference): it is handed one key and uses it for the one Signature or EncryptedData that XPath selects.
"""

import base64
import hashlib
import hmac
import io
import pathlib
import random
import subprocess
import sys
import tempfile
import uuid
import xml.etree.ElementTree as ET

S12, S11 = "http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"
A10, A04 = "http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing"
U = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
O = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
K = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"
DS, ENC = "http://www.w3.org/2000/09/xmldsig#", "http://www.w3.org/2001/04/xmlenc#"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
SC = {"c": "http://schemas.xmlsoap.org/ws/2005/02/sc", "sc": "http://docs.oasis-open.org/ws-sx/ws-secureconversation/200512"}
LABEL = b"WS-SecureConversationWS-SecureConversation"

# Elements whose Id a signature may name, for xmlsec1's --id-attr: WCF's Ids are declared by no DTD.
NAMED = [f"{s}:Body" for s in (S11, S12)] + [f"{U}:Timestamp", f"{DS}:Signature", f"{K}:SignatureConfirmation", f"{O}:UsernameToken"]
NAMED += [f"{a}:{local}" for a in (A04, A10) for local in ("Action", "MessageID", "RelatesTo", "ReplyTo", "To")]


def lax():
    """xmlsec1 1.3 and newer want to be told to take a key that the message does not name."""
    said = subprocess.run(["xmlsec1", "--help-verify"], capture_output=True, text=True)
    return ["--lax-key-search"] if "--lax-key-search" in said.stdout + said.stderr else []


LAX = lax()


def xmlsec(command, key, select, document, *more):
    """Runs xmlsec1 with one key on one node; gives whether it succeeded, and what it wrote."""
    kind, octets = key
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        (scratch / "key").write_bytes(octets)
        (scratch / "in.xml").write_bytes(document)
        arguments = ["xmlsec1", command, *LAX, f"--{kind}key", str(scratch / "key"), "--output", str(scratch / "out")]
        for name in NAMED:
            arguments += ["--id-attr:Id", name]
        arguments += ["--node-xpath", select]
        if command == "--encrypt":
            # The template is the file; the document is the data.
            (scratch / "template.xml").write_bytes(more[0])
            arguments += ["--xml-data", str(scratch / "in.xml"), str(scratch / "template.xml")]
        else:
            arguments.append(str(scratch / "in.xml"))
        done = subprocess.run(arguments, capture_output=True)
        out = scratch / "out"
        return done.returncode == 0, out.read_bytes() if out.exists() else b"", done.stderr.decode(errors="replace")


def p_sha1(secret, seed, length):
    out, a = b"", seed
    while len(out) < length:
        a = hmac.digest(secret, a, "sha1")
        out += hmac.digest(secret, a + seed, "sha1")
    return out[:length]


def by_id(root):
    found = {}
    for element in root.iter():
        for name in (f"{{{U}}}Id", "Id"):
            if name in element.attrib:
                assert element.attrib[name] not in found, "an Id stands twice"
                found[element.attrib[name]] = element
    return found


def local(element):
    return element.tag.rsplit("}", 1)[-1]


def key_of(reference, ids, secrets):
    """The octets of the key that a SecurityTokenReference names."""
    uri = reference.find(f"{{{O}}}Reference").attrib["URI"]
    if not uri.startswith("#"):
        return secrets[uri]
    token = ids[uri[1:]]
    if local(token) == "SecurityContextToken":
        return secrets[next(child.text for child in token if local(child) == "Identifier")]
    assert local(token) == "DerivedKeyToken", local(token)
    values = {local(child): child for child in token}
    secret = key_of(values["SecurityTokenReference"], ids, secrets)
    offset = int(values["Offset"].text) if "Offset" in values else 0
    length = int(values["Length"].text) if "Length" in values else 32
    return p_sha1(secret, LABEL + base64.b64decode(values["Nonce"].text), offset + length)[offset:]


def named_key(element, ids, secrets):
    return key_of(element.find(f"{{{DS}}}KeyInfo/{{{O}}}SecurityTokenReference"), ids, secrets)


def inner(element):
    """The canonical form of an element's content, put under an element of its own."""
    out = io.StringIO()
    holder = ET.Element("content")
    holder.text = element.text
    holder.extend(list(element))
    ET.ElementTree(holder).write(out, encoding="unicode")
    # Prefixes are the parser's own from here on; both sides go through the same parser.
    return ET.canonicalize(out.getvalue(), rewrite_prefixes=True)


class Wrong(Exception):
    pass


def decrypt_all(document, secrets):
    """Lets xmlsec1 decrypt every EncryptedData; gives the document in clear and how many there were."""
    count = 0
    while True:
        root = ET.fromstring(document)
        data = root.find(f".//{{{ENC}}}EncryptedData")
        if data is None:
            return document, count
        key = named_key(data, by_id(root), secrets)
        algorithm = data.find(f"{{{ENC}}}EncryptionMethod").attrib["Algorithm"]
        kind = "des" if "tripledes" in algorithm else "aes"
        select = f"//*[local-name()='EncryptedData' and @Id='{data.attrib['Id']}']"
        good, document, said = xmlsec("--decrypt", (kind, key), select, document)
        if not good:
            raise Wrong(f"xmlsec1 does not decrypt {data.attrib['Id']}: {said}")
        count += 1


def verify_all(document, secrets):
    """Lets xmlsec1 verify every Signature; gives how many there were, and how many references they hold."""
    root = ET.fromstring(document)
    signatures = root.findall(f".//{{{DS}}}Signature")
    references = 0
    for number, signature in enumerate(signatures, 1):
        key = named_key(signature, by_id(root), secrets)
        select = f"(//*[local-name()='Signature'])[{number}]"
        good, _, said = xmlsec("--verify", ("hmac", key), select, document)
        if not good:
            raise Wrong(f"xmlsec1 does not verify signature {number}: {said}")
        references += len(signature.findall(f"{{{DS}}}SignedInfo/{{{DS}}}Reference"))
        # That it can say no: another key, another message.
        other = bytes([key[0] ^ 1]) + key[1:]
        if xmlsec("--verify", ("hmac", other), select, document)[0]:
            raise Wrong("xmlsec1 verifies with any key")
        forged = document.replace(b"urn:probe/Echo/Echo", b"urn:probe/Echo/Ecko")
        if number == 1 and (forged == document or xmlsec("--verify", ("hmac", key), select, forged)[0]):
            raise Wrong("xmlsec1 verifies a forged Action")
    return len(signatures), references


def secrets_of(folder):
    lines = (folder / "secrets.tsv").read_text().splitlines()
    return {identifier: bytes.fromhex(key) for identifier, key in (line.split("\t") for line in lines)}


def verify(directory):
    folders = sorted(path for path in directory.iterdir() if path.is_dir())
    totals = [0, 0, 0]
    for folder in folders:
        try:
            secrets = secrets_of(folder)
            document = (folder / "message.xml").read_bytes()
            name = folder.name
            encrypted_first = name.endswith("encrypt-before-sign")
            clear = name.endswith("clear-body")
            if encrypted_first:
                signatures, references = verify_all(document, secrets)
            document, decrypted = decrypt_all(document, secrets)
            if not encrypted_first:
                signatures, references = verify_all(document, secrets)
            # As many as the kind of message must have: nothing may pass by being absent.
            wanted = 0 if clear else 1 if encrypted_first or name.endswith("clear-signature") else 2
            wanted += 2 if name.endswith(("reply", "supporting")) else 0
            if decrypted != wanted:
                raise Wrong(f"{decrypted} EncryptedData, not {wanted}")
            if signatures != (2 if name.endswith("supporting") else 1) or references < 6:
                raise Wrong(f"{signatures} signatures, {references} references")
            body = ET.fromstring(document).find("{*}Body")
            expected = ET.fromstring(b"<content>" + (folder / "body.xml").read_bytes() + b"</content>")
            if inner(body) != inner(expected):
                raise Wrong(f"the body is {inner(body)}")
            totals = [a + b for a, b in zip(totals, (decrypted, signatures, references))]
        except Wrong as wrong:
            sys.exit(f"{folder}: {wrong}")
    if len(folders) < 90:
        sys.exit(f"only {len(folders)} messages in {directory}")
    print(f"xmlsec1 decrypted {totals[0]} EncryptedData and verified {totals[1]} signatures with {totals[2]} references "
          f"in {len(folders)} messages; forged messages and wrong keys it refused")


# Name, cipher's URI, kind of key for xmlsec1, lengths of the signing and the encryption key.
CIPHERS = [
    ("Basic128", f"{ENC}aes128-cbc", "aes", 16, 16),
    ("Basic192", f"{ENC}aes192-cbc", "aes", 24, 24),
    ("Basic256", f"{ENC}aes256-cbc", "aes", 24, 32),
    ("TripleDes", f"{ENC}tripledes-cbc", "des", 24, 24),
]
DIGESTS = [
    ("", f"{DS}hmac-sha1", f"{DS}sha1"),
    ("Sha256", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", f"{ENC}sha256"),
]
BODIES = [
    '<Echo xmlns="urn:probe"><text>made elsewhere</text></Echo>',
    '<Echo xmlns="urn:probe"><text>a &gt; b &amp; wörld 𝄞</text>\n<e a="it\'s" b="2"/></Echo>',
    '<p:L xmlns:p="urn:probe">' + "".join(f"<p:i>{n}</p:i>" for n in range(200)) + "</p:L>",
    '<Echo xmlns="urn:probe"/>',
]


def make(directory):
    manifest = []
    for suite, cipher, kind, signing_length, encryption_length in CIPHERS:
        for digest_name, mac, digest in DIGESTS:
            for version, namespace in SC.items():
                for shape in ("encrypt-signature", "clear-signature", "encrypt-before-sign", "clear-body"):
                    name = f"{suite}{digest_name}-{version}-{shape}"
                    r = random.Random(name)
                    body = BODIES[len(manifest) % len(BODIES)]
                    secret = r.randbytes(32)
                    identifier = f"urn:uuid:{uuid.UUID(bytes=r.randbytes(16))}"
                    message = made(r, shape, version, namespace, identifier, secret, body, cipher, kind, mac, digest,
                                   signing_length, encryption_length)
                    folder = directory / name
                    folder.mkdir(parents=True)
                    (folder / "message.xml").write_bytes(message)
                    (folder / "body.xml").write_bytes(body.encode())
                    (folder / "secrets.tsv").write_text(f"{identifier}\t{secret.hex()}\n")
                    order = "encrypt-signature" if shape == "clear-body" else shape
                    kept = "clear" if shape == "clear-body" else "encrypted"
                    manifest.append("\t".join((name, suite + digest_name, version, order, kept)) + "\n")
    (directory / "manifest.tsv").write_text("".join(manifest))
    print(f"xmlsec1 signed and encrypted {len(manifest)} messages")


def made(r, shape, version, namespace, identifier, secret, body, cipher, kind, mac, digest, signing_length, encryption_length):
    """One message in the shape of a WCF client's, signed and encrypted by xmlsec1."""
    prefix = f"uuid-{uuid.UUID(bytes=r.randbytes(16))}"
    keys = {}
    tokens = ""
    for number, length in ((3, signing_length), (4, encryption_length)):
        nonce = r.randbytes(16)
        keys[number] = p_sha1(secret, LABEL + nonce, length)
        where = "" if length == 32 else f"<{version}:Offset>0</{version}:Offset><{version}:Length>{length}</{version}:Length>"
        if number == 3 or shape != "clear-body":
            tokens += (f'<{version}:DerivedKeyToken u:Id="{prefix}-{number}" xmlns:{version}="{namespace}"><o:SecurityTokenReference>'
                       f'<o:Reference URI="#{prefix}-2"/></o:SecurityTokenReference>{where}<{version}:Nonce>'
                       f"{base64.b64encode(nonce).decode()}</{version}:Nonce></{version}:DerivedKeyToken>")

    def reference(number):
        return (f'<o:SecurityTokenReference xmlns:o="{O}"><o:Reference URI="#{prefix}-{number}"/></o:SecurityTokenReference>')

    parts = ["_0", "_2", "_3", "_4", "_5", f"{prefix}-1"]
    references = "".join(
        f'<Reference URI="#{part}"><Transforms><Transform Algorithm="{EXC}"/></Transforms><DigestMethod Algorithm="{digest}"/>'
        "<DigestValue/></Reference>" for part in parts)
    signature = (f'<Signature xmlns="{DS}"><SignedInfo><CanonicalizationMethod Algorithm="{EXC}"/><SignatureMethod Algorithm="{mac}"/>'
                 f"{references}</SignedInfo><SignatureValue/><KeyInfo>{reference(3)}</KeyInfo></Signature>")
    listed = {"encrypt-signature": ["_1", "_6"], "clear-body": []}.get(shape, ["_1"])
    references = "".join(f'<e:DataReference URI="#{data}"/>' for data in listed)
    listing = f'<e:ReferenceList xmlns:e="{ENC}">{references}</e:ReferenceList>' if listed else ""
    inside = signature + listing if shape == "encrypt-before-sign" else listing + signature
    document = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<s:Envelope xmlns:s="{S12}" xmlns:a="{A10}" xmlns:u="{U}"><s:Header><a:Action s:mustUnderstand="1" u:Id="_2">urn:probe/Echo/Echo'
        f'</a:Action><a:MessageID u:Id="_3">urn:uuid:{uuid.UUID(bytes=r.randbytes(16))}</a:MessageID><a:ReplyTo u:Id="_4"><a:Address>'
        f'{A10}/anonymous</a:Address></a:ReplyTo><a:To s:mustUnderstand="1" u:Id="_5">http://localhost/probe</a:To>'
        f'<o:Security s:mustUnderstand="1" xmlns:o="{O}"><u:Timestamp u:Id="{prefix}-1"><u:Created>2026-11-21T02:40:12.000Z</u:Created>'
        f"<u:Expires>2026-11-21T02:45:12.000Z</u:Expires></u:Timestamp>"
        f'<{version}:SecurityContextToken u:Id="{prefix}-2" xmlns:{version}="{namespace}"><{version}:Identifier>{identifier}'
        f"</{version}:Identifier></{version}:SecurityContextToken>{tokens}{inside}</o:Security></s:Header>"
        f'<s:Body u:Id="_0">{body}</s:Body></s:Envelope>').encode()

    def sign(document):
        good, document, said = xmlsec("--sign", ("hmac", keys[3]), "//*[local-name()='Signature']", document)
        if not good:
            sys.exit(f"xmlsec1 does not sign: {said}")
        return document

    def encrypt(document, data, sort, select):
        template = (f'<e:EncryptedData Id="{data}" Type="{ENC}{sort}" xmlns:e="{ENC}"><e:EncryptionMethod Algorithm="{cipher}"/>'
                    f'<KeyInfo xmlns="{DS}">{reference(4)}</KeyInfo><e:CipherData><e:CipherValue/></e:CipherData></e:EncryptedData>').encode()
        good, document, said = xmlsec("--encrypt", (kind, keys[4]), select, document, template)
        if not good:
            sys.exit(f"xmlsec1 does not encrypt: {said}")
        return document

    def encrypt_body(document):
        return document if shape == "clear-body" else encrypt(document, "_1", "Content", "//*[local-name()='Body']")

    if shape == "encrypt-before-sign":
        return sign(encrypt_body(document))
    document = encrypt_body(sign(document))
    if shape == "encrypt-signature":
        document = encrypt(document, "_6", "Element", "//*[local-name()='Signature']")
    return document


if __name__ == "__main__":
    {"verify": verify, "make": make}[sys.argv[1]](pathlib.Path(sys.argv[2]))
