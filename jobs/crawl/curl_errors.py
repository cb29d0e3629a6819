"""libcurl's error codes in our words."""

import pycurl

from datasets.outcomes import Reason

_TLS = frozenset(
    {
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_SSL_CIPHER,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_ENGINE_NOTFOUND,
        pycurl.E_SSL_ENGINE_SETFAILED,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_SSL_SHUTDOWN_FAILED,
        pycurl.E_SSL_CRL_BADFILE,
        pycurl.E_SSL_ISSUER_ERROR,
    }
)

_REASONS = {
    pycurl.E_COULDNT_RESOLVE_HOST: (Reason.DNS_ERROR, "The host's name could not be resolved."),
    pycurl.E_COULDNT_CONNECT: (Reason.CONNECT_ERROR, "The host does not accept connections."),
    pycurl.E_GOT_NOTHING: (Reason.CONNECTION_RESET, "The host closed the connection without an answer."),
    pycurl.E_RECV_ERROR: (Reason.CONNECTION_RESET, "The connection broke while the answer came in."),
    pycurl.E_SEND_ERROR: (Reason.CONNECTION_RESET, "The connection broke while the request went out."),
    pycurl.E_PARTIAL_FILE: (Reason.INCOMPLETE_BODY, "The connection ended before the whole file had come."),
    pycurl.E_BAD_CONTENT_ENCODING: (Reason.BAD_CONTENT_ENCODING, "The body's compression cannot be read."),
}


def reason(code: int, message: str, *, body_begun: bool) -> tuple[Reason, str]:
    """What a failed transfer is called, and a sentence about it."""
    if code == pycurl.E_OPERATION_TIMEDOUT:
        if "too slow" in message.lower() and body_begun:
            return Reason.TOO_SLOW, "The host sends too slowly."
        return Reason.TIMEOUT, "The host did not answer in time."
    if code in _TLS:
        return Reason.TLS_ERROR, "The host's certificate or encryption cannot be trusted."
    return _REASONS.get(code, (Reason.PROTOCOL_ERROR, "The host's answer is not proper HTTP."))
