import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.CallbackHandler;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.OutputKeys;
import javax.xml.transform.Transformer;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.apache.ws.security.WSConstants;
import org.apache.ws.security.WSDataRef;
import org.apache.ws.security.WSEncryptionPart;
import org.apache.ws.security.WSPasswordCallback;
import org.apache.ws.security.WSSConfig;
import org.apache.ws.security.WSSecurityEngine;
import org.apache.ws.security.WSSecurityEngineResult;
import org.apache.ws.security.components.crypto.Crypto;
import org.apache.ws.security.conversation.ConversationConstants;
import org.apache.ws.security.message.WSSecDKEncrypt;
import org.apache.ws.security.message.WSSecDKSign;
import org.apache.ws.security.message.WSSecDerivedKeyBase;
import org.apache.ws.security.message.WSSecHeader;
import org.apache.ws.security.message.WSSecSecurityContextToken;
import org.apache.ws.security.message.WSSecTimestamp;
import org.apache.xml.security.c14n.Canonicalizer;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;

/**
 * WSS4J's half of the conversation about single messages: {@code verify DIRECTORY} opens what this project sealed, {@code make
 * DIRECTORY} secures messages for it to open. The folders are those of {@code interop/xmlsec}: {@code message.xml}, {@code body.xml},
 * {@code secrets.tsv} with the secret of each SecurityContextToken.
 */
public class Wss4j {
    static final String S12 = "http://www.w3.org/2003/05/soap-envelope";
    static final String WSA = "http://www.w3.org/2005/08/addressing";
    static final String HMAC_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256";
    static final String SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256";
    /** The moment at which all these messages are written and read. */
    static final long NOW = 1_795_228_812_769L;
    /** A key store in memory wants a password too. */
    static final String KEY_STORE = "in memory";

    static final DocumentBuilderFactory BUILDERS = DocumentBuilderFactory.newInstance();

    public static void main(String[] arguments) throws Exception {
        WSSConfig.init();
        BUILDERS.setNamespaceAware(true);
        Path directory = Path.of(arguments[1]);
        switch (arguments[0]) {
            case "verify" -> verify(directory);
            case "make" -> make(directory);
            default -> throw new IllegalArgumentException("usage: Wss4j (verify | make) DIRECTORY");
        }
    }

    static Document parse(byte[] document) throws Exception {
        return BUILDERS.newDocumentBuilder().parse(new ByteArrayInputStream(document));
    }

    static byte[] serialize(Document document) throws Exception {
        Transformer transformer = TransformerFactory.newInstance().newTransformer();
        transformer.setOutputProperty(OutputKeys.OMIT_XML_DECLARATION, "yes");
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        transformer.transform(new DOMSource(document), new StreamResult(out));
        return out.toByteArray();
    }

    static byte[] bytes(String hex) {
        byte[] octets = new byte[hex.length() / 2];
        for (int i = 0; i < octets.length; i++) {
            octets[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
        }
        return octets;
    }

    static Map<String, byte[]> secrets(Path folder) throws IOException {
        Map<String, byte[]> secrets = new HashMap<>();
        for (String line : Files.readAllLines(folder.resolve("secrets.tsv"))) {
            String[] fields = line.split("\t");
            secrets.put(fields[0], bytes(fields[1]));
        }
        return secrets;
    }

    static void check(boolean so, String otherwise) {
        if (!so) {
            throw new IllegalStateException(otherwise);
        }
    }

    /** What WSS4J made of a message. */
    record Processed(Document document, List<WSSecurityEngineResult> results) {
        List<WSSecurityEngineResult> of(int action) {
            return results.stream().filter(result -> (Integer) result.get(WSSecurityEngineResult.TAG_ACTION) == action).toList();
        }

        @SuppressWarnings("unchecked")
        List<WSDataRef> references(int action) {
            return of(action).stream()
                .map(result -> (List<WSDataRef>) result.get(WSSecurityEngineResult.TAG_DATA_REF_URIS))
                .filter(references -> references != null)
                .flatMap(List::stream)
                .toList();
        }
    }

    static Processed process(byte[] message, Map<String, byte[]> secrets) throws Exception {
        WSSConfig config = WSSConfig.getNewInstance();
        // Who judges the age of these messages is this project; it says so in its own tests.
        config.setTimeStampStrict(false);
        config.setTimeStampTTL(1_000_000_000);
        config.setTimeStampFutureTTL(1_000_000_000);
        return process(message, secrets, config, null);
    }

    static Processed process(byte[] message, Map<String, byte[]> secrets, WSSConfig config, Crypto crypto) throws Exception {
        CallbackHandler keys = callbacks -> {
            for (Callback callback : callbacks) {
                WSPasswordCallback wanted = (WSPasswordCallback) callback;
                switch (wanted.getUsage()) {
                    case WSPasswordCallback.USERNAME_TOKEN -> wanted.setPassword("<secret>");
                    case WSPasswordCallback.DECRYPT -> wanted.setPassword(KEY_STORE);
                    default -> wanted.setKey(secrets.get(wanted.getIdentifier()));
                }
            }
        };
        config.setWsiBSPCompliant(false);
        WSSecurityEngine engine = new WSSecurityEngine();
        engine.setWssConfig(config);
        Document document = parse(message);
        return new Processed(document, engine.processSecurityHeader(document, null, keys, crypto, crypto));
    }

    static boolean refused(byte[] message, Map<String, byte[]> secrets) {
        PrintStream complaints = System.err;
        // What was decrypted by a wrong key is no XML, and the parser says so by itself.
        System.setErr(new PrintStream(OutputStream.nullOutputStream()));
        try {
            process(message, secrets);
            return false;
        } catch (Exception refusal) {
            return true;
        } finally {
            System.setErr(complaints);
        }
    }

    /** Another octet in the middle of the last ciphertext. */
    static byte[] damaged(byte[] message) {
        String text = new String(message, StandardCharsets.UTF_8);
        int end = text.lastIndexOf("CipherValue>");
        int start = text.lastIndexOf("CipherValue>", end - 1) + "CipherValue>".length();
        int middle = (start + end) / 2;
        char other = text.charAt(middle) == 'A' ? 'B' : 'A';
        return (text.substring(0, middle) + other + text.substring(middle + 1)).getBytes(StandardCharsets.UTF_8);
    }

    /** The canonical form of what an element contains. */
    static String content(Element element) throws Exception {
        StringBuilder content = new StringBuilder();
        Canonicalizer canonicalizer = Canonicalizer.getInstance(Canonicalizer.ALGO_ID_C14N_EXCL_OMIT_COMMENTS);
        for (Node child = element.getFirstChild(); child != null; child = child.getNextSibling()) {
            content.append(new String(canonicalizer.canonicalizeSubtree(child), StandardCharsets.UTF_8));
        }
        return content.toString();
    }

    static Element body(Document document) {
        Element root = document.getDocumentElement();
        return (Element) root.getElementsByTagNameNS(root.getNamespaceURI(), "Body").item(0);
    }

    static byte[] replaced(byte[] message, String one, String other) {
        String text = new String(message, StandardCharsets.UTF_8);
        check(text.contains(one), "there is no " + one);
        return text.replace(one, other).getBytes(StandardCharsets.UTF_8);
    }

    static void verify(Path directory) throws Exception {
        int messages = 0, signatures = 0, references = 0, decrypted = 0, failures = 0;
        List<Path> folders;
        try (Stream<Path> entries = Files.list(directory)) {
            folders = entries.filter(Files::isDirectory).sorted().collect(Collectors.toList());
        }
        for (Path folder : folders) {
            String name = folder.getFileName().toString();
            try {
                byte[] message = Files.readAllBytes(folder.resolve("message.xml"));
                Map<String, byte[]> secrets = secrets(folder);
                Processed processed = process(message, secrets);
                int signed = processed.of(WSConstants.SIGN).size();
                check(signed == (name.endsWith("supporting") ? 2 : 1), signed + " signatures");
                check(processed.references(WSConstants.SIGN).size() >= 6, processed.references(WSConstants.SIGN).size() + " references");
                int opened = processed.references(WSConstants.ENCR).size();
                boolean bodyOnly = name.endsWith("clear-signature") || name.endsWith("encrypt-before-sign");
                int wanted = name.endsWith("clear-body") ? 0 : bodyOnly ? 1 : 2;
                wanted += name.endsWith("reply") || name.endsWith("supporting") ? 2 : 0;
                check(opened == wanted, opened + " EncryptedData, not " + wanted);
                byte[] expected = Files.readAllBytes(folder.resolve("body.xml"));
                String wrapped = "<x>" + new String(expected, StandardCharsets.UTF_8) + "</x>";
                String inside = content(body(processed.document()));
                Document sealed = parse(wrapped.getBytes(StandardCharsets.UTF_8));
                check(inside.equals(content(sealed.getDocumentElement())), "the body is " + inside);
                // That it can say no.
                Map<String, byte[]> others = new HashMap<>();
                secrets.forEach((identifier, secret) -> others.put(identifier, new byte[32]));
                check(refused(message, others), "opened with another secret");
                check(refused(replaced(message, "urn:probe/Echo/Echo", "urn:probe/Echo/Ecko"), secrets), "a forged Action was believed");
                check(opened == 0 || refused(damaged(message), secrets), "a damaged ciphertext was believed");
                messages++;
                signatures += signed;
                references += processed.references(WSConstants.SIGN).size();
                decrypted += opened;
            } catch (Exception wrong) {
                System.err.println(name + ": " + wrong);
                failures++;
            }
        }
        check(failures == 0, failures + " messages that WSS4J did not take");
        check(messages > 0, "no messages");
        System.out.printf("WSS4J decrypted %d EncryptedData and verified %d signatures with %d references in %d messages; "
            + "forged messages and wrong secrets it refused%n", decrypted, signatures, references, messages);
    }

    record Suite(String name, String cipher, String digest, String mac, int signing, int encryption) {}

    static List<Suite> suites() {
        List<Suite> suites = new ArrayList<>();
        for (boolean sha256 : new boolean[] {false, true}) {
            String digest = sha256 ? SHA256 : WSConstants.SHA1;
            String mac = sha256 ? HMAC_SHA256 : WSConstants.HMAC_SHA1;
            String suffix = sha256 ? "Sha256" : "";
            suites.add(new Suite("Basic128" + suffix, WSConstants.AES_128, digest, mac, 16, 16));
            suites.add(new Suite("Basic192" + suffix, WSConstants.AES_192, digest, mac, 24, 24));
            suites.add(new Suite("Basic256" + suffix, WSConstants.AES_256, digest, mac, 24, 32));
            suites.add(new Suite("TripleDes" + suffix, WSConstants.TRIPLE_DES, digest, mac, 24, 24));
        }
        return suites;
    }

    /** A version of WS-SecureConversation, by the prefix that WCF gives it. */
    static int version(String prefix) {
        return prefix.equals("sc") ? ConversationConstants.VERSION_05_12 : ConversationConstants.VERSION_05_02;
    }

    /** Written as every serializer writes them: what is compared is octets. */
    static final List<String> BODIES = List.of(
        "<Echo xmlns=\"urn:probe\"><text>made elsewhere</text></Echo>",
        "<Echo xmlns=\"urn:probe\"><text>a &gt; b &amp; w\u00f6rld</text>\n<e a=\"it's\" b=\"2\">x</e></Echo>",
        "<p:L xmlns:p=\"urn:probe\">" + "<p:i>1</p:i>".repeat(200) + "</p:L>");

    static void make(Path directory) throws Exception {
        StringBuilder manifest = new StringBuilder();
        int count = 0;
        for (Suite suite : suites()) {
            for (String prefix : List.of("c", "sc")) {
                for (String shape : List.of("encrypt-signature", "clear-signature", "encrypt-before-sign", "clear-body")) {
                    String name = suite.name() + "-" + prefix + "-" + shape;
                    Random random = new Random(name.hashCode());
                    byte[] secret = new byte[32];
                    random.nextBytes(secret);
                    String identifier = "urn:uuid:" + new UUID(random.nextLong(), random.nextLong());
                    String body = BODIES.get(count % BODIES.size());
                    byte[] message = made(suite, version(prefix), shape, identifier, secret, body);
                    Path folder = Files.createDirectories(directory.resolve(name));
                    Files.write(folder.resolve("message.xml"), message);
                    Files.writeString(folder.resolve("body.xml"), body);
                    StringBuilder hex = new StringBuilder();
                    for (byte octet : secret) {
                        hex.append(String.format("%02x", octet));
                    }
                    Files.writeString(folder.resolve("secrets.tsv"), identifier + "\t" + hex + "\n");
                    String order = shape.equals("clear-body") ? "encrypt-signature" : shape;
                    String kept = shape.equals("clear-body") ? "clear" : "encrypted";
                    manifest.append(String.join("\t", name, suite.name(), prefix, order, kept)).append('\n');
                    count++;
                }
            }
        }
        Files.writeString(directory.resolve("manifest.tsv"), manifest);
        System.out.println("WSS4J secured " + count + " messages");
    }

    static byte[] made(Suite suite, int version, String shape, String identifier, byte[] secret, String body) throws Exception {
        Document document = parse(("<s:Envelope xmlns:s=\"" + S12 + "\" xmlns:a=\"" + WSA + "\"><s:Header>"
            + "<a:Action s:mustUnderstand=\"1\">urn:probe/Echo/Echo</a:Action><a:MessageID>urn:uuid:" + UUID.randomUUID() + "</a:MessageID>"
            + "<a:ReplyTo><a:Address>" + WSA + "/anonymous</a:Address></a:ReplyTo>"
            + "<a:To s:mustUnderstand=\"1\">http://localhost/probe</a:To>"
            + "</s:Header><s:Body>" + body + "</s:Body></s:Envelope>").getBytes(StandardCharsets.UTF_8));
        WSSConfig config = WSSConfig.getNewInstance();
        // WSS4J changes the date that it is given.
        config.setCurrentTime(() -> new Date(NOW));
        WSSecHeader header = header(document, config);
        WSSecSecurityContextToken token = token(document, version, identifier);
        Key key = attached(secret, token.getSctId(), ConversationConstants.getWSCNs(version) + "/sct");
        boolean encryptSignature = shape.equals("encrypt-signature");
        if (shape.equals("encrypt-before-sign")) {
            encrypt(document, header, suite, version, key, false);
            sign(document, header, suite, version, key);
        } else {
            sign(document, header, suite, version, key);
            if (!shape.equals("clear-body")) {
                encrypt(document, header, suite, version, key, encryptSignature);
            }
        }
        token.prependSCTElementToHeader(document, header);
        return serialize(document);
    }

    /** A Security header with a Timestamp. */
    static WSSecHeader header(Document document, WSSConfig config) throws Exception {
        WSSecHeader header = new WSSecHeader();
        header.setMustUnderstand(true);
        header.insertSecurityHeader(document);
        WSSecTimestamp timestamp = new WSSecTimestamp(config);
        timestamp.setTimeToLive(300);
        timestamp.build(document, header);
        return header;
    }

    static WSSecSecurityContextToken token(Document document, int version, String identifier) throws Exception {
        WSSecSecurityContextToken token = new WSSecSecurityContextToken();
        token.setWscVersion(version);
        token.setIdentifier(identifier);
        token.setSctId("uuid-" + UUID.randomUUID() + "-1");
        token.prepare(document, null);
        return token;
    }

    /** What keys are derived from, and how a message names it. */
    interface Key {
        void into(WSSecDerivedKeyBase derived);
    }

    /** A token that the message carries. */
    static Key attached(byte[] secret, String id, String valueType) {
        return derived -> {
            derived.setExternalKey(secret, id);
            derived.setCustomValueType(valueType);
        };
    }

    static void sign(Document document, WSSecHeader header, Suite suite, int version, Key key) throws Exception {
        List<WSEncryptionPart> parts = new ArrayList<>();
        parts.add(new WSEncryptionPart("Body", document.getDocumentElement().getNamespaceURI(), "Content"));
        for (String name : List.of("Action", "MessageID", "RelatesTo", "ReplyTo", "To")) {
            if (document.getElementsByTagNameNS(WSA, name).getLength() > 0) {
                parts.add(new WSEncryptionPart(name, WSA, "Content"));
            }
        }
        parts.add(new WSEncryptionPart("Timestamp", WSConstants.WSU_NS, "Content"));
        if (confirms(document)) {
            parts.add(new WSEncryptionPart("SignatureConfirmation", WSConstants.WSSE11_NS, "Content"));
        }
        WSSecDKSign sign = new WSSecDKSign();
        sign.setWscVersion(version);
        key.into(sign);
        sign.setSignatureAlgorithm(suite.mac());
        sign.setDigestAlgorithm(suite.digest());
        sign.setSigCanonicalization(WSConstants.C14N_EXCL_OMIT_COMMENTS);
        sign.setDerivedKeyLength(suite.signing());
        sign.setParts(parts);
        sign.build(document, header);
    }

    static boolean confirms(Document document) {
        return document.getElementsByTagNameNS(WSConstants.WSSE11_NS, "SignatureConfirmation").getLength() > 0;
    }

    static void encrypt(Document document, WSSecHeader header, Suite suite, int version, Key key, boolean signature) throws Exception {
        List<WSEncryptionPart> parts = new ArrayList<>();
        parts.add(new WSEncryptionPart("Body", document.getDocumentElement().getNamespaceURI(), "Content"));
        if (signature) {
            parts.add(new WSEncryptionPart("Signature", WSConstants.SIG_NS, "Element"));
        }
        if (confirms(document)) {
            parts.add(new WSEncryptionPart("SignatureConfirmation", WSConstants.WSSE11_NS, "Element"));
        }
        WSSecDKEncrypt encrypt = new WSSecDKEncrypt();
        encrypt.setWscVersion(version);
        key.into(encrypt);
        encrypt.setSymmetricEncAlgorithm(suite.cipher());
        encrypt.setDerivedKeyLength(suite.encryption());
        encrypt.setParts(parts);
        encrypt.build(document, header);
    }
}
