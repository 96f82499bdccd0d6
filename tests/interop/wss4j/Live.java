import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import org.apache.ws.security.WSConstants;
import org.apache.ws.security.WSSConfig;
import org.apache.ws.security.WSSecurityEngineResult;
import org.apache.ws.security.components.crypto.Crypto;
import org.apache.ws.security.components.crypto.Merlin;
import org.apache.ws.security.conversation.ConversationConstants;
import org.apache.ws.security.conversation.dkalgo.P_SHA1;
import org.apache.ws.security.message.WSSecEncryptedKey;
import org.apache.ws.security.message.WSSecHeader;
import org.apache.ws.security.message.WSSecSecurityContextToken;
import org.apache.ws.security.message.WSSecSignatureConfirmation;
import org.apache.ws.security.message.token.Reference;
import org.apache.ws.security.message.token.SecurityTokenReference;
import org.w3c.dom.Document;
import org.w3c.dom.NodeList;

/**
 * A service and a client with secure conversations, on WSS4J: {@code serve VERSION CERTIFICATE KEY} and {@code call VERSION CERTIFICATE
 * URL COUNT}. VERSION is that of WS-SecureConversation, {@code c} (February 2005) or {@code sc} (1.3).
 *
 * <p>WSS4J protects and opens every message, also those by which the token is asked for; what it does not have is WS-Trust itself, so
 * that the requests and their answers are written here, in the shape of WCF's.
 */
public class Live {
    static final SecureRandom RANDOM = new SecureRandom();
    static final Wss4j.Suite SUITE =
        Wss4j.suites().stream().filter(suite -> suite.name().equals("Basic256")).findFirst().orElseThrow();

    final String prefix;
    final int version;
    final String sc;
    final String trust;
    final Crypto crypto;

    Live(String prefix, Path certificate, Path key) throws Exception {
        this.prefix = prefix;
        version = Wss4j.version(prefix);
        sc = ConversationConstants.getWSCNs(version);
        trust = prefix.equals("sc") ? "http://docs.oasis-open.org/ws-sx/ws-trust/200512" : "http://schemas.xmlsoap.org/ws/2005/02/trust";
        crypto = crypto(certificate, key);
    }

    public static void main(String[] arguments) throws Exception {
        WSSConfig.init();
        Wss4j.BUILDERS.setNamespaceAware(true);
        Path certificate = Path.of(arguments[2]);
        switch (arguments[0]) {
            case "serve" -> new Live(arguments[1], certificate, Path.of(arguments[3])).serve();
            case "call" -> new Live(arguments[1], certificate, null).call(URI.create(arguments[3]), Integer.parseInt(arguments[4]));
            default -> throw new IllegalArgumentException(
                "usage: Live serve VERSION CERTIFICATE KEY | Live call VERSION CERTIFICATE URL COUNT");
        }
    }

    static Crypto crypto(Path certificate, Path key) throws Exception {
        Certificate known = CertificateFactory.getInstance("X.509").generateCertificate(Files.newInputStream(certificate));
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        if (key == null) {
            store.setCertificateEntry("service", known);
        } else {
            String pem = Files.readString(key).replaceAll("-----[A-Z ]+-----|\\s", "");
            PrivateKey secret = KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
            store.setKeyEntry("service", secret, Wss4j.KEY_STORE.toCharArray(), new Certificate[] {known});
        }
        Merlin crypto = new Merlin();
        crypto.setKeyStore(store);
        return crypto;
    }

    // Messages.

    /** WSS4J takes it for granted that nobody calls its namespaces otherwise than it does. */
    Document envelope(String action, String addressing, String body) throws Exception {
        return Wss4j.parse(("<s:Envelope xmlns:s=\"" + Wss4j.S12 + "\" xmlns:a=\"" + Wss4j.WSA + "\" xmlns:wsu=\"" + WSConstants.WSU_NS
            + "\"><s:Header><a:Action s:mustUnderstand=\"1\">" + action + "</a:Action>" + addressing + "</s:Header><s:Body>" + body
            + "</s:Body></s:Envelope>")
            .getBytes(StandardCharsets.UTF_8));
    }

    static String request(URI to) {
        return "<a:MessageID>urn:uuid:" + UUID.randomUUID() + "</a:MessageID><a:ReplyTo><a:Address>" + Wss4j.WSA
            + "/anonymous</a:Address></a:ReplyTo><a:To s:mustUnderstand=\"1\">" + to + "</a:To>";
    }

    static String reply(Document request) {
        return "<a:RelatesTo>" + text(request, Wss4j.WSA, "MessageID") + "</a:RelatesTo>";
    }

    static String text(Document document, String namespace, String name) {
        NodeList found = document.getElementsByTagNameNS(namespace, name);
        Wss4j.check(found.getLength() > 0, "the message has no " + name);
        return found.item(0).getTextContent().trim();
    }

    String entropy(byte[] octets) {
        return "<t:Entropy><t:BinarySecret Type=\"" + trust + "/Nonce\">" + base64(octets) + "</t:BinarySecret></t:Entropy>";
    }

    String reference(String identifier) {
        return "<o:SecurityTokenReference xmlns:o=\"" + WSConstants.WSSE_NS + "\"><o:Reference URI=\"" + identifier + "\" ValueType=\"" + sc
            + "/sct\"/></o:SecurityTokenReference>";
    }

    /** The token's key: what both sides contributed. */
    static byte[] computed(byte[] client, byte[] service) throws Exception {
        return new P_SHA1().createKey(client, service, 0, 32);
    }

    static byte[] random() {
        byte[] octets = new byte[32];
        RANDOM.nextBytes(octets);
        return octets;
    }

    static String base64(byte[] octets) {
        return Base64.getEncoder().encodeToString(octets);
    }

    // Protection.

    /** A token that both sides know: the message names it and does not carry it. */
    Wss4j.Key context(Document document, byte[] secret, String identifier) {
        return derived -> {
            Reference reference = new Reference(document);
            reference.setURI(identifier);
            reference.setValueType(sc + "/sct");
            SecurityTokenReference named = new SecurityTokenReference(document);
            named.addWSSENamespace();
            named.setReference(reference);
            derived.setExternalKey(secret, named.getElement());
        };
    }

    /** The key of the request that is answered, named by the digest of what it was wrapped to. */
    static Wss4j.Key wrapped(Document document, byte[] secret, String sha1) {
        return derived -> {
            SecurityTokenReference named = new SecurityTokenReference(document);
            try {
                named.setKeyIdentifierEncKeySHA1(sha1);
            } catch (Exception error) {
                throw new IllegalStateException(error);
            }
            named.addTokenType(WSConstants.WSS_ENC_KEY_VALUE_TYPE);
            named.addWSSENamespace();
            derived.setExternalKey(secret, named.getElement());
        };
    }

    void protect(Document document, WSSecHeader header, Wss4j.Key key, boolean encrypt) throws Exception {
        Wss4j.sign(document, header, SUITE, version, key);
        if (encrypt) {
            Wss4j.encrypt(document, header, SUITE, version, key, true);
        }
    }

    /** Opens a message, and takes nothing that is not signed and fresh. */
    Wss4j.Processed opened(byte[] message, Map<String, byte[]> secrets) throws Exception {
        Wss4j.Processed processed = Wss4j.process(message, secrets, WSSConfig.getNewInstance(), crypto);
        for (String part : new String[] {"Body", "Action", "Timestamp"}) {
            Wss4j.check(processed.references(WSConstants.SIGN).stream().anyMatch(signed -> signed.getName().getLocalPart().equals(part)),
                part + " is not signed");
        }
        return processed;
    }

    static byte[] of(WSSecurityEngineResult result, String tag) {
        return (byte[]) result.get(tag);
    }

    // The service.

    void serve() throws Exception {
        Map<String, byte[]> secrets = new HashMap<>();
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            byte[] answer;
            int status = 200;
            try {
                answer = answer(exchange.getRequestBody().readAllBytes(), secrets);
            } catch (Exception error) {
                error.printStackTrace();
                status = 500;
                answer = ("<s:Envelope xmlns:s=\"" + Wss4j.S12 + "\"><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code>"
                    + "<s:Reason><s:Text xml:lang=\"en\">refused</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>")
                    .getBytes(StandardCharsets.UTF_8);
            }
            send(exchange, status, answer);
        });
        server.start();
        System.out.println("listening " + server.getAddress().getPort());
    }

    static void send(HttpExchange exchange, int status, byte[] message) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "application/soap+xml; charset=utf-8");
        exchange.sendResponseHeaders(status, message.length);
        exchange.getResponseBody().write(message);
        exchange.close();
    }

    byte[] answer(byte[] message, Map<String, byte[]> secrets) throws Exception {
        Wss4j.Processed request = opened(message, secrets);
        String action = text(request.document(), Wss4j.WSA, "Action");
        if (action.equals(trust + "/RST/SCT")) {
            return issued(request, secrets);
        }
        String identifier = text(request.document(), sc, "Identifier");
        byte[] secret = secrets.get(identifier);
        boolean cancel = action.equals(trust + "/RST/SCT/Cancel");
        String body;
        if (cancel) {
            secrets.remove(identifier);
            System.out.println("over");
            body = collected("<t:RequestedTokenCancelled/>");
        } else {
            Wss4j.check(!request.of(WSConstants.ENCR).isEmpty(), "nothing is encrypted");
            String text = text(request.document(), "urn:interop", "in");
            System.out.println("heard " + text);
            body = "<echoResponse xmlns=\"urn:interop\"><out>" + text + "</out></echoResponse>";
        }
        Document reply = envelope(cancel ? trust + "/RSTR/SCT/Cancel" : action + "Response", reply(request.document()), body);
        WSSecHeader header = Wss4j.header(reply, WSSConfig.getNewInstance());
        protect(reply, header, context(reply, secret, identifier), !cancel);
        return Wss4j.serialize(reply);
    }

    byte[] issued(Wss4j.Processed request, Map<String, byte[]> secrets) throws Exception {
        byte[] service = random();
        byte[] secret = computed(Base64.getDecoder().decode(text(request.document(), trust, "BinarySecret")), service);
        String identifier = "urn:uuid:" + UUID.randomUUID();
        secrets.put(identifier, secret);
        String id = "uuid-" + UUID.randomUUID() + "-1";
        Instant now = Instant.now().truncatedTo(ChronoUnit.MILLIS);
        String body = collected("<t:TokenType>" + sc + "/sct</t:TokenType><t:RequestedSecurityToken><c:SecurityContextToken wsu:Id=\"" + id
            + "\" xmlns:c=\"" + sc + "\"><c:Identifier>" + identifier
            + "</c:Identifier></c:SecurityContextToken></t:RequestedSecurityToken>"
            + "<t:RequestedAttachedReference><o:SecurityTokenReference xmlns:o=\"" + WSConstants.WSSE_NS + "\"><o:Reference URI=\"#" + id
            + "\"/></o:SecurityTokenReference></t:RequestedAttachedReference><t:RequestedUnattachedReference>" + reference(identifier)
            + "</t:RequestedUnattachedReference><t:RequestedProofToken><t:ComputedKey>" + trust
            + "/CK/PSHA1</t:ComputedKey></t:RequestedProofToken>"
            + entropy(service) + "<t:Lifetime><wsu:Created>" + now + "</wsu:Created><wsu:Expires>" + now.plus(15, ChronoUnit.HOURS)
            + "</wsu:Expires></t:Lifetime><t:KeySize>256</t:KeySize>");
        Document reply = envelope(trust + "/RSTR/SCT", reply(request.document()), body);
        WSSecHeader header = Wss4j.header(reply, WSSConfig.getNewInstance());
        WSSecurityEngineResult key = request.of(WSConstants.ENCR).stream()
            .filter(result -> result.get(WSSecurityEngineResult.TAG_ENCRYPTED_EPHEMERAL_KEY) != null).findFirst().orElseThrow();
        WSSecSignatureConfirmation confirmation = new WSSecSignatureConfirmation();
        byte[] signature = of(request.of(WSConstants.SIGN).get(0), WSSecurityEngineResult.TAG_SIGNATURE_VALUE);
        confirmation.build(reply, signature, header);
        byte[] digest = MessageDigest.getInstance("SHA-1").digest(of(key, WSSecurityEngineResult.TAG_ENCRYPTED_EPHEMERAL_KEY));
        protect(reply, header, wrapped(reply, of(key, WSSecurityEngineResult.TAG_SECRET), base64(digest)), true);
        return Wss4j.serialize(reply);
    }

    /** An answer, in 1.3 in the collection that it has to stand in. */
    String collected(String content) {
        String response = "<t:RequestSecurityTokenResponse xmlns:t=\"" + trust + "\">" + content + "</t:RequestSecurityTokenResponse>";
        return prefix.equals("c") ? response : "<t:RequestSecurityTokenResponseCollection xmlns:t=\"" + trust + "\">" + response
            + "</t:RequestSecurityTokenResponseCollection>";
    }

    // The client.

    void call(URI url, int count) throws Exception {
        byte[] client = random();
        Map<String, byte[]> secrets = new HashMap<>();
        Document request = envelope(trust + "/RST/SCT", request(url), "<t:RequestSecurityToken xmlns:t=\"" + trust + "\"><t:TokenType>" + sc
            + "/sct</t:TokenType><t:RequestType>" + trust + "/Issue</t:RequestType>" + entropy(client)
            + "<t:KeySize>256</t:KeySize></t:RequestSecurityToken>");
        WSSecHeader header = Wss4j.header(request, WSSConfig.getNewInstance());
        WSSecEncryptedKey key = new WSSecEncryptedKey();
        key.setUserInfo("service");
        key.setKeyIdentifierType(WSConstants.THUMBPRINT_IDENTIFIER);
        key.setKeyEncAlgo(WSConstants.KEYTRANSPORT_RSAOEP);
        key.setSymmetricEncAlgorithm(SUITE.cipher());
        key.prepare(request, crypto);
        protect(request, header, Wss4j.attached(key.getEphemeralKey(), key.getId(), WSConstants.WSS_ENC_KEY_VALUE_TYPE), true);
        key.prependToHeader(header);
        byte[] digest = MessageDigest.getInstance("SHA-1").digest(key.getEncryptedEphemeralKey());
        secrets.put(base64(digest), key.getEphemeralKey());
        Document token = exchange(url, request, secrets).document();
        Wss4j.check(Wss4j.confirms(token), "the signature is not confirmed");
        String identifier = text(token, sc, "Identifier");
        secrets.put(identifier, computed(client, Base64.getDecoder().decode(text(token, trust, "BinarySecret"))));

        for (int n = 1; n <= count; n++) {
            Document call = envelope("urn:interop/echo", request(url), "<echo xmlns=\"urn:interop\"><in>message " + n + "</in></echo>");
            Wss4j.Processed reply = exchange(url, secured(call, secrets, identifier, true), secrets);
            Wss4j.check(!reply.of(WSConstants.ENCR).isEmpty(), "nothing is encrypted");
            System.out.println("got " + text(reply.document(), "urn:interop", "out"));
        }
        // What was changed on its way must not be heard.
        Document changed = envelope("urn:interop/echo", request(url), "<echo xmlns=\"urn:interop\"><in>never</in></echo>");
        secured(changed, secrets, identifier, true);
        changed.getElementsByTagNameNS(Wss4j.WSA, "Action").item(0).setTextContent("urn:interop/other");
        HttpResponse<byte[]> refusal = post(url, Wss4j.serialize(changed));
        System.out.println(refusal.statusCode() == 500 ? "refused" : "a changed message was answered by " + refusal.statusCode());

        Document cancel = envelope(trust + "/RST/SCT/Cancel", request(url), "<t:RequestSecurityToken xmlns:t=\"" + trust
            + "\"><t:RequestType>" + trust + "/Cancel</t:RequestType><t:CancelTarget>" + reference(identifier)
            + "</t:CancelTarget></t:RequestSecurityToken>");
        Document cancelled = exchange(url, secured(cancel, secrets, identifier, false), secrets).document();
        Wss4j.check(cancelled.getElementsByTagNameNS(trust, "RequestedTokenCancelled").getLength() == 1, "it is not cancelled");
        System.out.println("closed");
    }

    Document secured(Document document, Map<String, byte[]> secrets, String identifier, boolean encrypt) throws Exception {
        WSSecHeader header = Wss4j.header(document, WSSConfig.getNewInstance());
        WSSecSecurityContextToken token = Wss4j.token(document, version, identifier);
        protect(document, header, Wss4j.attached(secrets.get(identifier), token.getSctId(), sc + "/sct"), encrypt);
        token.prependSCTElementToHeader(document, header);
        return document;
    }

    Wss4j.Processed exchange(URI url, Document request, Map<String, byte[]> secrets) throws Exception {
        HttpResponse<byte[]> answer = post(url, Wss4j.serialize(request));
        Wss4j.check(answer.statusCode() == 200, answer.statusCode() + ": " + new String(answer.body(), StandardCharsets.UTF_8));
        Wss4j.Processed reply = opened(answer.body(), secrets);
        String related = text(reply.document(), Wss4j.WSA, "RelatesTo");
        Wss4j.check(related.equals(text(request, Wss4j.WSA, "MessageID")), "an answer to " + related);
        return reply;
    }

    static HttpResponse<byte[]> post(URI url, byte[] message) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(url).version(HttpClient.Version.HTTP_1_1)
            .header("Content-Type", "application/soap+xml; charset=utf-8").POST(HttpRequest.BodyPublishers.ofByteArray(message)).build();
        return HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofByteArray());
    }
}
