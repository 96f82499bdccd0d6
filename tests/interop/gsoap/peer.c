/*
 * A client and a service on gSOAP's WS-ReliableMessaging. gsoap.sh builds it once for each version.
 *
 *   peer serve [replay] [keep-alive]
 *       Serves on a free port of 127.0.0.1; prints "listening PORT", "heard TEXT" for each message the application got.
 *   peer call URL COUNT (echo | notify) (now | end) [keep-alive]
 *       A session of COUNT messages. What got no answer is called again at once, or sent again after the last message.
 *       Prints "got TEXT" for each reply, "lost N" for each message without one, and how the session ended.
 *
 * gSOAP keeps no reply for a request that is repeated: it answers that by an empty 202. With "replay" the application does
 * what the library leaves out, and answers a repeated request by the reply that it has kept.
 */
#include "soapH.h"
#include "wsaapi.h"
#include "wsrmapi.h"
#include "echo.nsmap"

#define KEPT 64

static struct kept { char *sequence, *text; ULONG64 number, answer; } kept[KEPT];
static int kept_count, replay;
/* The service is done with one exchange before it takes the next: nothing here is shared. */

/* Nothing is connected to that a peer's message names, but loopback. */
static SOAP_SOCKET (*open_socket)(struct soap *, const char *, const char *, int);
static SOAP_SOCKET open_loopback(struct soap *soap, const char *endpoint, const char *host, int port)
{
    if (strncmp(host, "127.", 4)) {
        soap_set_receiver_error(soap, "only loopback", host, SOAP_TCP_ERROR);
        return SOAP_INVALID_SOCKET;
    }
    return open_socket(soap, endpoint, host, port);
}

static struct soap *context(int keep_alive)
{
    struct soap *soap = soap_new1(keep_alive ? SOAP_IO_KEEPALIVE : 0);
    if (!soap)
        exit(1);
    open_socket = soap->fopen;
    soap->fopen = open_loopback;
    soap->max_keep_alive = 100000;
    soap_register_plugin(soap, soap_wsa);
    soap_register_plugin(soap, soap_wsrm);
    return soap;
}

static int has(int argc, char **argv, const char *word)
{
    while (argc-- > 0)
        if (!strcmp(argv[argc], word))
            return 1;
    return 0;
}

static int serve(int keep_alive)
{
    struct soap *soap = context(keep_alive);
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    soap->bind_flags = SO_REUSEADDR;
    /* A connection that is kept must not keep others waiting for long. */
    soap->recv_timeout = keep_alive ? -200000 : 5;
    if (!soap_valid_socket(soap_bind(soap, "127.0.0.1", 0, 100))
        || getsockname(soap->master, (struct sockaddr *)&address, &length)) {
        soap_print_fault(soap, stderr);
        return 1;
    }
    printf("listening %d\n", ntohs(address.sin_port));
    for (;;) {
        if (soap_valid_socket(soap_accept(soap)))
            soap_serve(soap);
        soap_destroy(soap);
        soap_end(soap);
    }
}

/* A number of its own, or that of the reply which is sent again; acknowledgements; the addresses. */
static int answer(struct soap *soap, const char *action, ULONG64 number)
{
    if (soap_wsrm_reply_num(soap, !number))
        return soap->error;
    if (number && soap->header->wsrm__Sequence)
        soap->header->wsrm__Sequence->MessageNumber = number;
    return soap_wsa_reply(soap, soap_wsa_rand_uuid(soap), action);
}

int ns__echo(struct soap *soap, char *in, struct ns__echoResponse *response)
{
    struct kept *it = NULL;
    if (replay && soap->header && soap->header->wsrm__Sequence) {
        ULONG64 number = soap->header->wsrm__Sequence->MessageNumber;
        const char *sequence = soap->header->wsrm__Sequence->Identifier;
        int i;
        for (i = 0; i < kept_count; i++) {
            if (kept[i].number == number && !strcmp(kept[i].sequence, sequence)) {
                response->out = kept[i].text;
                return answer(soap, "urn:interop/echoResponse", kept[i].answer);
            }
        }
        if (kept_count == KEPT)
            return soap_receiver_fault(soap, "no more replies can be kept", NULL);
        it = &kept[kept_count];
        it->number = number;
        it->sequence = strdup(sequence);
    }
    if (soap_wsrm_check(soap))
        return soap->error;
    printf("heard %s\n", in ? in : "");
    response->out = in;
    if (answer(soap, "urn:interop/echoResponse", 0))
        return soap->error;
    if (it && soap->header->wsrm__Sequence) {
        it->text = strdup(in ? in : "");
        it->answer = soap->header->wsrm__Sequence->MessageNumber;
        kept_count++;
    }
    return SOAP_OK;
}

int ns__notify(struct soap *soap, char *in)
{
    if (soap_wsrm_check_send_empty_response(soap))
        return soap->error;
    printf("heard %s\n", in ? in : "");
    return SOAP_OK;
}

static int call(const char *url, int count, int two_way, int at_once, int keep_alive)
{
    struct soap *soap = context(keep_alive);
    soap_wsrm_sequence_handle sequence;
    int i, failed;
    soap->recv_timeout = 5;
    failed = two_way
        ? soap_wsrm_create_offer(soap, url, NULL, NULL, 60000, NoDiscard, soap_wsa_rand_uuid(soap), &sequence)
        : soap_wsrm_create(soap, url, NULL, 60000, soap_wsa_rand_uuid(soap), &sequence);
    if (failed) {
        soap_print_fault(soap, stderr);
        return 1;
    }
    for (i = 1; i <= count; i++) {
        struct ns__echoResponse response;
        const char *action = two_way ? "urn:interop/echo" : "urn:interop/notify";
        const char *id = soap_wsa_rand_uuid(soap);
        char text[32];
        int attempt;
        failed = soap_wsrm_request_acks(soap, sequence, id, action);
        sprintf(text, "message %d", i);
        if (failed) {
            soap_print_fault(soap, stderr);
            printf("not sent %d\n", i);
            break;
        }
        for (attempt = 1;; attempt++) {
            if (two_way)
                failed = soap_call_ns__echo(soap, soap_wsrm_to(sequence), action, text, &response);
            else
                failed = soap_send_ns__notify(soap, soap_wsrm_to(sequence), action, text) || soap_recv_empty_response(soap);
            if (!failed)
                break;
            soap_print_fault(soap, stderr);
            /* The same message again, but by a call: soap_wsrm_resend() passes over the reply. */
            if (!at_once || attempt == 3 || soap_wsrm_request_num(soap, sequence, id, action, i))
                break;
        }
        if (failed)
            printf("lost %d\n", i);
        else if (two_way)
            printf("got %s\n", response.out);
    }
    if (!at_once && soap_wsrm_resend(soap, sequence, 0, 0))
        soap_print_fault(soap, stderr);
    if (soap_wsrm_close(soap, sequence, soap_wsa_rand_uuid(soap))) {
        soap_print_fault(soap, stderr);
        printf("not closed\n");
    }
    printf("unacknowledged %lld\n", (long long)soap_wsrm_nack(sequence));
    if (soap_wsrm_terminate(soap, sequence, soap_wsa_rand_uuid(soap))) {
        soap_print_fault(soap, stderr);
        printf("not terminated\n");
    } else {
        printf("terminated\n");
    }
    soap_wsrm_seq_free(soap, sequence);
    soap_destroy(soap);
    soap_end(soap);
    soap_free(soap);
    return 0;
}

int main(int argc, char **argv)
{
    int keep_alive = has(argc, argv, "keep-alive");
    setvbuf(stdout, NULL, _IOLBF, 0);
    replay = has(argc, argv, "replay");
    if (argc >= 2 && !strcmp(argv[1], "serve"))
        return serve(keep_alive);
    if (argc >= 6 && !strcmp(argv[1], "call"))
        return call(argv[2], atoi(argv[3]), !strcmp(argv[4], "echo"), !strcmp(argv[5], "now"), keep_alive);
    fprintf(stderr, "usage: peer serve [replay] [keep-alive] | peer call URL COUNT (echo | notify) (now | end) [keep-alive]\n");
    return 2;
}

int SOAP_ENV__Fault(struct soap *soap, char *faultcode, char *faultstring, char *faultactor, struct SOAP_ENV__Detail *detail,
    struct SOAP_ENV__Code *code, struct SOAP_ENV__Reason *reason, char *node, char *role, struct SOAP_ENV__Detail *more)
{
    return SOAP_OK;
}
