import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
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
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.apache.ws.security.WSConstants;
import org.apache.ws.security.WSEncryptionPart;
import org.apache.ws.security.WSSConfig;
import org.apache.ws.security.WSSecurityEngineResult;
import org.apache.ws.security.components.crypto.Merlin;
import org.apache.ws.security.message.WSSecEncrypt;
import org.apache.ws.security.message.WSSecHeader;
import org.apache.ws.security.message.WSSecSignature;
import org.apache.ws.security.message.WSSecUsernameToken;
import org.w3c.dom.Document;
import org.w3c.dom.NodeList;

/**
 * A service and a client of SOAP 1.1 without WS-Addressing, protected by WSS 1.0 as WCF's basicHttpBinding is: {@code serve MODE KEYS} and
 * {@code call MODE KEYS URL COUNT}. MODE is {@code certificate} (both sides sign and encrypt), {@code username-over-https} or {@code
 * certificate-over-https}; KEYS is the folder of the certificates.
 */
public class Basic {
    static final String S11 = "http://schemas.xmlsoap.org/soap/envelope/";
    static final String ACTION = "urn:interop/echo";
    static final String USER = "ann & bob";
    static final String PASSWORD = "<secret>";
    /** By which the receiver's certificate is named, in turn. */
    static final int[] NAMES = {
        WSConstants.SKI_KEY_IDENTIFIER, WSConstants.ISSUER_SERIAL, WSConstants.THUMBPRINT_IDENTIFIER
    };

    final String mode;
    final Path keys;
    final Merlin crypto = new Merlin();
    final X509Certificate other;

    Basic(String mode, Path keys, String own, String other) throws Exception {
        this.mode = mode;
        this.keys = keys;
        this.other = certificate(keys.resolve(other + ".cert.pem"));
        KeyStore store = store(keys, own);
        store.setCertificateEntry("other", this.other);
        crypto.setKeyStore(store);
    }

    public static void main(String[] arguments) throws Exception {
        WSSConfig.init();
        Wss4j.BUILDERS.setNamespaceAware(true);
        Path keys = Path.of(arguments[2]);
        switch (arguments[0]) {
            case "serve" -> new Basic(arguments[1], keys, "service", "client").serve();
            case "call" -> new Basic(arguments[1], keys, "client", "service")
                .call(URI.create(arguments[3]), Integer.parseInt(arguments[4]));
            default -> throw new IllegalArgumentException("usage: Basic serve MODE KEYS | Basic call MODE KEYS URL COUNT");
        }
    }

    static X509Certificate certificate(Path file) throws Exception {
        return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(Files.newInputStream(file));
    }

    /** A certificate with its key. */
    static KeyStore store(Path keys, String name) throws Exception {
        String pem = Files.readString(keys.resolve(name + ".key.pem")).replaceAll("-----[A-Z ]+-----|\\s", "");
        PrivateKey key = KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        Certificate[] chain = {certificate(keys.resolve(name + ".cert.pem"))};
        store.setKeyEntry("own", key, Wss4j.KEY_STORE.toCharArray(), chain);
        return store;
    }

    boolean https() {
        return mode.endsWith("-over-https");
    }

    // Messages.

    static Document envelope(String body) throws Exception {
        String envelope = "<s:Envelope xmlns:s=\"" + S11 + "\"><s:Header/><s:Body>" + body + "</s:Body></s:Envelope>";
        return Wss4j.parse(envelope.getBytes(StandardCharsets.UTF_8));
    }

    /** @param n which message it is: each names the receiver in another way. */
    Document protectedBy(Document document, boolean request, int n) throws Exception {
        WSSecHeader header = Wss4j.header(document, WSSConfig.getNewInstance());
        if (mode.equals("certificate")) {
            // A service may send its certificate or name it.
            sign(document, header, request || n % 2 == 0 ? WSConstants.BST_DIRECT_REFERENCE : WSConstants.SKI_KEY_IDENTIFIER, true);
            encrypt(document, header, NAMES[n % NAMES.length]);
        } else if (request && mode.startsWith("username")) {
            WSSecUsernameToken token = new WSSecUsernameToken();
            token.setPasswordType(WSConstants.PASSWORD_TEXT);
            token.setUserInfo(USER, PASSWORD);
            token.build(document, header);
        } else if (request) {
            sign(document, header, WSConstants.BST_DIRECT_REFERENCE, false);
        }
        return document;
    }

    void sign(Document document, WSSecHeader header, int name, boolean body) throws Exception {
        List<WSEncryptionPart> parts = new ArrayList<>();
        if (body) {
            parts.add(new WSEncryptionPart("Body", S11, "Content"));
        }
        parts.add(new WSEncryptionPart("Timestamp", WSConstants.WSU_NS, "Content"));
        WSSecSignature sign = new WSSecSignature();
        sign.setUserInfo("own", Wss4j.KEY_STORE);
        sign.setKeyIdentifierType(name);
        sign.setSignatureAlgorithm(WSConstants.RSA_SHA1);
        sign.setDigestAlgo(WSConstants.SHA1);
        sign.setSigCanonicalization(WSConstants.C14N_EXCL_OMIT_COMMENTS);
        sign.setParts(parts);
        sign.build(document, crypto, header);
    }

    void encrypt(Document document, WSSecHeader header, int name) throws Exception {
        WSSecEncrypt encrypt = new WSSecEncrypt();
        encrypt.setUserInfo("other");
        encrypt.setKeyIdentifierType(name);
        encrypt.setKeyEnc(WSConstants.KEYTRANSPORT_RSAOEP);
        encrypt.setSymmetricEncAlgorithm(WSConstants.AES_256);
        encrypt.setParts(List.of(
            new WSEncryptionPart("Body", S11, "Content"), new WSEncryptionPart("Signature", WSConstants.SIG_NS, "Element")));
        encrypt.build(document, crypto, header);
    }

    /** Opens a message, and takes nothing that is not protected as it has to be. */
    Document opened(byte[] message, boolean request) throws Exception {
        Wss4j.Processed processed = Wss4j.process(message, Map.of(), WSSConfig.getNewInstance(), crypto);
        Wss4j.check(processed.of(WSConstants.TS).size() == 1, "there is no timestamp");
        Wss4j.check(
            processed.document().getDocumentElement().getElementsByTagNameNS(Wss4j.WSA, "*").getLength() == 0, "it has WS-Addressing");
        List<String> signed =
            processed.references(WSConstants.SIGN).stream().map(reference -> reference.getName().getLocalPart()).sorted().toList();
        for (WSSecurityEngineResult result : processed.of(WSConstants.SIGN)) {
            Wss4j.check(other.equals(result.get(WSSecurityEngineResult.TAG_X509_CERTIFICATE)), "another certificate has signed");
        }
        switch (mode) {
            case "certificate" -> {
                Wss4j.check(signed.equals(List.of("Body", "Timestamp")), "signed are " + signed);
                Wss4j.check(processed.references(WSConstants.ENCR).size() == 2, "the body and the signature are not encrypted");
            }
            case "username-over-https" -> {
                Wss4j.check(signed.isEmpty(), "signed are " + signed);
                Wss4j.check(processed.of(WSConstants.UT).size() == (request ? 1 : 0), "a user is named, or is not");
                Wss4j.check(!request || text(processed.document(), "Username").equals(USER), "another user");
            }
            default -> Wss4j.check(signed.equals(request ? List.of("Timestamp") : List.of()), "signed are " + signed);
        }
        return processed.document();
    }

    static String text(Document document, String name) {
        NodeList found = document.getElementsByTagNameNS("*", name);
        Wss4j.check(found.getLength() > 0, "the message has no " + name);
        return found.item(0).getTextContent().trim();
    }

    // The service.

    void serve() throws Exception {
        InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        HttpServer server = https() ? HttpsServer.create(address, 0) : HttpServer.create(address, 0);
        if (server instanceof HttpsServer secure) {
            KeyManagerFactory own = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            own.init(store(keys, "tls/server"), Wss4j.KEY_STORE.toCharArray());
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(own.getKeyManagers(), null, null);
            secure.setHttpsConfigurator(new HttpsConfigurator(context));
        }
        int[] count = {0};
        server.createContext("/", exchange -> {
            byte[] answer;
            int status = 200;
            try {
                answer = answer(exchange, count[0]++);
            } catch (Exception error) {
                error.printStackTrace();
                status = 500;
                answer = ("<s:Envelope xmlns:s=\"" + S11 + "\"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>refused"
                    + "</faultstring></s:Fault></s:Body></s:Envelope>").getBytes(StandardCharsets.UTF_8);
            }
            send(exchange, status, answer);
        });
        server.start();
        System.out.println("listening " + server.getAddress().getPort());
    }

    static void send(HttpExchange exchange, int status, byte[] message) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "text/xml; charset=utf-8");
        exchange.sendResponseHeaders(status, message.length);
        exchange.getResponseBody().write(message);
        exchange.close();
    }

    byte[] answer(HttpExchange exchange, int n) throws Exception {
        Document request = opened(exchange.getRequestBody().readAllBytes(), true);
        String action = exchange.getRequestHeaders().getFirst("SOAPAction");
        Wss4j.check(action.equals("\"" + ACTION + "\""), "SOAPAction is " + action);
        String text = text(request, "in");
        System.out.println("heard " + text);
        Document reply = envelope("<echoResponse xmlns=\"urn:interop\"><out>" + text + "</out></echoResponse>");
        return Wss4j.serialize(protectedBy(reply, false, n));
    }

    // The client.

    void call(URI url, int count) throws Exception {
        HttpClient client = client();
        for (int n = 1; n <= count; n++) {
            Document call = envelope("<echo xmlns=\"urn:interop\"><in>message " + n + "</in></echo>");
            HttpResponse<byte[]> answer = post(client, url, protectedBy(call, true, n));
            Wss4j.check(answer.statusCode() == 200, answer.statusCode() + ": " + new String(answer.body(), StandardCharsets.UTF_8));
            System.out.println("got " + text(opened(answer.body(), false), "out"));
        }
        // What was changed on its way, or is not protected, must not be heard.
        Document changed = envelope("<echo xmlns=\"urn:interop\"><in>never</in></echo>");
        if (mode.equals("certificate")) {
            sign(changed, Wss4j.header(changed, WSSConfig.getNewInstance()), WSConstants.BST_DIRECT_REFERENCE, true);
            changed.getElementsByTagNameNS("urn:interop", "in").item(0).setTextContent("changed");
            encrypt(changed, header(changed), WSConstants.SKI_KEY_IDENTIFIER);
        }
        HttpResponse<byte[]> refusal = post(client, url, changed);
        System.out.println(refusal.statusCode() == 500 ? "refused" : "a changed message was answered by " + refusal.statusCode());
        System.out.println("closed");
    }

    /** The Security header that is there. */
    static WSSecHeader header(Document document) throws Exception {
        WSSecHeader header = new WSSecHeader();
        header.setMustUnderstand(true);
        header.insertSecurityHeader(document);
        return header;
    }

    HttpClient client() throws Exception {
        HttpClient.Builder builder = HttpClient.newBuilder();
        if (https()) {
            KeyStore trusted = KeyStore.getInstance("PKCS12");
            trusted.load(null, null);
            trusted.setCertificateEntry("authority", certificate(keys.resolve("tls/authority.cert.pem")));
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(trusted);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
            builder.sslContext(context);
        }
        return builder.build();
    }

    static HttpResponse<byte[]> post(HttpClient client, URI url, Document message) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(url).version(HttpClient.Version.HTTP_1_1)
            .header("Content-Type", "text/xml; charset=utf-8").header("SOAPAction", "\"" + ACTION + "\"")
            .POST(HttpRequest.BodyPublishers.ofByteArray(Wss4j.serialize(message))).build();
        return client.send(request, HttpResponse.BodyHandlers.ofByteArray());
    }
}
