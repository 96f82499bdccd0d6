#!/usr/bin/env python3
"""Writes a corpus for exclusive canonicalization, with libxml2 (through lxml) as the oracle.

    python3 c14n_corpus.py DIR [COUNT [SEED [N]]]

makes, for every document, DIR/NNNN.xml (the input), DIR/NNNN.c14n (the canonical octets of one element) and a line of
DIR/manifest.tsv:

    number <TAB> apex <TAB> comments <TAB> prefix list

`apex` is the position of the canonicalized element among all elements in document order, counted from 0; `comments` is
0 or 1; the prefix list is what InclusiveNamespaces/@PrefixList would say ("-" for none). The same count and seed give
the same corpus. With a fourth argument N, N damaged copies of each document follow it; where libxml2 refuses one, its
apex is "!" and there is no canonical form. Then: C14N_CORPUS=DIR cargo test -p soap-session-tests --test c14n_libxml2
"""

import pathlib
import random
import re
import sys

from lxml import etree

PREFIXES = ["a", "b", "c", "s", "u", "o", "wsse", "x1", "é"]
# Sorted otherwise than their prefixes. libxml2 refuses quotes, '>' and non-ASCII characters here.
URIS = ["urn:z", "urn:a", "urn:m", "http://www.w3.org/2003/05/soap-envelope", "http://example.org/it's", "urn:z#1", "URN:Z"]
LOCALS = ["Envelope", "Header", "Body", "x", "y", "Id", "Item", "a-b.c", "_u", "naïve", "日本"]
ATTRIBUTES = ["Id", "Type", "URI", "a", "b", "z", "Value", "é", "A"]
WORDS = [
    "text", "wörld", "日本語", "𝄞", "1 > 0", "\u0085", "\u2028", "'", '"', "a\tb", "line\nline", "line\r\nline", "cr\rcr",
    "&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#13;", "&#xD;", "&#xd;", "&#10;", "&#9;", "&#x9;", "&#x20;", "&#38;",
    "&#60;", "&#x3E;", "&#x1D11E;", "&#228;", "]]&gt;", "]]", ">", "\r", "\r\r\n", " ", "\n  ", "&#x000A;", "&#34;",
]


class Maker:
    """One random document, as text with chosen quotes, spaces and line ends."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.elements = 0

    def space(self, least):
        if self.r.random() < 0.75:
            return " " * least
        return "".join(self.r.choice(" \t\n\r") for _ in range(self.r.randint(least, 3)))

    def quoted(self, value):
        quote = self.r.choice("\"\"'")
        return quote + value.replace(quote, "&quot;" if quote == '"' else "&apos;") + quote

    def value(self):
        return "".join(self.r.choice(WORDS) for _ in range(self.r.randint(0, 4)))

    def text(self):
        out = ""
        while True:
            out = "".join(self.r.choice(WORDS) for _ in range(self.r.randint(1, 6)))
            if "]]>" not in out:
                return out

    def comment(self):
        inside = self.r.choice([" note ", "", "a-b", " <&>] ", "\r\nover\rlines\n", "é"])
        return f"<!--{inside}-->"

    def cdata(self):
        inside = self.r.choice(["x<y&&z>", "", "]]", "a\r\nb\rc", "&amp;", "<é/>", "]>"])
        return f"<![CDATA[{inside}]]>"

    def uri(self):
        # Our reader refuses references in namespace names, so a value goes into the quotes that it does not have.
        uri = self.r.choice(URIS)
        if "'" in uri:
            return uri, f'"{uri}"'
        quote = self.r.choice("\"\"'")
        return uri, quote + uri + quote

    def element(self, scope, depth):
        self.elements += 1
        scope = dict(scope)
        parts = []
        declared = set()
        for _ in range(self.r.choice([0, 0, 0, 1, 1, 2, 3])):
            prefix = self.r.choice(PREFIXES + [""] * 4)
            if prefix in declared:
                continue
            declared.add(prefix)
            if prefix == "" and self.r.random() < 0.4:
                uri, written = "", self.r.choice(['""', "''"])
            else:
                uri, written = self.uri()
            scope[prefix] = uri
            name = f"xmlns:{prefix}" if prefix else "xmlns"
            parts.append(name + self.space(0) + "=" + self.space(0) + written)
        seen = set()
        for _ in range(self.r.choice([0, 0, 1, 1, 2, 3, 5])):
            prefix = self.r.choice([""] * 3 + [p for p in scope if p])
            local = self.r.choice(ATTRIBUTES)
            expanded = (scope[prefix] if prefix else "", local)
            if expanded in seen:
                continue
            seen.add(expanded)
            name = f"{prefix}:{local}" if prefix else local
            parts.append(name + self.space(0) + "=" + self.space(0) + self.quoted(self.value()))
        if self.r.random() < 0.1:
            parts.append("xml:lang=" + self.quoted(self.r.choice(["en", "de-CH", ""])))
        if self.r.random() < 0.05:
            parts.append("xml:space='preserve'")
        if self.r.random() < 0.03:
            parts.append('xmlns:xml="http://www.w3.org/XML/1998/namespace"')
        self.r.shuffle(parts)
        prefix = self.r.choice(list(scope))
        name = (f"{prefix}:" if prefix else "") + self.r.choice(LOCALS)
        tag = "<" + name + "".join(self.space(1) + part for part in parts) + self.space(0)
        if self.r.random() < 0.2:
            return tag + "/>"
        out = tag + ">"
        textual = False  # two texts in a row could make "]]>" together
        for _ in range(self.r.randint(0, 4)):
            kind = self.r.random()
            if kind < 0.5 and depth < 9:
                out += self.element(scope, depth + 1)
                textual = False
            elif kind < 0.75:
                out += "" if textual else self.text()
                textual = True
            elif kind < 0.85:
                out += self.comment()
                textual = False
            elif kind < 0.95:
                out += self.cdata()
                textual = False
        return out + "</" + name + self.space(0) + ">"

    def document(self):
        head = self.r.choice(["", "", '<?xml version="1.0"?>', "<?xml version='1.0' encoding='UTF-8' standalone=\"yes\" ?>\r\n"])
        if self.r.random() < 0.1:
            head = "\ufeff" + head
        around = self.comment() + "\n" if self.r.random() < 0.2 else ""
        return head + around + self.element({"": ""}, 0) + ("\n" + self.comment() if self.r.random() < 0.2 else "")


def main():
    directory = pathlib.Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 400
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    damaged = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    directory.mkdir(parents=True, exist_ok=True)
    manifest = []
    know_default()
    parser = etree.XMLParser(strip_cdata=False, resolve_entities=False, huge_tree=True)
    number = attempt = 0
    while number < count:
        attempt += 1
        maker = Maker(seed * 1_000_003 + attempt)
        source = maker.document()
        # Small documents say little; large ones would only be slow to look into.
        if not 2 <= maker.elements <= 60:
            continue
        source = source.encode()
        root = etree.fromstring(source, parser)
        elements = list(root.iter(etree.Element))
        assert len(elements) == maker.elements
        apex = 0 if maker.r.random() < 0.3 else maker.r.randrange(len(elements))
        comments = maker.r.random() < 0.4
        prefixes = []
        if maker.r.random() < 0.5:
            prefixes = maker.r.sample(PREFIXES + ["#default", "nosuch"], maker.r.randint(1, 5))
        canonical = canonicalize(elements[apex], comments, prefixes)
        (directory / f"{number:04}.xml").write_bytes(source)
        (directory / f"{number:04}.c14n").write_bytes(canonical)
        manifest.append(f"{number:04}\t{apex}\t{int(comments)}\t{' '.join(prefixes) or '-'}\n")
        number += 1
        for _ in range(damaged):
            copy = damage(source, maker.r)
            root = verdict(copy, parser)
            if root is False:
                continue
            try:
                canonical = None if root is None else canonicalize(root, True, [])
            except etree.C14NError:
                continue  # a relative namespace name, which libxml2 does not canonicalize
            (directory / f"{number:04}.xml").write_bytes(copy)
            if canonical is None:
                manifest.append(f"{number:04}\t!\t0\t-\n")
            else:
                (directory / f"{number:04}.c14n").write_bytes(canonical)
                manifest.append(f"{number:04}\t0\t1\t-\n")
            number += 1
    (directory / "manifest.tsv").write_bytes("".join(manifest).encode())


def damage(source, r):
    """A copy with a few bytes changed, moved, doubled or lost."""
    out = bytearray(source)
    for _ in range(r.choice([1, 1, 1, 2, 3])):
        at = r.randrange(len(out))
        end = min(len(out), at + r.choice([1, 1, 2, 3, 9]))
        kind = r.random()
        if kind < 0.4:
            tokens = [b"<", b">", b"&", b";", b'"', b"'", b":", b"=", b" ", b"/", b"]]>", b"--", b"!", b"\x00", b"\x0b",
                      b"\xff", b"\xef\xbf\xbf", b"xmlns", b"xml", b"&#0;", b"&#xFFFE;", b"&amp;", b"<!--", b"-->",
                      b"\xc2\xb7", b"\xc3\x97", b"-", b"1", b"</x>", b"<x/>", b" xmlns:q=''", b" a=''"]
            out[at:at if r.random() < 0.6 else end] = r.choice(tokens)
        elif kind < 0.6:
            del out[at:end]
        elif kind < 0.8:
            out[at:at] = out[at:end]
        else:
            other = r.randrange(len(out))
            out[at:end] = out[other:other + r.choice([1, 2, 5])]
        if not out:
            return source
    return bytes(out)


def verdict(source, parser):
    """The root element, None where libxml2 refuses the document, or False where the two are known to differ: document
    types and processing instructions are refused here, namespace names with references too, and libxml2 alone looks
    into what namespace names say."""
    if b"<!D" in source or b"<?" in re.sub(rb"^(\xef\xbb\xbf)?<\?xml\s", b"", source) or b"\0" in source[:4]:
        return False
    # libxml2 takes other versions, and any encoding behind a byte order mark.
    head = re.match(rb"^(?:\xef\xbb\xbf)?<\?xml[^>]*>", source)
    if head and not head[0].endswith((b'<?xml version="1.0"?>', b"<?xml version='1.0' encoding='UTF-8' standalone=\"yes\" ?>")):
        return False
    if re.search(rb"""xmlns[^=>]*=\s*("[^"]*[&\t\n\r]|'[^']*[&\t\n\r])""", source):
        return False
    try:
        root = etree.fromstring(source, parser)
        # It only complains of some things that Namespaces in XML forbids.
        return False if len(parser.error_log) else root
    except etree.XMLSyntaxError as error:
        said = " ".join(entry.message for entry in parser.error_log) + str(error)
        return False if "URI" in said or "encoding" in said.lower() and b"encoding" in source else None


def know_default():
    """lxml drops listed prefixes that occur in no document of the thread. No XML name can be "#default", but an
    attribute in sloppy HTML can, and from then on libxml2 gets to see it."""
    etree.fromstring('<p #default="x"/>', etree.HTMLParser())
    probe = etree.fromstring('<a:x xmlns:a="urn:a" xmlns="urn:d"/>')
    assert canonicalize(probe, False, ["#default"]) == b'<a:x xmlns="urn:d" xmlns:a="urn:a"></a:x>'


def canonicalize(element, comments, prefixes):
    """The canonical form of `element` as the apex of the node set, where it stands in its document."""
    return etree.tostring(
        element, method="c14n", exclusive=True, with_comments=comments, inclusive_ns_prefixes=prefixes or None,
        with_tail=False,
    )


if __name__ == "__main__":
    main()
