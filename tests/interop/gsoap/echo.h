// A service for both roles. gsoap.sh puts the import of one version of WS-ReliableMessaging in front.
//gsoap ns service name: echo
//gsoap ns service namespace: urn:interop
//gsoap ns schema namespace: urn:interop
//gsoap ns schema elementForm: qualified
//gsoap ns service method-header-part: echo wsa5__MessageID
//gsoap ns service method-header-part: echo wsa5__RelatesTo
//gsoap ns service method-header-part: echo wsa5__From
//gsoap ns service method-header-part: echo wsa5__ReplyTo
//gsoap ns service method-header-part: echo wsa5__FaultTo
//gsoap ns service method-header-part: echo wsa5__To
//gsoap ns service method-header-part: echo wsa5__Action
//gsoap ns service method-header-part: echo wsrm__Sequence
//gsoap ns service method-header-part: echo wsrm__AckRequested
//gsoap ns service method-header-part: echo wsrm__SequenceAcknowledgement
//gsoap ns service method-action: echo urn:interop/echo
//gsoap ns service method-output-action: echo urn:interop/echoResponse
int ns__echo(char *in, struct ns__echoResponse { char *out; } *);
//gsoap ns service method-header-part: notify wsa5__MessageID
//gsoap ns service method-header-part: notify wsa5__RelatesTo
//gsoap ns service method-header-part: notify wsa5__From
//gsoap ns service method-header-part: notify wsa5__ReplyTo
//gsoap ns service method-header-part: notify wsa5__FaultTo
//gsoap ns service method-header-part: notify wsa5__To
//gsoap ns service method-header-part: notify wsa5__Action
//gsoap ns service method-header-part: notify wsrm__Sequence
//gsoap ns service method-header-part: notify wsrm__AckRequested
//gsoap ns service method-header-part: notify wsrm__SequenceAcknowledgement
//gsoap ns service method-action: notify urn:interop/notify
int ns__notify(char *in, void);
